#pragma once

#include <ssam/ops/convolution_geometry.hpp>
#include <ssam/ops/cuda/map.cuh>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

/// One thread per access of the patches. A patch's row is a run of kernel * C neighbours in the image's row.
template <class S, class Unit>
__global__ void __launch_bounds__(map_threads)
    im2col_kernel(const S* x, detail::PatchGeometry at, S* cols, Index stride, Index items) {
  const Index item = detail::global_thread();
  if (item >= items) return;
  const Index run = at.kernel * at.channels, line = at.width * at.channels;
  const auto [segment, unit] = detail::split(item, run / Unit::size);
  const auto [patch, kh] = detail::split(segment, at.kernel);
  const auto [strip, j] = detail::split(patch, at.ow);
  const auto [image, i] = detail::split(strip, at.oh);
  const Index h = i * at.stride - at.pad + kh, place = unit * Unit::size;
  const Index from = (j * at.stride - at.pad) * at.channels + place;
  Unit values = {};
  if (h >= 0 && h < at.height && from >= 0 && from < line) {
    values = detail::load_unit<Unit>(x + (image * at.height + h) * line + from);
  }
  detail::store_unit(cols + patch * stride + kh * run + place, values);
}

/// One thread per access of the image; it gathers, so that no two threads write to the same place.
template <class S, class Unit>
__global__ void __launch_bounds__(map_threads)
    col2im_kernel(const S* cols, Index stride, detail::PatchGeometry at, S* dx, Index items) {
  const Index item = detail::global_thread();
  if (item >= items) return;
  const auto [pixel, unit] = detail::split(item, at.channels / Unit::size);
  const auto [line, w] = detail::split(pixel, at.width);
  const auto [image, h] = detail::split(line, at.height);
  Unit sum = {};
  for (Index kh = 0; kh < at.kernel; ++kh) {
    const Index below = h + at.pad - kh;
    if (below < 0) break;
    const auto [i, rest] = detail::split(below, at.stride);
    if (rest != 0 || i >= at.oh) continue;
    for (Index kw = at.kernel - 1; kw >= 0; --kw) {
      const Index right = w + at.pad - kw;
      if (right < 0) continue;
      const auto [j, over] = detail::split(right, at.stride);
      if (over != 0 || j >= at.ow) continue;
      const Index patch = (image * at.oh + i) * at.ow + j;
      const auto values =
          detail::load_unit<Unit>(cols + patch * stride + (kh * at.kernel + kw) * at.channels + unit * Unit::size);
      for (int e = 0; e < Unit::size; ++e) sum.at[e] += values.at[e];
    }
  }
  detail::store_unit(dx + pixel * at.channels + unit * Unit::size, sum);
}

/// One thread per access of y: row `line` of y holds, pixel by pixel of x, the half (kh = line % 2) of its channels.
/// `shuffle`: x -> y, else y -> x.
template <class S, class Unit>
__global__ void __launch_bounds__(map_threads)
    pixel_shuffle_kernel(const S* from, S* to, bool shuffle, Index width, Index run, Index items) {
  const Index item = detail::global_thread();
  if (item >= items) return;
  const auto [part, unit] = detail::split(item, run / Unit::size);
  const auto [line, w] = detail::split(part, width);
  const Index in_y = part * run + unit * Unit::size;
  const Index in_x = ((line / 2 * width + w) * 2 + line % 2) * run + unit * Unit::size;
  detail::store_unit(to + (shuffle ? in_y : in_x), detail::load_unit<Unit>(from + (shuffle ? in_x : in_y)));
}

inline constexpr Index transpose_elements = 1024;  // of a tile

/// A tile of a transpose. `pitch` is odd, so that neither side meets bank conflicts.
struct TransposeTile {
  Index rows, cols, pitch;

  /// Square, or long where the matrix is narrow: both sides stay coalesced.
  TransposeTile(Index matrix_rows, Index matrix_cols) {
    constexpr Index side = 32;
    rows = std::min(side, matrix_rows);
    cols = std::min(side, matrix_cols);
    if (matrix_rows < side) cols = std::min(matrix_cols, transpose_elements / rows);
    if (matrix_cols < side) rows = std::min(matrix_rows, transpose_elements / cols);
    pitch = cols | 1;
  }
};

/// to[b] = from[b] transposed, from[b] rows x cols, a tile per block through shared memory.
template <class S>
__global__ void __launch_bounds__(map_threads)
    transpose_kernel(const S* from, S* to, Index rows, Index cols, TransposeTile tile) {
  auto* shared = detail::dynamic_shared<S>();  // [tile.rows, tile.pitch]
  const Index down = (rows + tile.rows - 1) / tile.rows, across = (cols + tile.cols - 1) / tile.cols;
  const auto [strip, column] = detail::split(blockIdx.x, across);
  const auto [matrix, line] = detail::split(strip, down);
  const Index top = line * tile.rows, left = column * tile.cols;
  const Index height = rows - top < tile.rows ? rows - top : tile.rows;
  const Index width = cols - left < tile.cols ? cols - left : tile.cols;
  from += matrix * rows * cols;
  to += matrix * rows * cols;
  for (Index i = threadIdx.x; i < height * width; i += map_threads) {
    const auto [r, c] = detail::split(i, width);
    shared[r * tile.pitch + c] = from[(top + r) * cols + left + c];
  }
  __syncthreads();
  for (Index i = threadIdx.x; i < height * width; i += map_threads) {
    const auto [c, r] = detail::split(i, height);
    to[(left + c) * rows + top + r] = shared[r * tile.pitch + c];
  }
}

}  // namespace cuda_kernels

