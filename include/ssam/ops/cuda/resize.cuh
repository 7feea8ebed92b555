#pragma once

#include <ssam/ops/cuda/map.cuh>
#include <ssam/ops/linear_axis.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

/// One thread per access of y [B, down.out, across.out, C].
template <class S, class Unit>
__global__ void __launch_bounds__(map_threads)
    resize_bilinear_forward_kernel(const S* x, detail::LinearAxis down, detail::LinearAxis across, Index channels, S* y,
                                   Index items) {
  const Index item = detail::global_thread();
  if (item >= items) return;
  const auto [pixel, unit] = detail::split(item, channels / Unit::size);
  const auto [line, j] = detail::split(pixel, across.out);
  const auto [image, i] = detail::split(line, down.out);
  const auto vertical = down.tap(i), horizontal = across.tap(j);
  const S lower = static_cast<S>(vertical.weight), right = static_cast<S>(horizontal.weight);
  const S* from = x + image * down.in * across.in * channels + unit * Unit::size;
  const auto load = [&](Index r, Index c) { return detail::load_unit<Unit>(from + (r * across.in + c) * channels); };
  const auto a = load(vertical.low, horizontal.low), b = load(vertical.high, horizontal.low);
  const auto c = load(vertical.low, horizontal.high), d = load(vertical.high, horizontal.high);
  Unit result;
  for (int e = 0; e < Unit::size; ++e) {
    const S low = (S(1) - lower) * a.at[e] + lower * b.at[e], high = (S(1) - lower) * c.at[e] + lower * d.at[e];
    result.at[e] = (S(1) - right) * low + right * high;
  }
  detail::store_unit(y + item * Unit::size, result);
}

/// The adjoint along one axis, dy [outer, axis.out, inner] -> dx [outer, axis.in, inner]: one thread per access of dx
/// gathers what reads it.
template <class S, class Unit>
__global__ void __launch_bounds__(map_threads)
    resize_adjoint_kernel(const S* dy, detail::LinearAxis axis, Index inner, S* dx, Index items) {
  const Index item = detail::global_thread();
  if (item >= items) return;
  const auto [line, unit] = detail::split(item, inner / Unit::size);
  const auto [outer, r] = detail::split(line, axis.in);
  const auto readers = axis.readers(r);
  Unit sum = {};
  for (Index i = readers.begin; i < readers.end; ++i) {
    const S weight = static_cast<S>(axis.weight(i, r));
    if (weight == S(0)) continue;
    const auto values = detail::load_unit<Unit>(dy + (outer * axis.out + i) * inner + unit * Unit::size);
    for (int e = 0; e < Unit::size; ++e) sum.at[e] += weight * values.at[e];
  }
  detail::store_unit(dx + item * Unit::size, sum);
}

template <class S, class Unit>
__global__ void __launch_bounds__(map_threads)
    adaptive_average_pool_kernel(const S* x, Index height, Index width, Index h, Index w, Index channels, S* y,
                                 Index items) {
  const Index item = detail::global_thread();
  if (item >= items) return;
  const auto [pixel, unit] = detail::split(item, channels / Unit::size);
  const auto [line, j] = detail::split(pixel, w);
  const auto [image, i] = detail::split(line, h);
  const auto rows = detail::pool_range(i, height, h), cols = detail::pool_range(j, width, w);
  Unit sum = {};
  for (Index r = rows.begin; r < rows.end; ++r) {
    for (Index c = cols.begin; c < cols.end; ++c) {
      const auto values =
          detail::load_unit<Unit>(x + ((image * height + r) * width + c) * channels + unit * Unit::size);
      for (int e = 0; e < Unit::size; ++e) sum.at[e] += values.at[e];
    }
  }
  const S count = static_cast<S>((rows.end - rows.begin) * (cols.end - cols.begin));
  for (int e = 0; e < Unit::size; ++e) sum.at[e] /= count;
  detail::store_unit(y + item * Unit::size, sum);
}

}  // namespace cuda_kernels

