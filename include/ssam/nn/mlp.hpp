#pragma once

#include <ssam/nn/linear.hpp>

namespace ssam::inline SSAM_ABI {

/// What stands between the two layers of an Mlp.
enum class Activation {
  gelu,  ///< x * normal CDF(x), exact (by erf)
  relu,  ///< max(x, 0)
};

namespace detail {
template <class Scalar, class Device>
void activate(Context<Device>& context, Activation kind, TensorView<const Scalar, Device> x,
              TensorView<Scalar, Device> y) {
  if (kind == Activation::gelu) {
    ops::gelu_forward<Scalar>(context, x, y);
  } else {
    ops::relu_forward<Scalar>(context, x, y);
  }
}
template <class Scalar, class Device>
void activate_backward(Context<Device>& context, Activation kind, TensorView<const Scalar, Device> x,
                       TensorView<Scalar, Device> gradient) {
  if (kind == Activation::gelu) {
    ops::gelu_backward<Scalar>(context, x, gradient, gradient);
  } else {
    ops::relu_backward<Scalar>(context, x, gradient, gradient);
  }
}
}  // namespace detail

/// Two linear-like layers with an activation between them: a transformer's MLPBlock.
template <class Scalar, class Device, class LinearLike, Activation activation>
class Mlp {
 public:
  using View = TensorView<Scalar, Device>;             ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;  ///< a tensor to read
  /// What forward leaves for backward.
  struct Record {
    typename LinearLike::Record lin1,  ///< of the first layer
        lin2;                          ///< of the second
    ConstView hidden;                  ///< before the activation, [N, hidden]
  };

  constexpr Mlp() = default;  ///< empty, to be assigned
  /// channels -> hidden -> channels: `channels` outside, `hidden` between the layers.
  constexpr Mlp(Index channels, Index hidden)
      : lin1(Shape{hidden, channels}), lin2(Shape{channels, hidden}), hidden_(hidden) {}

  /// x [N, channels] -> y [N, channels]
  void forward(Context<Device>& context, ConstView x, View y, Record& record) const {
    const Index rows = x.matrix().rows;
    const View hidden = allocate<Scalar>(context, {rows, hidden_}), active = allocate<Scalar>(context, {rows, hidden_});
    lin1.forward(context, x.matrix(), hidden.matrix(), record.lin1);
    detail::activate<Scalar, Device>(context, activation, hidden, active);
    lin2.forward(context, active.matrix(), y.matrix(), record.lin2);
    record.hidden = hidden;
  }

  /// dy [N, channels]. Adds to the trained gradients; overwrites dx [N, channels].
  void backward(Context<Device>& context, const Record& record, ConstView dy, View dx) {
    WorkspaceScope<Device> scope(context);
    const View dhidden = allocate<Scalar>(context, record.hidden.shape());
    lin2.backward(context, record.lin2, dy.matrix(), dhidden.matrix());
    detail::activate_backward<Scalar, Device>(context, activation, record.hidden, dhidden);
    lin1.backward(context, record.lin1, dhidden.matrix(), dx.matrix());
  }

  /// Its parameters, by SAM's names.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.child("lin1", self.lin1);
    visitor.child("lin2", self.lin2);
  }

  LinearLike lin1,  ///< channels -> hidden
      lin2;         ///< hidden -> channels

 private:
  Index hidden_ = 0;
};

/// SAM's three-layer MLP (ReLU between) of the hypernetworks and the IoU head.
template <class Scalar, class Device, class Training = Frozen>
class HeadMlp {
 public:
  using Layer = Linear<Scalar, Device, WeightsOf<Training>, BiasesOf<Training>>;  ///< each of the three
  using View = TensorView<Scalar, Device>;                                        ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;                             ///< a tensor to read
  using ConstMatrix = MatrixView<const Scalar, Device>;                           ///< a matrix to read
  /// What forward leaves for backward.
  struct Record {
    typename Layer::Record layer[3];  ///< of each layer
    ConstView hidden[2];              ///< after the activation, [N, hidden]
  };

  constexpr HeadMlp() = default;  ///< empty, to be assigned
  /// in -> hidden -> hidden -> out: `in`, `hidden` and `out` channels.
  constexpr HeadMlp(Index in, Index hidden, Index out) : hidden_(hidden) {
    layers.emplace_back(Shape{hidden, in});
    layers.emplace_back(Shape{hidden, hidden});
    layers.emplace_back(Shape{out, hidden});
  }

  /// x [N, in] -> y [N, out]
  void forward(Context<Device>& context, ConstMatrix x, MatrixView<Scalar, Device> y, Record& record) const {
    ConstMatrix input = x;
    for (int i = 0; i < 2; ++i) {
      const View hidden = allocate<Scalar>(context, {x.rows, hidden_});
      layers[std::size_t(i)].forward(context, input, hidden.matrix(), record.layer[i]);
      ops::relu_forward<Scalar>(context, hidden, hidden);
      record.hidden[i] = hidden;
      input = hidden.matrix();
    }
    layers[2].forward(context, input, y, record.layer[2]);
  }

  /// dy [N, out]. Adds to the trained gradients; overwrites dx [N, in] unless it is empty.
  void backward(Context<Device>& context, const Record& record, ConstMatrix dy, MatrixView<Scalar, Device> dx) {
    WorkspaceScope<Device> scope(context);
    ConstMatrix gradient = dy;
    for (int i = 2; i > 0; --i) {
      const View dhidden = allocate<Scalar>(context, record.hidden[i - 1].shape());
      layers[std::size_t(i)].backward(context, record.layer[i], gradient, dhidden.matrix());
      ops::relu_backward<Scalar>(context, record.hidden[i - 1], dhidden, dhidden);
      gradient = dhidden.matrix();
    }
    layers[0].backward(context, record.layer[0], gradient, dx);
  }

  /// Its parameters, by SAM's names.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.children("layers", self.layers);
  }

  std::vector<Layer> layers;  ///< the first one's input is `in`, the last one's output `out`

 private:
  Index hidden_ = 0;
};

}  // namespace ssam::inline SSAM_ABI
