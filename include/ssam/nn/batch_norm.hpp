#pragma once

#include <ssam/nn/contracts.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Batch norm over all but the last axis (in channels-last layout PyTorch's BatchNorm2d): with the batch's statistics
/// in training, where it is trained, and with the running ones elsewhere.
template <class Scalar, class Device, class Training = Frozen>
class BatchNorm {
 public:
  using View = TensorView<Scalar, Device>;             ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;  ///< a tensor to read
  static constexpr double eps = 1e-5;                  ///< added to the variance
  static constexpr double momentum = 0.1;              ///< of the running statistics
  /// What forward leaves for backward.
  struct Record {
    ConstView x;     ///< the input
    ConstView mean;  ///< of each channel
    ConstView rstd;  ///< one over the deviation
  };

  constexpr BatchNorm() = default;  ///< empty, to be assigned
  /// Over `channels`.
  constexpr explicit BatchNorm(Index channels)
      : weight(Shape{channels}),
        bias(Shape{channels}),
        running_mean(Shape{channels}),
        running_var(Shape{channels}),
        num_batches_tracked(Shape{}) {}

  /// x [..., C] -> y, same shape. Throws ConfigError for a single row in training.
  void forward(Context<Device>& context, ConstView x, View y, Record& record) {
    if (!(Training::trained && context.training)) return infer(context, x, y);
    const Index channels = weight.value.size();
    const View mean = allocate<Scalar>(context, {channels}), rstd = allocate<Scalar>(context, {channels});
    ops::batch_norm_forward_training<Scalar>(context, x, weight.value, bias.value, Scalar(eps), Scalar(momentum),
                                             running_mean.value.view(), running_var.value.view(), y, mean, rstd);
    WorkspaceScope<Device> scope(context);
    const View one = allocate<Scalar>(context, Shape{});
    ops::fill<Scalar>(context, one, Scalar(1));
    ops::accumulate<Scalar>(context, one, num_batches_tracked.value.view());
    record = {x, mean, rstd};
  }

  /// The same with the running statistics: x -> y.
  void infer(Context<Device>& context, ConstView x, View y) const {
    ops::batch_norm_forward_eval<Scalar>(context, x, weight.value, bias.value, running_mean.value, running_var.value,
                                         Scalar(eps), y);
  }

  /// After a forward pass in training: adds to the gradients; overwrites dx, which may be dy.
  void backward(Context<Device>& context, const Record& record, ConstView dy, View dx) {
    ops::batch_norm_backward<Scalar>(context, record.x, weight.value, record.mean, record.rstd, dy, dx,
                                     weight.ensure_grad(), bias.ensure_grad());
  }

  /// weight 1, bias 0, statistics of nothing seen yet.
  void initialize(Random&) {
    const std::vector<Scalar> ones(static_cast<std::size_t>(weight.value.size()), Scalar(1));
    weight.value = running_var.value = Tensor<Scalar, Device>(weight.value.shape(), ones);
    bias.value = running_mean.value = Tensor<Scalar, Device>(bias.value.shape());
    num_batches_tracked.value = Tensor<Scalar, Device>(Shape{});
  }

  /// Under PyTorch's names.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.parameter("weight", self.weight, Group::norms);
    visitor.parameter("bias", self.bias, Group::norms);
    visitor.parameter("running_mean", self.running_mean, Group::buffer);
    visitor.parameter("running_var", self.running_var, Group::buffer);
    visitor.parameter("num_batches_tracked", self.num_batches_tracked, Group::counter);
  }

  Parameter<Scalar, Device, Training> weight;  ///< scale [C]
  Parameter<Scalar, Device, Training> bias;    ///< shift [C]
  using Statistics =
      Parameter<Scalar, Device, std::conditional_t<Training::trained, Tracked, Frozen>>;  ///< not trained
  Statistics running_mean;                                                                ///< [C]
  Statistics running_var;                                                                 ///< [C], unbiased
  Statistics num_batches_tracked;                                                         ///< a number
};

}  // namespace ssam::inline SSAM_ABI
