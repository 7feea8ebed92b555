#pragma once

#include <ssam/ops/cuda/column_sums.cuh>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

inline constexpr unsigned layer_norm_threads = 256;
/// Accesses per lane where a warp or a part of it has a row of its own and keeps it in registers.
inline constexpr int layer_norm_units = 8;

/// Sum over `lanes` neighbouring lanes of a warp, a power of two.
template <class S>
__device__ __forceinline__ S lanes_sum(S value, int lanes) {
  for (int offset = lanes / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(detail::full_warp, value, offset);
  return value;
}

/// Rows of at most lanes * layer_norm_units * Unit::size columns, `lanes` lanes each; the variance from registers.
template <class S, class Unit>
__global__ void __launch_bounds__(layer_norm_threads)
    layer_norm_forward_kernel(const S* x, const S* weight, const S* bias, S eps, S* y, S* mean, S* rstd, Index rows,
                              Index cols, int lanes) {
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  const Index row = detail::split(detail::global_thread(), lanes).quotient;
  const Index end = row < rows ? cols : 0;
  Unit values[layer_norm_units];
  S sum = 0;
  SSAM_UNROLL
  for (int u = 0; u < layer_norm_units; ++u) {
    const Index c = (u * lanes + lane) * Unit::size;
    if (c >= end) continue;
    values[u] = detail::load_unit<Unit>(x + row * cols + c);
    for (int i = 0; i < Unit::size; ++i) sum += values[u].at[i];
  }
  const S center = lanes_sum(sum, lanes) / static_cast<S>(cols);
  S squares = 0;
  SSAM_UNROLL
  for (int u = 0; u < layer_norm_units; ++u) {
    if ((u * lanes + lane) * Unit::size >= end) continue;
    for (int i = 0; i < Unit::size; ++i) squares += (values[u].at[i] - center) * (values[u].at[i] - center);
  }
  const S scale = S(1) / std::sqrt(lanes_sum(squares, lanes) / static_cast<S>(cols) + eps);
  SSAM_UNROLL
  for (int u = 0; u < layer_norm_units; ++u) {
    const Index c = (u * lanes + lane) * Unit::size;
    if (c >= end) continue;
    const auto w = detail::load_unit<Unit>(weight + c), b = detail::load_unit<Unit>(bias + c);
    for (int i = 0; i < Unit::size; ++i) values[u].at[i] = (values[u].at[i] - center) * scale * w.at[i] + b.at[i];
    detail::store_unit(y + row * cols + c, values[u]);
  }
  if (lane == 0 && row < rows && mean != nullptr) mean[row] = center;
  if (lane == 0 && row < rows && rstd != nullptr) rstd[row] = scale;
}

/// Longer rows: a block has one, which it reads again (from the nearest cache) for the variance and for the result.
template <class S, class Unit>
__global__ void __launch_bounds__(layer_norm_threads)
    layer_norm_forward_long_kernel(const S* x, const S* weight, const S* bias, S eps, S* y, S* mean, S* rstd,
                                   Index cols) {
  auto* shared = detail::dynamic_shared<S>();  // one value per warp
  const Index row = blockIdx.x, first = static_cast<Index>(threadIdx.x) * Unit::size;
  const Index step = static_cast<Index>(blockDim.x) * Unit::size;
  S sum = 0;
  for (Index c = first; c < cols; c += step) {
    const auto values = detail::load_unit<Unit>(x + row * cols + c);
    for (int i = 0; i < Unit::size; ++i) sum += values.at[i];
  }
  const S center = detail::block_sum(sum, shared) / static_cast<S>(cols);
  S squares = 0;
  for (Index c = first; c < cols; c += step) {
    const auto values = detail::load_unit<Unit>(x + row * cols + c);
    for (int i = 0; i < Unit::size; ++i) squares += (values.at[i] - center) * (values.at[i] - center);
  }
  const S scale = S(1) / std::sqrt(detail::block_sum(squares, shared) / static_cast<S>(cols) + eps);
  for (Index c = first; c < cols; c += step) {
    auto values = detail::load_unit<Unit>(x + row * cols + c);
    const auto w = detail::load_unit<Unit>(weight + c), b = detail::load_unit<Unit>(bias + c);
    for (int i = 0; i < Unit::size; ++i) values.at[i] = (values.at[i] - center) * scale * w.at[i] + b.at[i];
    detail::store_unit(y + row * cols + c, values);
  }
  if (threadIdx.x == 0 && mean != nullptr) mean[row] = center;
  if (threadIdx.x == 0 && rstd != nullptr) rstd[row] = scale;
}

/// dx of rows as in layer_norm_forward_kernel: rstd * (g - mean(g) - normal * mean(g * normal)) with g = dy * weight
/// and normal = (x - mean) * rstd.
template <class S, class Unit>
__global__ void __launch_bounds__(layer_norm_threads)
    layer_norm_backward_kernel(const S* x, const S* weight, const S* mean, const S* rstd, const S* dy, S* dx,
                               Index rows, Index cols, int lanes) {
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  const Index row = detail::split(detail::global_thread(), lanes).quotient;
  const Index end = row < rows ? cols : 0;
  const S center = row < rows ? mean[row] : S(0), scale = row < rows ? rstd[row] : S(0);
  Unit off[layer_norm_units], grad[layer_norm_units];  // x - mean, g
  S sum = 0, dot = 0;
  SSAM_UNROLL
  for (int u = 0; u < layer_norm_units; ++u) {
    const Index c = (u * lanes + lane) * Unit::size;
    if (c >= end) continue;
    off[u] = detail::load_unit<Unit>(x + row * cols + c);
    grad[u] = detail::load_unit<Unit>(dy + row * cols + c);
    const auto w = detail::load_unit<Unit>(weight + c);
    for (int i = 0; i < Unit::size; ++i) {
      off[u].at[i] -= center;
      grad[u].at[i] *= w.at[i];
      sum += grad[u].at[i];
      dot += grad[u].at[i] * off[u].at[i];
    }
  }
  const S shift = lanes_sum(sum, lanes) / static_cast<S>(cols);
  const S slope = lanes_sum(dot, lanes) * scale * scale / static_cast<S>(cols);
  SSAM_UNROLL
  for (int u = 0; u < layer_norm_units; ++u) {
    const Index c = (u * lanes + lane) * Unit::size;
    if (c >= end) continue;
    for (int i = 0; i < Unit::size; ++i) grad[u].at[i] = scale * (grad[u].at[i] - shift - off[u].at[i] * slope);
    detail::store_unit(dx + row * cols + c, grad[u]);
  }
}

template <class S, class Unit>
__global__ void __launch_bounds__(layer_norm_threads)
    layer_norm_backward_long_kernel(const S* x, const S* weight, const S* mean, const S* rstd, const S* dy, S* dx,
                                    Index cols) {
  auto* shared = detail::dynamic_shared<S>();  // one value per warp
  const Index row = blockIdx.x, first = static_cast<Index>(threadIdx.x) * Unit::size;
  const Index step = static_cast<Index>(blockDim.x) * Unit::size;
  const S center = mean[row], scale = rstd[row];
  S sum = 0, dot = 0;
  for (Index c = first; c < cols; c += step) {
    const auto in = detail::load_unit<Unit>(x + row * cols + c), grad = detail::load_unit<Unit>(dy + row * cols + c);
    const auto w = detail::load_unit<Unit>(weight + c);
    for (int i = 0; i < Unit::size; ++i) {
      sum += grad.at[i] * w.at[i];
      dot += grad.at[i] * w.at[i] * (in.at[i] - center);
    }
  }
  const S shift = detail::block_sum(sum, shared) / static_cast<S>(cols);
  const S slope = detail::block_sum(dot, shared) * scale * scale / static_cast<S>(cols);
  for (Index c = first; c < cols; c += step) {
    const auto in = detail::load_unit<Unit>(x + row * cols + c), w = detail::load_unit<Unit>(weight + c);
    auto grad = detail::load_unit<Unit>(dy + row * cols + c);
    for (int i = 0; i < Unit::size; ++i) {
      grad.at[i] = scale * (grad.at[i] * w.at[i] - shift - (in.at[i] - center) * slope);
    }
    detail::store_unit(dx + row * cols + c, grad);
  }
}

/// The terms of dweight (0) and dbias (1).
template <class S>
struct LayerNormTerms {
  static constexpr int terms = 2;
  const S *x, *mean, *rstd, *dy;
  Index cols;

  template <class Unit>
  __device__ __forceinline__ void add(Index r, Index c, S* sums) const {
    const auto in = detail::load_unit<Unit>(x + r * cols + c), grad = detail::load_unit<Unit>(dy + r * cols + c);
    for (int i = 0; i < Unit::size; ++i) {
      sums[i] += grad.at[i] * (in.at[i] - mean[r]) * rstd[r];
      sums[Unit::size + i] += grad.at[i];
    }
  }
};

}  // namespace cuda_kernels

