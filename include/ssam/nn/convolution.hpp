#pragma once

#include <ssam/nn/linear.hpp>

namespace ssam::inline SSAM_ABI {

/// A square convolution over [B, H, W, C]: im2col, then the rows through a linear-like layer whose weight is [out, k,
/// k, in]. So every adapter of a linear layer is one of a convolution too.
template <class Scalar, class Device, class LinearLayer>
class Convolution {
 public:
  using View = TensorView<Scalar, Device>;             ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;  ///< a tensor to read
  /// What forward leaves for backward.
  struct Record {
    Shape input_shape;                    ///< [B, H, W, in]
    typename LinearLayer::Record linear;  ///< of the layer over the patches
  };

  constexpr Convolution() = default;  ///< empty, to be assigned
  /// From `in` to `out` channels; `kernel`, `stride` and `padding` in pixels, alike in both directions.
  constexpr Convolution(Index in, Index out, Index kernel, Index stride, Index padding)
      : linear(Shape{out, kernel, kernel, in}), out_(out), kernel_(kernel), stride_(stride), padding_(padding) {}

  /// Shape of the result for an input x of shape [B, H, W, C]. Throws ShapeError when the kernel does not fit.
  Shape output_shape(const Shape& x) const {
    const Index height = x[1] + 2 * padding_ - kernel_, width = x[2] + 2 * padding_ - kernel_;
    if (height < 0 || width < 0) {
      throw ShapeError(ErrorText{.what = "a convolution's kernel is larger than its input", .found = x.str()});
    }
    return {x[0], height / stride_ + 1, width / stride_ + 1, out_};
  }

  /// x [B, H, W, in] -> y of output_shape(x)
  void forward(Context<Device>& context, ConstView x, View y, Record& record) const {
    record.input_shape = x.shape();
    if (pointwise()) return linear.forward(context, x.matrix(), y.matrix(), record.linear);
    const View patches = allocate<Scalar>(context, {y.size() / out_, kernel_ * kernel_ * x.dim(3)});
    ops::im2col<Scalar>(context, x, kernel_, stride_, padding_, patches.matrix());
    linear.forward(context, patches.matrix(), y.matrix(), record.linear);
  }

  /// dy of y's shape. Adds to the trained gradients; overwrites dx [B, H, W, in] unless it is empty.
  void backward(Context<Device>& context, const Record& record, ConstView dy, View dx) {
    if (dx.empty()) return linear.backward(context, record.linear, dy.matrix(), {});
    if (pointwise()) return linear.backward(context, record.linear, dy.matrix(), dx.matrix());
    WorkspaceScope<Device> scope(context);
    const View dpatches = allocate<Scalar>(context, {dy.size() / out_, kernel_ * kernel_ * record.input_shape[3]});
    linear.backward(context, record.linear, dy.matrix(), dpatches.matrix());
    ops::col2im<Scalar>(context, dpatches.matrix(), kernel_, stride_, padding_, dx);
  }

  /// The inner layer's parameters, under the convolution's own name.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.inlined(self.linear);
  }

  LinearLayer linear;  ///< over patches of kernel * kernel * in values

 private:
  bool pointwise() const { return kernel_ == 1 && stride_ == 1 && padding_ == 0; }

  Index out_ = 0, kernel_ = 1, stride_ = 1, padding_ = 0;
};

/// SAM's ConvTranspose2d(in, out, kernel 2, stride 2): a GEMM to four times the channels, then a pixel shuffle.
template <class Scalar, class Device, class Training = Frozen>
class ConvTranspose2x2 {
 public:
  using View = TensorView<Scalar, Device>;             ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;  ///< a tensor to read
  /// What forward leaves for backward.
  struct Record {
    ConstView x;  ///< [B, H, W, in]
  };

  constexpr ConvTranspose2x2() = default;  ///< empty, to be assigned
  /// From `in` to `out` channels.
  constexpr ConvTranspose2x2(Index in, Index out) : weight(Shape{4 * out, in}), bias(Shape{out}) {}

  /// x [B, H, W, in] -> y [B, 2H, 2W, out]
  void forward(Context<Device>& context, ConstView x, View y, Record& record) const {
    record.x = x;
    WorkspaceScope<Device> scope(context);
    const View quads = allocate<Scalar>(context, {x.dim(0), x.dim(1), x.dim(2), weight.value.dim(0)});
    ops::multiply<Scalar>(context, ops::Op::none, ops::Op::transpose, x.matrix(), weight.value.view().matrix(),
                          quads.matrix());
    ops::pixel_shuffle<Scalar>(context, quads, y);
    ops::add_row<Scalar>(context, bias.value, y.matrix());
  }

  /// dy [B, 2H, 2W, out]. Adds to the trained gradients; overwrites dx [B, H, W, in] unless it is empty.
  void backward(Context<Device>& context, const Record& record, ConstView dy, View dx) {
    WorkspaceScope<Device> scope(context);
    const ConstView x = record.x;
    const View dquads = allocate<Scalar>(context, {x.dim(0), x.dim(1), x.dim(2), weight.value.dim(0)});
    ops::pixel_unshuffle<Scalar>(context, dy, dquads);
    if (!dx.empty()) {
      ops::multiply<Scalar>(context, ops::Op::none, ops::Op::none, dquads.matrix(),
                            std::as_const(weight.value).view().matrix(), dx.matrix());
    }
    if constexpr (Training::trained) {
      ops::gemm<Scalar>(context, ops::Op::transpose, ops::Op::none, Scalar(1), dquads.matrix(), x.matrix(), Scalar(1),
                        weight.grad_accumulator().matrix());
      ops::sum_rows<Scalar>(context, dy.matrix(), bias.grad_accumulator());
    }
  }

  /// Weight and bias, by PyTorch's names.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.parameter("weight", self.weight, Group::weights, Layout::conv_transpose_2x2);
    visitor.parameter("bias", self.bias, Group::biases);
  }

  Parameter<Scalar, Device, Training> weight;  ///< [4 * out, in], rows in the order (kh, kw, out)
  Parameter<Scalar, Device, Training> bias;    ///< [out]
};

}  // namespace ssam::inline SSAM_ABI
