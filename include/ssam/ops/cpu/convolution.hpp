#pragma once

#include <ssam/ops/convolution_geometry.hpp>
#include <ssam/ops/cpu/kernel.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// The patches of a convolution as rows: x [B, H, W, C] -> cols [B * oh * ow, kernel * kernel * C], a row ordered
/// (kh, kw, c), zeros where a patch hangs over the border. `stride` pixels lie between patches, `pad` is the width of
/// the border. Throws ShapeError.
template <class S>
void im2col(Context<Cpu>& context, In<S, Cpu> x, Index kernel, Index stride, Index pad, MatrixView<S, Cpu> cols) {
  const detail::PatchGeometry at(x.shape(), kernel, stride, pad, cols.rows, cols.cols, "im2col");
  const Index height = at.height, width = at.width, channels = at.channels, oh = at.oh, ow = at.ow;
  context.parallel_for(at.batch * oh, [&](Index row) {
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

/// The adjoint of im2col with the same `kernel`, `stride` and `pad`: every element of dx [B, H, W, C] becomes the sum
/// of its places in the patches `cols`. Throws ShapeError.
template <class S>
void col2im(Context<Cpu>& context, InMatrix<S, Cpu> cols, Index kernel, Index stride, Index pad,
            TensorView<S, Cpu> dx) {
  const detail::PatchGeometry at(dx.shape(), kernel, stride, pad, cols.rows, cols.cols, "col2im");
  const Index height = at.height, width = at.width, channels = at.channels, oh = at.oh, ow = at.ow;
  // One work item gathers one row of the image, so that no two items write to the same place.
  context.parallel_for(at.batch * height, [&](Index row) {
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
  detail::require_pixel_shuffle(x.shape(), y.shape(), "pixel_shuffle");
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
  detail::require_pixel_shuffle(x.shape(), y.shape(), "pixel_unshuffle");
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
  detail::require_nchw(x.shape(), y.shape(), "nchw_to_nhwc");
  detail::transpose_batch(context, x.dim(0), x.dim(1), x.dim(2) * x.dim(3), x.data(), y.data());
}

/// x [B, H, W, C] -> y [B, C, H, W]
template <class S>
void nhwc_to_nchw(Context<Cpu>& context, In<S, Cpu> x, TensorView<S, Cpu> y) {
  detail::require_nchw(y.shape(), x.shape(), "nhwc_to_nchw");
  detail::transpose_batch(context, x.dim(0), x.dim(1) * x.dim(2), x.dim(3), x.data(), y.data());
}

}  // namespace ssam::inline SSAM_ABI::ops
