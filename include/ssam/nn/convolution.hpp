#pragma once

#include <algorithm>
#include <ssam/nn/linear.hpp>

namespace ssam::inline SSAM_ABI {

/// A square convolution over [B, H, W, C]: im2col, then the rows through a linear-like layer whose weight is [out, k,
/// k, in]. So every adapter of a linear layer is one of a convolution too.
template <class Scalar, class Device, class LinearLike>
class Convolution {
 public:
  using View = TensorView<Scalar, Device>;             ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;  ///< a tensor to read
  /// What forward leaves for backward.
  struct Record {
    Shape input_shape;                   ///< [B, H, W, in]
    typename LinearLike::Record linear;  ///< of the layer over the patches
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

  /// x [B, H, W, in] -> y of output_shape(x). Where the layer wants nothing but its input back, the patches are not
  /// kept (they are kernel^2 times the image) but made again in backward, some images at a time.
  void forward(Context<Device>& context, ConstView x, View y, Record& record) const {
    record.input_shape = x.shape();
    if (pointwise()) return linear.forward(context, x.matrix(), y.matrix(), record.linear);
    if constexpr (keeps_input_only) {
      record.linear.x = x.matrix();
      for_pieces(context, x, y, [&](ConstView images, View answers, MatrixView<Scalar, Device> patches) {
        ops::im2col<Scalar>(context, images, kernel_, stride_, padding_, patches);
        typename LinearLike::Record unused;
        linear.forward(context, patches, answers.matrix(), unused);
      });
    } else {
      const View patches = allocate<Scalar>(context, {y.size() / out_, kernel_ * kernel_ * x.dim(3)});
      ops::im2col<Scalar>(context, x, kernel_, stride_, padding_, patches.matrix());
      linear.forward(context, patches.matrix(), y.matrix(), record.linear);
    }
  }

  /// dy of y's shape. Adds to the trained gradients; overwrites dx [B, H, W, in] unless it is empty.
  void backward(Context<Device>& context, const Record& record, ConstView dy, View dx) {
    if (pointwise()) {
      return linear.backward(context, record.linear, dy.matrix(),
                             dx.empty() ? MatrixView<Scalar, Device>{} : dx.matrix());
    }
    if constexpr (keeps_input_only) {
      const ConstView x{record.linear.x.data, record.input_shape};
      for_pieces(context, x, dy, [&](ConstView images, ConstView dpart, MatrixView<Scalar, Device> patches) {
        if constexpr (LinearLike::trains_weight) {
          ops::im2col<Scalar>(context, images, kernel_, stride_, padding_, patches);
        }
        WorkspaceScope<Device> scope(context);
        MatrixView<Scalar, Device> dpatches;
        if (!dx.empty()) dpatches = allocate<Scalar>(context, {patches.rows, patches.cols}).matrix();
        linear.backward(context, typename LinearLike::Record{patches}, dpart.matrix(), dpatches);
        if (dx.empty()) return;
        const View to{dx.data() + (images.data() - x.data()), images.shape()};
        ops::col2im<Scalar>(context, dpatches, kernel_, stride_, padding_, to);
      });
    } else {
      if (dx.empty()) return linear.backward(context, record.linear, dy.matrix(), {});
      WorkspaceScope<Device> scope(context);
      const View dpatches = allocate<Scalar>(context, {dy.size() / out_, kernel_ * kernel_ * record.input_shape[3]});
      linear.backward(context, record.linear, dy.matrix(), dpatches.matrix());
      ops::col2im<Scalar>(context, dpatches.matrix(), kernel_, stride_, padding_, dx);
    }
  }

  /// The inner layer's parameters, under the convolution's own name.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.inlined(self.linear);
  }

  LinearLike linear;  ///< over patches of kernel * kernel * in values

 private:
  /// Whether the layer's record is its input alone.
  static constexpr bool keeps_input_only = requires { LinearLike::trains_weight; };

  /// f(images of x, the same images of y, scratch for their patches) for as many images at a time as have patches of
  /// 64 M elements (by shape only: the bits do not depend on anything else).
  template <class Y, class F>
  void for_pieces(Context<Device>& context, ConstView x, Y y, const F& f) const {
    constexpr Index most = Index{1} << 26;
    const Shape image = output_shape(x.shape());
    const Index rows = image[1] * image[2], cols = kernel_ * kernel_ * x.dim(3);
    const Index together = std::clamp<Index>(most / (rows * cols), 1, std::max<Index>(x.dim(0), 1));
    for (Index first = 0; first < x.dim(0); first += together) {
      const Index count = std::min(together, x.dim(0) - first);
      WorkspaceScope<Device> scope(context);
      const View patches = allocate<Scalar>(context, {count * rows, cols});
      f(ConstView{x.slice(first).data(), {count, x.dim(1), x.dim(2), x.dim(3)}},
        Y{y.slice(first).data(), {count, image[1], image[2], out_}}, patches.matrix());
    }
  }

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
    ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::yes, x.matrix(), weight.value.view().matrix(),
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
      ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, dquads.matrix(),
                          std::as_const(weight.value).view().matrix(), dx.matrix());
    }
    if constexpr (WeightsOf<Training>::trained) {
      ops::gemm<Scalar>(context, ops::Transpose::yes, ops::Transpose::no, Scalar(1), dquads.matrix(), x.matrix(),
                        Scalar(1), weight.ensure_grad().matrix());
    }
    if constexpr (BiasesOf<Training>::trained) ops::sum_rows<Scalar>(context, dy.matrix(), bias.ensure_grad());
  }

  /// Weight and bias, by PyTorch's names.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.parameter("weight", self.weight, Group::weights, Layout::conv_transpose_2x2);
    visitor.parameter("bias", self.bias, Group::biases);
  }

  Parameter<Scalar, Device, WeightsOf<Training>> weight;  ///< [4 * out, in], rows in the order (kh, kw, out)
  Parameter<Scalar, Device, BiasesOf<Training>> bias;     ///< [out]
};

}  // namespace ssam::inline SSAM_ABI
