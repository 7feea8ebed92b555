#pragma once

#include <ssam/nn/batch_norm.hpp>
#include <ssam/nn/initialization.hpp>
#include <ssam/nn/linear.hpp>

namespace ssam::inline SSAM_ABI {

/// S-SAM's text affine layer (TAL): Linear(text_dim, channels) -> ReLU -> BatchNorm1d(channels). Turns the text feature
/// of a label name into one sparse prompt token.
template <class Scalar, class Device, class Training = Frozen>
class TextAffine {
 public:
  using View = TensorView<Scalar, Device>;             ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;  ///< a tensor to read
  static constexpr Part part = Part::text_affine;      ///< of all its parameters
  using Norm = BatchNorm<Scalar, Device, Training>;    ///< behind the ReLU
  /// What forward leaves for backward.
  struct Record {
    typename Linear<Scalar, Device, Training, Training>::Record linear;  ///< of the linear layer
    ConstView active;                                                    ///< behind the ReLU, [B, channels]
    typename Norm::Record norm;                                          ///< of the norm, where it took the batch's
    bool batch_statistics = false;  ///< whether the norm took the statistics of the batch
  };

  constexpr TextAffine() = default;  ///< empty, to be assigned
  /// From text features of `text_dim` values to tokens of `channels` values.
  constexpr TextAffine(Index text_dim, Index channels) : linear(Shape{channels, text_dim}), norm(channels) {}

  /// text [B, text_dim] -> token [B, channels]. In training (and where TAL is trained) batch statistics are used and
  /// the running ones updated; a batch of 1, or of equal texts (see HostContext), has none and takes the running ones.
  void forward(Context<Device>& context, ConstView text, View token, Record& record) {
    record.batch_statistics = Training::trained && context.training && context.batch_statistics && text.dim(0) > 1;
    const View active = activate(context, text, record);
    if (record.batch_statistics) {
      norm.forward(context, active, token, record.norm);
    } else {
      norm.infer(context, active, token);
    }
  }

  /// text [B, text_dim] -> token [B, channels] outside of training: with the running statistics, which stay as they
  /// are.
  void infer(Context<Device>& context, ConstView text, View token) const {
    Record record;
    norm.infer(context, activate(context, text, record), token);
  }

  /// dtoken [B, channels]. Adds to the trained gradients. (Text features are data: there is no gradient of them.)
  void backward(Context<Device>& context, const Record& record, ConstView dtoken) requires(Training::trained) {
    WorkspaceScope<Device> scope(context);
    const View dactive = allocate<Scalar>(context, record.active.shape());
    if (record.batch_statistics) {
      norm.backward(context, record.norm, dtoken, dactive);
    } else {
      backward_running(context, record, dtoken, dactive);
    }
    ops::relu_backward<Scalar>(context, record.active, dactive, dactive);
    linear.backward(context, record.linear, dactive.matrix(), {});
  }

  /// PyTorch's initialisation of its layers: no plain checkpoint has a text affine layer.
  void initialize(Random& random) {
    const Index fan_in = linear.weight.value.dim(1);
    initialize_uniform(linear.weight.value, fan_in, random);
    initialize_uniform(linear.bias.value, fan_in, random);
    norm.initialize(random);
  }

  /// Under S-SAM's names: Text_Embedding_Affine.0 (linear) and .2 (norm).
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.child("Text_Embedding_Affine.0", self.linear);
    visitor.child("Text_Embedding_Affine.2", self.norm);
  }

  Linear<Scalar, Device, Training, Training> linear;  ///< text_dim -> channels
  Norm norm;                                          ///< over channels

 private:
  View activate(Context<Device>& context, ConstView text, Record& record) const {
    const View active = allocate<Scalar>(context, {text.dim(0), linear.bias.value.size()});
    linear.forward(context, text.matrix(), active.matrix(), record.linear);
    ops::relu_forward<Scalar>(context, active, active);
    record.active = active;
    return active;
  }
  // With fixed statistics the norm is an affine map: y = weight * normed + bias.
  void backward_running(Context<Device>& context, const Record& record, ConstView dtoken, View dactive) {
    const View zeros = allocate<Scalar>(context, norm.weight.value.shape()),
               ones = allocate<Scalar>(context, norm.weight.value.shape());
    ops::fill<Scalar>(context, zeros, Scalar(0));
    ops::fill<Scalar>(context, ones, Scalar(1));
    const View normed = dactive;
    ops::batch_norm_forward_eval<Scalar>(context, record.active, ones, zeros, norm.running_mean.value,
                                         norm.running_var.value, Scalar(Norm::eps), normed);
    ops::dot_rows<Scalar>(context, dtoken.matrix(), normed.matrix(), norm.weight.ensure_grad());
    ops::sum_rows<Scalar>(context, dtoken.matrix(), norm.bias.ensure_grad());
    ops::batch_norm_forward_eval<Scalar>(context, dtoken, norm.weight.value, zeros, zeros, norm.running_var.value,
                                         Scalar(Norm::eps), dactive);
  }
};

}  // namespace ssam::inline SSAM_ABI