namespace detail {

/// Lanes that share a row of `units` accesses: a power of two, at most a warp; 0 for a row too long for one.
inline int layer_norm_lanes(Index units) {
  if (units > warp_size * cuda_kernels::layer_norm_units) return 0;
  int lanes = 1;
  while (lanes < warp_size && lanes < units) lanes *= 2;
  return lanes;
}

}  // namespace detail

/// Normalises every row of the last axis: y = (x - mean) * rstd * weight + bias, rstd = 1 / sqrt(variance + eps) with
/// the biased variance. x, y [..., C]; weight, bias [C]; mean, rstd [rows] are kept for the backward pass and may be
/// empty. `y` may be `x` where no backward pass follows.
template <class S, CudaDevice D>
void layer_norm_forward(Context<D>& context, In<S, D> x, In<S, D> weight, In<S, D> bias, std::type_identity_t<S> eps,
                        Out<S, D> y, MaybeOut<S, D> mean, MaybeOut<S, D> rstd) {
  const Index rows = x.matrix().rows, cols = x.matrix().cols;
  detail::require_one_size("layer_norm_forward", y, x);
  detail::require_norm("layer_norm_forward", rows, cols, {weight, bias},
                       {detail::optional_size(mean, rows), detail::optional_size(rstd, rows)});
  if (rows == 0) return;
  constexpr unsigned threads = cuda_kernels::layer_norm_threads;
  const bool wide = detail::vectorizable(x.data(), cols, cols) && detail::vectorizable(y.data(), cols, cols) &&
                    detail::vectorizable(weight.data(), cols, cols) && detail::vectorizable(bias.data(), cols, cols);
  detail::with_unit<S>(wide, [&](auto unit) {
    using Unit = decltype(unit);
    if (const int lanes = detail::layer_norm_lanes(cols / Unit::size); lanes > 0) {
      detail::launch(context, "layer_norm_forward", cuda_kernels::layer_norm_forward_kernel<S, Unit>,
                     detail::block_count(rows * lanes, threads), threads, 0, x.data(), weight.data(), bias.data(), eps,
                     y.data(), mean.data(), rstd.data(), rows, cols, lanes);
    } else {
      detail::launch(context, "layer_norm_forward", cuda_kernels::layer_norm_forward_long_kernel<S, Unit>,
                     detail::block_count(rows, 1), threads, sizeof(S) * threads / detail::warp_size, x.data(),
                     weight.data(), bias.data(), eps, y.data(), mean.data(), rstd.data(), cols);
    }
  });
}

