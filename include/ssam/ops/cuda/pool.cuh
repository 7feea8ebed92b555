#pragma once

#include <ssam/ops/cuda/map.cuh>
#include <ssam/ops/pool_checks.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

/// One pooled element per thread. `dy` and `dx` null: forward.
template <class S>
__global__ void __launch_bounds__(map_threads)
    max_pool_kernel(const S* x, S* y, const S* dy, S* dx, Index width, Index channels, Index items) {
  const Index item = detail::global_thread();
  if (item >= items) return;
  const auto [pixel, c] = detail::split(item, channels);
  const auto [row, j] = detail::split(pixel, width);
  const Index run = 2 * width * channels, first = row * 2 * run + 2 * j * channels + c;
  const Index places[4] = {first, first + channels, first + run, first + run + channels};
  int best = 0;
  SSAM_UNROLL
  for (int i = 1; i < 4; ++i) best = x[places[i]] > x[places[best]] ? i : best;
  if (y != nullptr) y[item] = x[places[best]];
  if (dx == nullptr) return;
  SSAM_UNROLL
  for (int i = 0; i < 4; ++i) dx[places[i]] = i == best ? dy[item] : S(0);
}

}  // namespace cuda_kernels

namespace detail {
template <class S, CudaDevice D>
void max_pool(Context<D>& context, const char* op, const S* x, S* y, const S* dy, S* dx, const Shape& pooled) {
  const Index items = pooled.elements();
  if (items == 0) return;
  launch(context, op, cuda_kernels::max_pool_kernel<S>, block_count(items, cuda_kernels::map_threads),
         cuda_kernels::map_threads, 0, x, y, dy, dx, pooled[2], pooled[3], items);
}
}  // namespace detail

/// See the host's.
template <class S, CudaDevice D>
void max_pool_forward(Context<D>& context, In<S, D> x, Out<S, D> y) {
  detail::require_pool(x.shape(), y.shape(), "max_pool_forward");
  detail::max_pool<S>(context, "max_pool_forward", x.data(), y.data(), static_cast<const S*>(nullptr),
                      static_cast<S*>(nullptr), y.shape());
}

template <class S, CudaDevice D>
void max_pool_backward(Context<D>& context, In<S, D> x, In<S, D> dy, Out<S, D> dx) {
  detail::require_pool(x.shape(), dy.shape(), "max_pool_backward");
  require(dx.shape() == x.shape(), "max_pool_backward", "dx of the shape of x", dx, x);
  detail::max_pool<S>(context, "max_pool_backward", x.data(), static_cast<S*>(nullptr), dy.data(), dx.data(),
                      dy.shape());
}

}  // namespace ssam::inline SSAM_ABI::ops
