#pragma once

#include <ssam/nn/linear.hpp>
#include <ssam/nn/norm.hpp>

namespace ssam::inline SSAM_ABI {

/// SSF's adapter of one layer: y = x * scale + shift, by channel. Both start at random as in the published code, scale
/// as N(1, 0.02^2), shift as N(0, 0.02^2): near the layer's own answers, not at them. Source: Scaling & Shifting Your
/// Features (NeurIPS 2022).
template <class Scalar, class Device>
class ScaleShift {
 public:
  using Matrix = MatrixView<Scalar, Device>;             ///< a matrix to write
  using ConstMatrix = MatrixView<const Scalar, Device>;  ///< a matrix to read
  using View = TensorView<Scalar, Device>;               ///< a tensor to write

  constexpr ScaleShift() = default;  ///< empty, to be assigned
  /// Of a layer with `channels` answers.
  constexpr explicit ScaleShift(Index channels) : scale(Shape{channels}), shift(Shape{channels}) {}

  /// x [N, channels] -> y, the same shape; may be x.
  void forward(Context<Device>& context, ConstMatrix x, Matrix y) const {
    ops::multiply_row<Scalar>(context, x, scale.value, y);
    ops::add_row<Scalar>(context, shift.value, y);
  }

  /// x of forward, dy [N, channels]. Adds to the gradients of both; overwrites dx (may be dy) unless it is empty.
  void backward(Context<Device>& context, ConstMatrix x, ConstMatrix dy, Matrix dx) {
    ops::dot_rows<Scalar>(context, dy, x, scale.ensure_grad());
    ops::sum_rows<Scalar>(context, dy, shift.ensure_grad());
    if (!dx.empty()) ops::multiply_row<Scalar>(context, dy, scale.value, dx);
  }

  /// For a layer with `bias` [channels]: what the adapter makes of it goes there; then scale = 1, shift = 0.
  void merge(Context<Device>& context, View bias) {
    forward(context, std::as_const(bias).matrix(1), bias.matrix(1));
    ops::fill<Scalar>(context, scale.value.view(), Scalar(1));
    ops::fill<Scalar>(context, shift.value.view(), Scalar(0));
  }

  /// As published, near 1 and 0.
  void initialize(Random& random) {
    for (auto* parameter : {&scale, &shift}) {
      std::vector<Scalar> values(static_cast<std::size_t>(parameter->value.size()));
      for (Scalar& value : values) {
        value = static_cast<Scalar>((parameter == &scale ? 1.0 : 0.0) + 0.02 * random.normal());
      }
      parameter->value = Tensor<Scalar, Device>(parameter->value.shape(), values);
    }
  }

  /// ssf_scale, ssf_shift.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.parameter("ssf_scale", self.scale, Group::scale_shift);
    visitor.parameter("ssf_shift", self.shift, Group::scale_shift);
  }

  Parameter<Scalar, Device, Trained> scale;  ///< [channels]
  Parameter<Scalar, Device, Trained> shift;  ///< [channels]
};

/// A frozen linear layer with SSF behind it: y = (x W^T + b) * scale + shift. A LinearLayer.
template <class Scalar, class Device>
class SSFLinear {
 public:
  using Inner = Linear<Scalar, Device, Frozen, Frozen>;  ///< the frozen layer
  using Matrix = MatrixView<Scalar, Device>;             ///< a matrix to write
  using ConstMatrix = MatrixView<const Scalar, Device>;  ///< a matrix to read
  using View = TensorView<Scalar, Device>;               ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;    ///< a tensor to read
  /// What forward leaves for backward.
  struct Record {
    typename Inner::Record linear;  ///< of the frozen layer
    ConstView plain;                ///< its answer [N, out]
  };

  constexpr SSFLinear() = default;  ///< empty, to be assigned
  /// `weight_shape`: [out, in] or [out, kh, kw, in].
  constexpr explicit SSFLinear(const Shape& weight_shape) : linear(weight_shape), adapter(weight_shape[0]) {}

  /// x [N, in] -> y [N, out]
  void forward(Context<Device>& context, ConstMatrix x, Matrix y, Record& record) const {
    const View plain = allocate<Scalar>(context, {y.rows, y.cols});
    linear.forward(context, x, plain.matrix(), record.linear);
    adapter.forward(context, std::as_const(plain).matrix(), y);
    record.plain = plain;
  }

