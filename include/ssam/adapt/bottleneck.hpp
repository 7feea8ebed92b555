#pragma once

#include <ratio>
#include <ssam/nn/initialization.hpp>
#include <ssam/nn/mlp.hpp>

namespace ssam::inline SSAM_ABI {

/// The adapter of Medical SAM Adapter: y += Factor * (gelu(x D^T + b) U^T + c) with D [C / Divisor, C]. Its layers
/// start as PyTorch's, so a model with it does not begin as SAM. A BranchLayer; names are the published code's (D_fc1,
/// D_fc2).
template <class Scalar, class Device, int Divisor = 4, class Factor = std::ratio<1>>
class Bottleneck {
 public:
  using Matrix = MatrixView<Scalar, Device>;               ///< a matrix to write
  using ConstMatrix = MatrixView<const Scalar, Device>;    ///< a matrix to read
  using View = TensorView<Scalar, Device>;                 ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;      ///< a tensor to read
  using Layer = Linear<Scalar, Device, Trained, Trained>;  ///< of both its layers
  /// What forward leaves for backward.
  struct Record {
    typename Layer::Record down;  ///< of D_fc1
    typename Layer::Record up;    ///< of D_fc2
    ConstView hidden;             ///< before the activation, [N, C / Divisor]
  };
  /// What the answer is multiplied by.
  static constexpr double factor = static_cast<double>(Factor::num) / static_cast<double>(Factor::den);

  constexpr Bottleneck() = default;  ///< empty, to be assigned
  /// On `channels` = C channels.
  constexpr explicit Bottleneck(Index channels)
      : down(Shape{channels / Divisor, channels}), up(Shape{channels, channels / Divisor}) {}

  /// y [N, C] += f(x [N, C])
  void forward(Context<Device>& context, ConstMatrix x, Matrix y, Record& record) const {
    const Index inner = down.weight.value.dim(0);
    const View hidden = allocate<Scalar>(context, {x.rows, inner}), active = allocate<Scalar>(context, {x.rows, inner});
    down.forward(context, x, hidden.matrix(), record.down);
    ops::gelu_forward<Scalar>(context, hidden, active);
    record.hidden = hidden;
    WorkspaceScope<Device> scope(context);
    const View answer = allocate<Scalar>(context, {x.rows, x.cols});
    up.forward(context, active.matrix(), answer.matrix(), record.up);
    if (factor != 1) ops::scale<Scalar>(context, static_cast<Scalar>(factor), answer);
    ops::accumulate_matrix<Scalar>(context, answer.matrix(), y);
  }

  /// dy [N, C]. Adds to the gradients and to dx [N, C].
  void backward(Context<Device>& context, const Record& record, ConstMatrix dy, Matrix dx) {
    WorkspaceScope<Device> scope(context);
    const View danswer = allocate<Scalar>(context, {dy.rows, dy.cols});
    const View dhidden = allocate<Scalar>(context, record.hidden.shape());
    ops::copy_matrix<Scalar>(context, dy, danswer.matrix());
    if (factor != 1) ops::scale<Scalar>(context, static_cast<Scalar>(factor), danswer);
    up.backward(context, record.up, danswer.matrix(), dhidden.matrix());
    ops::gelu_backward<Scalar>(context, record.hidden, dhidden, dhidden);
    down.backward(context, record.down, dhidden.matrix(), danswer.matrix());
    ops::accumulate_matrix<Scalar>(context, danswer.matrix(), dx);
  }

  /// PyTorch's initialisation: uniform in +-1/sqrt(fan in).
  void initialize(Random& random) {
    for (Layer* layer : {&down, &up}) {
      const Index fan_in = layer->weight.value.dim(1);
      initialize_uniform(layer->weight.value, fan_in, random);
      initialize_uniform(layer->bias.value, fan_in, random);
    }
  }

  /// D_fc1 and D_fc2, weight and bias of each.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.parameter("D_fc1.weight", self.down.weight, Group::bottleneck);
    visitor.parameter("D_fc1.bias", self.down.bias, Group::bottleneck);
    visitor.parameter("D_fc2.weight", self.up.weight, Group::bottleneck);
    visitor.parameter("D_fc2.bias", self.up.bias, Group::bottleneck);
  }

  Layer down;  ///< D_fc1: C -> C / Divisor
  Layer up;    ///< D_fc2: C / Divisor -> C
};

}  // namespace ssam::inline SSAM_ABI
