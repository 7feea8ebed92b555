#pragma once

#include <cmath>
#include <ssam/nn/linear.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// S-SAM's text affine layer (TAL): Linear(text_dim, channels) -> ReLU -> BatchNorm1d(channels). Turns the text feature
/// of a label name into one sparse prompt token.
template <class Scalar, class Device, class Training = Frozen>
class TextAffine {
 public:
  using View = TensorView<Scalar, Device>;             ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;  ///< a tensor to read
  static constexpr Part part = Part::text_affine;      ///< of all its parameters
  static constexpr double eps = 1e-5;                  ///< added to the norm's variances
  static constexpr double momentum = 0.1;              ///< share of a batch in the running statistics
  /// What forward leaves for backward.
  struct Record {
    typename Linear<Scalar, Device, Training, Training>::Record linear;  ///< of the linear layer
    ConstView active,                                                    ///< behind the ReLU, [B, channels]
        mean,                       ///< of the batch, [channels]; empty where the running one was taken
        rstd;                       ///< 1 / deviation of the batch; as `mean`
    bool batch_statistics = false;  ///< whether the norm took the statistics of the batch
  };

  constexpr TextAffine() = default;  ///< empty, to be assigned
  /// From text features of `text_dim` values to tokens of `channels` values.
  constexpr TextAffine(Index text_dim, Index channels)
      : linear(Shape{channels, text_dim}),
        weight(Shape{channels}),
        bias(Shape{channels}),
        running_mean(Shape{channels}),
        running_var(Shape{channels}),
        num_batches_tracked(Shape{}) {}

  /// text [B, text_dim] -> token [B, channels]. In training (and where TAL is trained) batch statistics are used and
  /// the running ones updated; a batch of 1, or of equal texts (see HostContext), has none and takes the running ones.
  void forward(Context<Device>& context, ConstView text, View token, Record& record) {
    const Index batch = text.dim(0), channels = token.dim(1);
    record.batch_statistics = Training::trained && context.training && context.batch_statistics && batch > 1;
    const View active = activate(context, text, record);
    if (!record.batch_statistics) return normalize(context, active, token);
    const View mean = allocate<Scalar>(context, {channels}), rstd = allocate<Scalar>(context, {channels});
    ops::batch_norm_forward_training<Scalar>(context, active, weight.value, bias.value, Scalar(eps), Scalar(momentum),
                                             running_mean.value.view(), running_var.value.view(), token, mean, rstd);
    const View one = allocate<Scalar>(context, Shape{});
    ops::fill<Scalar>(context, one, Scalar(1));
    ops::accumulate<Scalar>(context, one, num_batches_tracked.value.view());
    record.mean = mean;
    record.rstd = rstd;
  }

  /// text [B, text_dim] -> token [B, channels] outside of training: with the running statistics, which stay as they
  /// are.
  void infer(Context<Device>& context, ConstView text, View token) const {
    Record record;
    normalize(context, activate(context, text, record), token);
  }

  /// dtoken [B, channels]. Adds to the trained gradients. (Text features are data: there is no gradient of them.)
  void backward(Context<Device>& context, const Record& record, ConstView dtoken) requires(Training::trained) {
    WorkspaceScope<Device> scope(context);
    const View dactive = allocate<Scalar>(context, record.active.shape());
    if (record.batch_statistics) {
      ops::batch_norm_backward<Scalar>(context, record.active, weight.value, record.mean, record.rstd, dtoken, dactive,
                                       weight.ensure_grad(), bias.ensure_grad());
    } else {
      backward_running(context, record, dtoken, dactive);
    }
    ops::relu_backward<Scalar>(context, record.active, dactive, dactive);
    linear.backward(context, record.linear, dactive.matrix(), {});
  }

  /// PyTorch's initialisation of its layers: no plain checkpoint has a text affine layer.
  void initialize(Random& random) {
    const double bound = 1 / std::sqrt(static_cast<double>(linear.weight.value.dim(1)));
    const auto uniform = [&](Tensor<Scalar, Device>& tensor) {
      std::vector<Scalar> values(static_cast<std::size_t>(tensor.size()));
      for (Scalar& value : values) value = static_cast<Scalar>(random.uniform(-bound, bound));
      tensor = Tensor<Scalar, Device>(tensor.shape(), values);
    };
    uniform(linear.weight.value);
    uniform(linear.bias.value);
    const std::vector<Scalar> ones(static_cast<std::size_t>(weight.value.size()), Scalar(1));
    weight.value = running_var.value = Tensor<Scalar, Device>(weight.value.shape(), ones);
    bias.value = running_mean.value = Tensor<Scalar, Device>(bias.value.shape());
    num_batches_tracked.value = Tensor<Scalar, Device>(Shape{});
  }

  /// Under S-SAM's names: Text_Embedding_Affine.0 (linear) and .2 (norm).
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.child("Text_Embedding_Affine.0", self.linear);
    visitor.parameter("Text_Embedding_Affine.2.weight", self.weight, Group::norms);
    visitor.parameter("Text_Embedding_Affine.2.bias", self.bias, Group::norms);
    visitor.parameter("Text_Embedding_Affine.2.running_mean", self.running_mean, Group::buffer);
    visitor.parameter("Text_Embedding_Affine.2.running_var", self.running_var, Group::buffer);
    visitor.parameter("Text_Embedding_Affine.2.num_batches_tracked", self.num_batches_tracked, Group::counter);
  }

  Linear<Scalar, Device, Training, Training> linear;  ///< text_dim -> channels
  Parameter<Scalar, Device, Training> weight;         ///< the norm's scale [channels]
  Parameter<Scalar, Device, Training> bias;           ///< the norm's shift [channels]
  Parameter<Scalar, Device, std::conditional_t<Training::trained, Tracked, Frozen>>
      running_mean,         ///< moving average of batches' means [channels]
      running_var,          ///< ... of their variances
      num_batches_tracked;  ///< batches of training so far, a scalar

 private:
  View activate(Context<Device>& context, ConstView text, Record& record) const {
    const View active = allocate<Scalar>(context, {text.dim(0), weight.value.dim(0)});
    linear.forward(context, text.matrix(), active.matrix(), record.linear);
    ops::relu_forward<Scalar>(context, active, active);
    record.active = active;
    return active;
  }
  void normalize(Context<Device>& context, ConstView active, View token) const {
    ops::batch_norm_forward_eval<Scalar>(context, active, weight.value, bias.value, running_mean.value,
                                         running_var.value, Scalar(eps), token);
  }

  // With fixed statistics the norm is an affine map: y = weight * normed + bias.
  void backward_running(Context<Device>& context, const Record& record, ConstView dtoken, View dactive) {
    const View zeros = allocate<Scalar>(context, weight.value.shape()),
               ones = allocate<Scalar>(context, weight.value.shape());
    ops::fill<Scalar>(context, zeros, Scalar(0));
    ops::fill<Scalar>(context, ones, Scalar(1));
    const View normed = dactive;
    ops::batch_norm_forward_eval<Scalar>(context, record.active, ones, zeros, running_mean.value, running_var.value,
                                         Scalar(eps), normed);
    ops::dot_rows<Scalar>(context, dtoken.matrix(), normed.matrix(), weight.ensure_grad());
    ops::sum_rows<Scalar>(context, dtoken.matrix(), bias.ensure_grad());
    ops::batch_norm_forward_eval<Scalar>(context, dtoken, weight.value, zeros, zeros, running_var.value, Scalar(eps),
                                         dactive);
  }
};

}  // namespace ssam::inline SSAM_ABI