  /// dy [N, out]. Adds to the gradients of scale and shift; overwrites dx [N, in] unless it is empty.
  void backward(Context<Device>& context, const Record& record, ConstMatrix dy, Matrix dx) {
    if (dx.empty()) return adapter.backward(context, record.plain.matrix(), dy, {});
    WorkspaceScope<Device> scope(context);
    const View dplain = allocate<Scalar>(context, {dy.rows, dy.cols});
    adapter.backward(context, record.plain.matrix(), dy, dplain.matrix());
    linear.backward(context, record.linear, std::as_const(dplain).matrix(), dx);
  }

  /// The layer's answer [out] to a row of zeros, b * scale + shift (a workspace tensor).
  ConstView zero_answer(Context<Device>& context) const {
    const View answer = allocate<Scalar>(context, linear.bias.value.shape());
    adapter.forward(context, linear.bias.value.view().matrix(1), answer.matrix(1));
    return answer;
  }
  /// Adds the gradients of an answer to a row of zeros, dy [out].
  void zero_backward(Context<Device>& context, ConstView dy) {
    adapter.backward(context, std::as_const(linear.bias.value).view().matrix(1), dy.matrix(1), {});
  }

  /// W and b take scale and shift in: W = diag(scale) W, b = b * scale + shift.
  void merge(Context<Device>& context) {
    if constexpr (Inner::stores_rounded) linear.merge(context);
    WorkspaceScope<Device> scope(context);
    const View weight = linear.weight.value.view();
    const Index out = weight.dim(0), in = weight.size() / out;
    const View transposed = allocate<Scalar>(context, {1, in, 1, out});
    ops::nchw_to_nhwc<Scalar>(context, weight.reshape({1, out, in, 1}), transposed);
    ops::multiply_row<Scalar>(context, transposed.matrix(), adapter.scale.value, transposed.matrix());
    ops::nhwc_to_nchw<Scalar>(context, transposed, weight.reshape({1, out, in, 1}));
    adapter.merge(context, linear.bias.value.view());
  }

  /// As published, see ScaleShift.
  void initialize(Random& random) { adapter.initialize(random); }

  /// weight and bias by the layer's own names, ssf_scale, ssf_shift.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.inlined(self.linear);
    ScaleShift<Scalar, Device>::visit(self.adapter, visitor);
  }

  Inner linear;                        ///< W [out, in] or [out, kh, kw, in], b [out]
  ScaleShift<Scalar, Device> adapter;  ///< of out channels
};

/// A frozen layer norm with SSF behind it.
template <class Scalar, class Device>
class SSFNorm {
 public:
  using Inner = LayerNorm<Scalar, Device>;             ///< the frozen norm
  using View = TensorView<Scalar, Device>;             ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;  ///< a tensor to read
  /// What forward leaves for backward.
  struct Record {
    typename Inner::Record norm;  ///< of the frozen norm
    ConstView plain;              ///< its answer, of x's shape
  };

  constexpr SSFNorm() = default;  ///< empty, to be assigned
  /// Over `channels` values; `eps` is added to the variance.
  constexpr SSFNorm(Index channels, double eps) : norm(channels, eps), adapter(channels) {}

  /// x [..., channels] -> y, same shape
  void forward(Context<Device>& context, ConstView x, View y, Record& record) const {
    const View plain = allocate<Scalar>(context, x.shape());
    norm.forward(context, x, plain, record.norm);
    adapter.forward(context, std::as_const(plain).matrix(), y.matrix());
    record.plain = plain;
  }

  /// Adds to the gradients of scale and shift; overwrites dx (same size as x, not an alias of dy).
  void backward(Context<Device>& context, const Record& record, ConstView dy, View dx) {
    WorkspaceScope<Device> scope(context);
    const View dplain = allocate<Scalar>(context, dy.shape());
    adapter.backward(context, record.plain.matrix(), dy.matrix(), dplain.matrix());
    norm.backward(context, record.norm, dplain, dx);
  }

  /// The norm's own scale and shift take the adapter's in.
  void merge(Context<Device>& context) {
    const View weight = norm.weight.value.view();
    ops::multiply_row<Scalar>(context, std::as_const(weight).matrix(1), adapter.scale.value, weight.matrix(1));
    adapter.merge(context, norm.bias.value.view());
  }

  /// As published, see ScaleShift.
  void initialize(Random& random) { adapter.initialize(random); }

  /// weight and bias by the norm's own names, ssf_scale, ssf_shift.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.inlined(self.norm);
    ScaleShift<Scalar, Device>::visit(self.adapter, visitor);
  }

  Inner norm;                          ///< weight and bias [channels]
  ScaleShift<Scalar, Device> adapter;  ///< of the same channels
};

}  // namespace ssam::inline SSAM_ABI
