#pragma once

#include <ssam/core/visit.hpp>
#include <ssam/ops/ops.hpp>

namespace ssam::inline SSAM_ABI {

/// Layer norm over the last axis; `WeightTraining` may be BiasesTrained. In channels-last layout SAM's LayerNorm2d is
/// the same thing.
template <class Scalar, class Device, class WeightTraining = Frozen, class BiasTraining = BiasesOf<WeightTraining>>
class LayerNorm {
 public:
  using View = TensorView<Scalar, Device>;             ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;  ///< a tensor to read
  /// What forward leaves for backward.
  struct Record {
    ConstView x,  ///< [..., channels]
        mean,     ///< of each row
        rstd;     ///< 1 / deviation of each row
  };

  constexpr LayerNorm() = default;  ///< empty, to be assigned
  /// Over `channels` values; `eps` is added to the variance.
  constexpr LayerNorm(Index channels, double eps) : weight(Shape{channels}), bias(Shape{channels}), eps_(eps) {}

  /// x [..., channels] -> y, same shape
  void forward(Context<Device>& context, ConstView x, View y, Record& record) const {
    const Index rows = x.size() / weight.value.size();
    const View mean = allocate<Scalar>(context, {rows}), rstd = allocate<Scalar>(context, {rows});
    ops::layer_norm_forward<Scalar>(context, x, weight.value, bias.value, static_cast<Scalar>(eps_), y, mean, rstd);
    record = {x, mean, rstd};
  }

  /// Adds to the trained gradients; overwrites dx (same size as x, not an alias of dy).
  void backward(Context<Device>& context, const Record& record, ConstView dy, View dx) {
    ops::layer_norm_backward<Scalar>(context, record.x, weight.value, record.mean, record.rstd, dy, dx,
                                     weight.ensure_grad(), bias.ensure_grad());
  }

  /// Weight and bias, by PyTorch's names.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.parameter("weight", self.weight, Group::norms);
    visitor.parameter("bias", self.bias, Group::norms);
  }

  Parameter<Scalar, Device, WeightsOf<WeightTraining>> weight;  ///< scale [channels]
  Parameter<Scalar, Device, BiasTraining> bias;                 ///< shift [channels]

 private:
  double eps_ = 1e-6;
};

}  // namespace ssam::inline SSAM_ABI