namespace detail {

/// One launch of resize_adjoint_kernel.
template <class S, CudaDevice D>
void resize_adjoint(Context<D>& context, const S* dy, const LinearAxis& axis, Index outer, Index inner, S* dx) {
  with_unit<S>(vectorizable(dy, inner, inner) && vectorizable(dx, inner, inner), [&](auto unit) {
    using Unit = decltype(unit);
    const Index items = outer * axis.in * (inner / Unit::size);
    launch(context, "resize_bilinear_backward", cuda_kernels::resize_adjoint_kernel<S, Unit>,
           block_count(items, cuda_kernels::map_threads), cuda_kernels::map_threads, 0, dy, axis, inner, dx, items);
  });
}

}  // namespace detail

/// Bilinear interpolation with PyTorch's align_corners=False: x [B, H, W, C] -> y [B, h, w, C]. H = h = 1 is the linear
/// interpolation of a sequence.
template <class S, CudaDevice D>
void resize_bilinear_forward(Context<D>& context, In<S, D> x, Out<S, D> y) {
  detail::require_resize(x.shape(), y.shape(), "resize_bilinear_forward");
  const Index channels = x.dim(3);
  const detail::LinearAxis down(x.dim(1), y.dim(1)), across(x.dim(2), y.dim(2));
  const bool wide =
      detail::vectorizable(x.data(), channels, channels) && detail::vectorizable(y.data(), channels, channels);
  detail::with_unit<S>(wide, [&](auto unit) {
    using Unit = decltype(unit);
    const Index items = y.size() / Unit::size;
    detail::launch(context, "resize_bilinear_forward", cuda_kernels::resize_bilinear_forward_kernel<S, Unit>,
                   detail::block_count(items, cuda_kernels::map_threads), cuda_kernels::map_threads, 0, x.data(), down,
                   across, channels, y.data(), items);
  });
}

/// The exact adjoint of resize_bilinear_forward: dy [B, h, w, C] -> dx [B, H, W, C], overwritten.
template <class S, CudaDevice D>
void resize_bilinear_backward(Context<D>& context, In<S, D> dy, Out<S, D> dx) {
  detail::require_resize(dx.shape(), dy.shape(), "resize_bilinear_backward");
  const Index batch = dx.dim(0), channels = dx.dim(3), height = dx.dim(1), w = dy.dim(2);
  const detail::LinearAxis down(height, dy.dim(1)), across(dx.dim(2), w);
  WorkspaceScope scope(context);
  const auto mixed = allocate<S>(context, {batch, height, w, channels});
  detail::resize_adjoint<S>(context, dy.data(), down, batch, w * channels, mixed.data());
  detail::resize_adjoint<S>(context, mixed.data(), across, batch * height, channels, dx.data());
}

/// PyTorch's adaptive average pooling: output (i, j) of y [B, h, w, C] is the mean of the rows
/// [floor(i H / h), ceil((i + 1) H / h)) and the columns likewise of x [B, H, W, C].
template <class S, CudaDevice D>
void adaptive_average_pool(Context<D>& context, In<S, D> x, Out<S, D> y) {
  detail::require_resize(x.shape(), y.shape(), "adaptive_average_pool");
  const Index channels = x.dim(3);
  const bool wide =
      detail::vectorizable(x.data(), channels, channels) && detail::vectorizable(y.data(), channels, channels);
  detail::with_unit<S>(wide, [&](auto unit) {
    using Unit = decltype(unit);
    const Index items = y.size() / Unit::size;
    detail::launch(context, "adaptive_average_pool", cuda_kernels::adaptive_average_pool_kernel<S, Unit>,
                   detail::block_count(items, cuda_kernels::map_threads), cuda_kernels::map_threads, 0, x.data(),
                   x.dim(1), x.dim(2), y.dim(1), y.dim(2), channels, y.data(), items);
  });
}

}  // namespace ssam::inline SSAM_ABI::ops
