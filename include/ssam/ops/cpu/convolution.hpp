#pragma once

#include <ssam/ops/cpu/kernel.hpp>

namespace ssam::ops {

namespace detail {

/// Output extent of a convolution along one axis. Throws ShapeError when the kernel does not fit the padded input.
inline Index convolution_extent(Index extent, Index kernel, Index stride, Index pad, const char* op) {
  require(kernel > 0 && stride > 0 && pad >= 0 && pad < kernel, op, "kernel > 0, stride > 0, 0 <= pad < kernel");
  require(kernel - pad <= extent + pad, op, "a kernel that fits the padded input");
  return (extent + 2 * pad - kernel) / stride + 1;
}

}  // namespace detail

/// The patches of a convolution as rows: x [B, H, W, C] -> cols [B * oh * ow, kernel * kernel * C], a row ordered
/// (kh, kw, c), zeros where a patch hangs over the border.
template <class S>
void im2col(Context<Cpu>& context, In<S, Cpu> x, Index kernel, Index stride, Index pad, MatrixView<S, Cpu> cols) {
  require(x.shape().rank() == 4, "im2col", "a feature map [B, H, W, C]");
  const Index batch = x.dim(0), height = x.dim(1), width = x.dim(2), channels = x.dim(3);
  const Index oh = detail::convolution_extent(height, kernel, stride, pad, "im2col");
  const Index ow = detail::convolution_extent(width, kernel, stride, pad, "im2col");
  require(cols.rows == batch * oh * ow && cols.cols == kernel * kernel * channels, "im2col",
          "columns [B * oh * ow, kernel * kernel * C]");
  context.parallel_for(batch * oh, [&](Index row) {
    const S* image = x.data() + row / oh * height * width * channels;
    const Index top = row % oh * stride - pad;
    for (Index j = 0; j < ow; ++j) {
      S* patch = cols.data + (row * ow + j) * cols.stride;
      const Index left = j * stride - pad;
      const Index begin = std::max<Index>(0, -left), end = std::min(kernel, width - left);  // columns inside the image
      for (Index kh = 0; kh < kernel; ++kh, patch += kernel * channels) {
        const Index h = top + kh;
        if (h < 0 || h >= height) {
          std::fill(patch, patch + kernel * channels, S(0));
          continue;
        }
        const S* from = image + (h * width + left) * channels;
        std::fill(patch, patch + begin * channels, S(0));
        std::copy(from + begin * channels, from + end * channels, patch + begin * channels);
        std::fill(patch + end * channels, patch + kernel * channels, S(0));
      }
    }
  });
}

/// The adjoint of im2col: every element of dx [B, H, W, C] becomes the sum of its places in the patches.
template <class S>
void col2im(Context<Cpu>& context, InMatrix<S, Cpu> cols, Index kernel, Index stride, Index pad,
            TensorView<S, Cpu> dx) {
  require(dx.shape().rank() == 4, "col2im", "a feature map [B, H, W, C]");
  const Index batch = dx.dim(0), height = dx.dim(1), width = dx.dim(2), channels = dx.dim(3);
  const Index oh = detail::convolution_extent(height, kernel, stride, pad, "col2im");
  const Index ow = detail::convolution_extent(width, kernel, stride, pad, "col2im");
  require(cols.rows == batch * oh * ow && cols.cols == kernel * kernel * channels, "col2im",
          "columns [B * oh * ow, kernel * kernel * C]");
  // One work item gathers one row of the image, so that no two items write to the same place.
  context.parallel_for(batch * height, [&](Index row) {
    S* image_row = dx.data() + row * width * channels;
    std::fill(image_row, image_row + width * channels, S(0));
    for (Index kh = 0; kh < kernel; ++kh) {
      const Index shifted = row % height + pad - kh;
      if (shifted < 0 || shifted % stride != 0 || shifted / stride >= oh) continue;
      const Index patch_row = row / height * oh + shifted / stride;
      for (Index j = 0; j < ow; ++j) {
        const S* patch = cols.data + (patch_row * ow + j) * cols.stride + kh * kernel * channels;
        const Index left = j * stride - pad;
        const Index begin = std::max<Index>(0, -left), end = std::min(kernel, width - left);
        detail::array(image_row + (left + begin) * channels, (end - begin) * channels) +=
            detail::array(patch + begin * channels, (end - begin) * channels);
      }
    }
  });
}

/// What a 2x2 transposed convolution of stride 2 does after its GEMM: x [B, H, W, 4 * C], ordered (kh, kw, c), ->
/// y [B, 2H, 2W, C].
template <class S>
void pixel_shuffle(Context<Cpu>& context, In<S, Cpu> x, TensorView<S, Cpu> y) {
  require(x.shape().rank() == 4 && y.shape() == Shape{x.dim(0), 2 * x.dim(1), 2 * x.dim(2), x.dim(3) / 4} &&
              x.size() == y.size(),
          "pixel_shuffle", "[B, H, W, 4 * C] -> [B, 2H, 2W, C]");
  const Index width = x.dim(2), run = x.dim(3) / 2;
  context.parallel_for(x.dim(0) * x.dim(1) * 2, [&](Index row) {
    const S* from = x.data() + row / 2 * width * 2 * run + row % 2 * run;
    S* to = y.data() + row * width * run;
    for (Index w = 0; w < width; ++w) std::copy(from + w * 2 * run, from + w * 2 * run + run, to + w * run);
  });
}

/// The inverse (and adjoint) of pixel_shuffle: y [B, 2H, 2W, C] -> x [B, H, W, 4 * C].
template <class S>
void pixel_unshuffle(Context<Cpu>& context, In<S, Cpu> y, TensorView<S, Cpu> x) {
  require(x.shape().rank() == 4 && y.shape() == Shape{x.dim(0), 2 * x.dim(1), 2 * x.dim(2), x.dim(3) / 4} &&
              x.size() == y.size(),
          "pixel_unshuffle", "[B, 2H, 2W, C] -> [B, H, W, 4 * C]");
  const Index width = x.dim(2), run = x.dim(3) / 2;
  context.parallel_for(x.dim(0) * x.dim(1) * 2, [&](Index row) {
    S* to = x.data() + row / 2 * width * 2 * run + row % 2 * run;
    const S* from = y.data() + row * width * run;
    for (Index w = 0; w < width; ++w) std::copy(from + w * run, from + w * run + run, to + w * 2 * run);
  });
}

namespace detail {

/// to[b] = from[b] transposed, from[b] rows x cols; in blocks, so that both sides stay in the cache.
template <class S>
void transpose_batch(Context<Cpu>& context, Index batch, Index rows, Index cols, const S* from, S* to) {
  constexpr Index block = 32;
  const Index strips = (cols + block - 1) / block;
  context.parallel_for(batch * strips, [&](Index strip) {
    const S* source = from + strip / strips * rows * cols;
    S* target = to + strip / strips * rows * cols;
    const Index first = strip % strips * block, last = std::min(cols, first + block);
    for (Index top = 0; top < rows; top += block) {
      const Index bottom = std::min(rows, top + block);
      for (Index c = first; c < last; ++c) {
        for (Index r = top; r < bottom; ++r) target[c * rows + r] = source[r * cols + c];
      }
    }
  });
}

}  // namespace detail

/// x [B, C, H, W] -> y [B, H, W, C]
template <class S>
void nchw_to_nhwc(Context<Cpu>& context, In<S, Cpu> x, TensorView<S, Cpu> y) {
  require(x.shape().rank() == 4 && y.shape() == Shape{x.dim(0), x.dim(2), x.dim(3), x.dim(1)}, "nchw_to_nhwc",
          "[B, C, H, W] -> [B, H, W, C]");
  detail::transpose_batch(context, x.dim(0), x.dim(1), x.dim(2) * x.dim(3), x.data(), y.data());
}

/// x [B, H, W, C] -> y [B, C, H, W]
template <class S>
void nhwc_to_nchw(Context<Cpu>& context, In<S, Cpu> x, TensorView<S, Cpu> y) {
  require(x.shape().rank() == 4 && y.shape() == Shape{x.dim(0), x.dim(3), x.dim(1), x.dim(2)}, "nhwc_to_nchw",
          "[B, H, W, C] -> [B, C, H, W]");
  detail::transpose_batch(context, x.dim(0), x.dim(1) * x.dim(2), x.dim(3), x.data(), y.data());
}

}  // namespace ssam::ops
