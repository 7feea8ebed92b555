#pragma once

#include <ssam/core/visit.hpp>
#include <ssam/ops/ops.hpp>

namespace ssam::inline SSAM_ABI {

/// Layer norm over the last axis. In channels-last layout SAM's LayerNorm2d is the same thing.
template <class Scalar, class Device, class WeightTraining = Frozen, class BiasTraining = WeightTraining>
class LayerNorm {
 public:
  using View = TensorView<Scalar, Device>;
  using ConstView = TensorView<const Scalar, Device>;
  struct Record {
    ConstView x, mean, rstd;
  };

  constexpr LayerNorm() = default;
  constexpr LayerNorm(Index channels, double eps) : weight(Shape{channels}), bias(Shape{channels}), eps_(eps) {}

  void forward(Context<Device>& context, ConstView x, View y, Record& record) const {
    const Index rows = x.size() / weight.value.size();
    const View mean = allocate<Scalar>(context, {rows}), rstd = allocate<Scalar>(context, {rows});
    ops::layer_norm_forward<Scalar>(context, x, weight.value, bias.value, static_cast<Scalar>(eps_), y, mean, rstd);
    record = {x, mean, rstd};
  }

  /// Adds to the trained gradients; overwrites dx (same size as x, not an alias of dy).
  void backward(Context<Device>& context, const Record& record, ConstView dy, View dx) {
    ops::layer_norm_backward<Scalar>(context, record.x, weight.value, record.mean, record.rstd, dy, dx,
                                     weight.grad_accumulator(), bias.grad_accumulator());
  }

  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.parameter("weight", self.weight, Group::norms);
    visitor.parameter("bias", self.bias, Group::norms);
  }

  Parameter<Scalar, Device, WeightTraining> weight;
  Parameter<Scalar, Device, BiasTraining> bias;

 private:
  double eps_ = 1e-6;
};

}  // namespace ssam::inline SSAM_ABI