namespace detail {

template <class S, CudaDevice D>
void transpose_batch(Context<D>& context, const char* op, Index batch, Index rows, Index cols, const S* from, S* to) {
  if (batch == 0 || rows == 0 || cols == 0) return;
  const cuda_kernels::TransposeTile tile(rows, cols);
  const Index tiles = ((rows + tile.rows - 1) / tile.rows) * ((cols + tile.cols - 1) / tile.cols);
  launch(context, op, cuda_kernels::transpose_kernel<S>, block_count(batch * tiles, 1), cuda_kernels::map_threads,
         sizeof(S) * static_cast<std::size_t>(tile.rows * tile.pitch), from, to, rows, cols, tile);
}

template <class S, CudaDevice D>
void move_pixels(Context<D>& context, const char* op, bool shuffle, const Shape& x, const S* from, S* to) {
  const Index width = x[2], run = x[3] / 2, lines = x[0] * x[1] * 2;
  with_unit<S>(vectorizable(from, run, run) && vectorizable(to, run, run), [&](auto unit) {
    using Unit = decltype(unit);
    const Index items = lines * width * (run / Unit::size);
    launch(context, op, cuda_kernels::pixel_shuffle_kernel<S, Unit>, block_count(items, cuda_kernels::map_threads),
           cuda_kernels::map_threads, 0, from, to, shuffle, width, run, items);
  });
}

}  // namespace detail

/// The patches of a convolution as rows: x [B, H, W, C] -> cols [B * oh * ow, kernel * kernel * C], a row ordered
/// (kh, kw, c), zeros where a patch hangs over the border.
template <class S, CudaDevice D>
void im2col(Context<D>& context, In<S, D> x, Index kernel, Index stride, Index pad, OutMatrix<S, D> cols) {
  const detail::PatchGeometry at(x.shape(), kernel, stride, pad, cols.rows, cols.cols, "im2col");
  // No access may hang over an end of the image's row.
  const Index c = at.channels;
  const bool wide = detail::vectorizable(x.data(), at.width * c, stride * c) &&
                    detail::vectorizable(cols.data, cols.stride, kernel * c) &&
                    detail::vectorizable(cols.data, cols.stride, pad * c);
  detail::with_unit<S>(wide, [&](auto unit) {
    using Unit = decltype(unit);
    const Index items = cols.rows * kernel * (kernel * c / Unit::size);
    detail::launch(context, "im2col", cuda_kernels::im2col_kernel<S, Unit>,
                   detail::block_count(items, cuda_kernels::map_threads), cuda_kernels::map_threads, 0, x.data(), at,
                   cols.data, cols.stride, items);
  });
}

/// The adjoint of im2col: every element of dx [B, H, W, C] becomes the sum of its places in the patches.
template <class S, CudaDevice D>
void col2im(Context<D>& context, InMatrix<S, D> cols, Index kernel, Index stride, Index pad, Out<S, D> dx) {
  const detail::PatchGeometry at(dx.shape(), kernel, stride, pad, cols.rows, cols.cols, "col2im");
  const bool wide = detail::vectorizable(dx.data(), at.channels, at.channels) &&
                    detail::vectorizable(cols.data, cols.stride, at.channels);
  detail::with_unit<S>(wide, [&](auto unit) {
    using Unit = decltype(unit);
    const Index items = dx.size() / Unit::size;
    detail::launch(context, "col2im", cuda_kernels::col2im_kernel<S, Unit>,
                   detail::block_count(items, cuda_kernels::map_threads), cuda_kernels::map_threads, 0, cols.data,
                   cols.stride, at, dx.data(), items);
  });
}

/// What a 2x2 transposed convolution of stride 2 does after its GEMM: x [B, H, W, 4 * C], ordered (kh, kw, c), ->
/// y [B, 2H, 2W, C].
template <class S, CudaDevice D>
void pixel_shuffle(Context<D>& context, In<S, D> x, Out<S, D> y) {
  detail::require_pixel_shuffle(x.shape(), y.shape(), "pixel_shuffle");
  detail::move_pixels<S>(context, "pixel_shuffle", true, x.shape(), x.data(), y.data());
}

/// The inverse (and adjoint) of pixel_shuffle: y [B, 2H, 2W, C] -> x [B, H, W, 4 * C].
template <class S, CudaDevice D>
void pixel_unshuffle(Context<D>& context, In<S, D> y, Out<S, D> x) {
  detail::require_pixel_shuffle(x.shape(), y.shape(), "pixel_unshuffle");
  detail::move_pixels<S>(context, "pixel_unshuffle", false, x.shape(), y.data(), x.data());
}

/// x [B, C, H, W] -> y [B, H, W, C]
template <class S, CudaDevice D>
void nchw_to_nhwc(Context<D>& context, In<S, D> x, Out<S, D> y) {
  detail::require_nchw(x.shape(), y.shape(), "nchw_to_nhwc");
  detail::transpose_batch<S>(context, "nchw_to_nhwc", x.dim(0), x.dim(1), x.dim(2) * x.dim(3), x.data(), y.data());
}

/// x [B, H, W, C] -> y [B, C, H, W]
template <class S, CudaDevice D>
void nhwc_to_nchw(Context<D>& context, In<S, D> x, Out<S, D> y) {
  detail::require_nchw(y.shape(), x.shape(), "nhwc_to_nchw");
  detail::transpose_batch<S>(context, "nhwc_to_nchw", x.dim(0), x.dim(1) * x.dim(2), x.dim(3), x.data(), y.data());
}

}  // namespace ssam::inline SSAM_ABI::ops