/// Backward of layer_norm_forward. dx is overwritten (may be `dy`), dweight and dbias are added to; each may be empty.
template <class S, CudaDevice D>
void layer_norm_backward(Context<D>& context, In<S, D> x, In<S, D> weight, In<S, D> mean, In<S, D> rstd, In<S, D> dy,
                         MaybeOut<S, D> dx, MaybeOut<S, D> dweight, MaybeOut<S, D> dbias) {
  const Index rows = x.matrix().rows, cols = x.matrix().cols;
  detail::require_one_size("layer_norm_backward", x, dy);
  require(detail::optional_size(dx, x.size()) == x.size(), "layer_norm_backward", "dx as large as x", dx, x);
  detail::require_norm("layer_norm_backward", rows, cols,
                       {weight, detail::optional_size(dweight, cols), detail::optional_size(dbias, cols)},
                       {mean, rstd});
  if (rows == 0) return;
  bool wide = detail::vectorizable(x.data(), cols, cols) && detail::vectorizable(dy.data(), cols, cols);
  // The sums over rows come first: dx may overwrite dy.
  if (!dweight.empty() || !dbias.empty()) {
    WorkspaceScope scope(context);
    const cuda_kernels::LayerNormTerms<S> terms{x.data(), mean.data(), rstd.data(), dy.data(), cols};
    const auto partial = detail::partial_column_sums<S>(context, "layer_norm_backward", wide, terms, rows, cols);
    if (!dweight.empty()) detail::add_partial_sums<S>(context, "layer_norm_backward", partial, 0, dweight.data());
    if (!dbias.empty()) detail::add_partial_sums<S>(context, "layer_norm_backward", partial, 1, dbias.data());
  }
  if (dx.empty()) return;
  constexpr unsigned threads = cuda_kernels::layer_norm_threads;
  wide = wide && detail::vectorizable(dx.data(), cols, cols) && detail::vectorizable(weight.data(), cols, cols);
  detail::with_unit<S>(wide, [&](auto unit) {
    using Unit = decltype(unit);
    if (const int lanes = detail::layer_norm_lanes(cols / Unit::size); lanes > 0) {
      detail::launch(context, "layer_norm_backward", cuda_kernels::layer_norm_backward_kernel<S, Unit>,
                     detail::block_count(rows * lanes, threads), threads, 0, x.data(), weight.data(), mean.data(),
                     rstd.data(), dy.data(), dx.data(), rows, cols, lanes);
    } else {
      detail::launch(context, "layer_norm_backward", cuda_kernels::layer_norm_backward_long_kernel<S, Unit>,
                     detail::block_count(rows, 1), threads, sizeof(S) * threads / detail::warp_size, x.data(),
                     weight.data(), mean.data(), rstd.data(), dy.data(), dx.data(), cols);
    }
  });
}

}  // namespace ssam::inline SSAM_ABI::ops
