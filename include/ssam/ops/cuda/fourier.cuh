#pragma once

#include <ssam/ops/cuda/map.cuh>
#include <ssam/ops/fourier_token.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

inline constexpr double two_pi = 6.283185307179586476925286766559;

/// Sine and cosine c of the position (x, y) as fractions, one frequency per thread.
template <class S>
__device__ __forceinline__ void fourier_position(const S* gaussian, Index half, Index c, double x, double y, S* row) {
  const double angle =
      two_pi * ((2 * x - 1) * static_cast<double>(gaussian[c]) + (2 * y - 1) * static_cast<double>(gaussian[half + c]));
  row[c] = static_cast<S>(sin(angle));
  row[half + c] = static_cast<S>(cos(angle));
}

template <class S>
__global__ void __launch_bounds__(map_threads)
    fourier_grid_kernel(const S* gaussian, Index half, Index h, Index w, S* out) {
  const Index item = detail::global_thread();
  if (item >= h * w * half) return;
  const auto [cell, c] = detail::split(item, half);
  const auto [i, j] = detail::split(cell, w);
  fourier_position(gaussian, half, c, (static_cast<double>(j) + 0.5) / static_cast<double>(w),
                   (static_cast<double>(i) + 0.5) / static_cast<double>(h), out + cell * 2 * half);
}

template <class S>
__global__ void __launch_bounds__(map_threads)
    fourier_tokens_kernel(const S* gaussian, Index half, const S* kinds, const S* nothing, const FourierToken* tokens,
                          Index count, S* out) {
  const Index item = detail::global_thread();
  if (item >= count * half) return;
  const auto [t, c] = detail::split(item, half);
  S* row = out + t * 2 * half;
  const FourierToken token = tokens[t];
  const S* kind = token.kind < 0 ? nothing : kinds + token.kind * 2 * half;
  if (token.kind < 0) {
    row[c] = kind[c];
    row[half + c] = kind[half + c];
    return;
  }
  fourier_position(gaussian, half, c, token.x, token.y, row);
  row[c] += kind[c];
  row[half + c] += kind[half + c];
}

}  // namespace cuda_kernels

/// See the host's.
template <class S, CudaDevice D>
void fourier_grid(Context<D>& context, In<S, D> gaussian, Index h, Index w, Out<S, D> out) {
  detail::require_fourier<S, D>("fourier_grid", gaussian, h * w, out);
  const Index half = gaussian.dim(1), items = h * w * half;
  if (items == 0) return;
  detail::launch(context, "fourier_grid", cuda_kernels::fourier_grid_kernel<S>,
                 detail::block_count(items, cuda_kernels::map_threads), cuda_kernels::map_threads, 0, gaussian.data(),
                 half, h, w, out.data());
}

template <class S, CudaDevice D>
void fourier_tokens(Context<D>& context, In<S, D> gaussian, In<S, D> kinds, In<S, D> nothing,
                    std::type_identity_t<TensorView<const FourierToken, D>> tokens, Out<S, D> out) {
  detail::require_fourier_tokens<S, D>(gaussian, kinds, nothing, tokens.size(), out);
  const Index half = gaussian.dim(1), items = tokens.size() * half;
  if (items == 0) return;
  detail::launch(context, "fourier_tokens", cuda_kernels::fourier_tokens_kernel<S>,
                 detail::block_count(items, cuda_kernels::map_threads), cuda_kernels::map_threads, 0, gaussian.data(),
                 half, kinds.data(), nothing.data(), tokens.data(), tokens.size(), out.data());
}

}  // namespace ssam::inline SSAM_ABI::ops
