#pragma once

#include <ssam/ops/adamw_tensor.hpp>
#include <ssam/ops/cuda/map.cuh>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

inline constexpr unsigned adamw_threads = 256;

/// Elements [first, first + count) of a tensor: what a block handles.
template <class S>
struct AdamWPiece {
  AdamWTensor<S> tensor;
  Index first, count;

  __device__ AdamWPiece(const AdamWTensor<S>* tensors, Index tensor_count, Index chunk)
      : tensor(tensors[detail::adamw_tensor_of(tensors, tensor_count, chunk)]),
        first((chunk - tensor.first_chunk) * adamw_chunk),
        count(tensor.size - first < adamw_chunk ? tensor.size - first : adamw_chunk) {}
};

/// Whether 16 bytes at a time can be read there.
__device__ __forceinline__ bool is_wide(const void* data) { return reinterpret_cast<std::uintptr_t>(data) % 16 == 0; }

/// A block per chunk: the sum of the squares of its gradients.
template <class S>
__global__ void __launch_bounds__(adamw_threads)
    squared_norm_kernel(const AdamWTensor<S>* tensors, Index tensor_count, double* partial) {
  using Vector = detail::Vec<S>;
  auto* shared = detail::dynamic_shared<double>();  // one value per warp
  const AdamWPiece<S> piece(tensors, tensor_count, blockIdx.x);
  const S* grad = piece.tensor.grad + piece.first;
  const Index vectors = is_wide(grad) ? piece.count / Vector::size : 0;
  double sum = 0;
  for (Index k = threadIdx.x; k < vectors; k += adamw_threads) {
    const auto values = detail::load_vec(grad + k * Vector::size);
    for (int i = 0; i < Vector::size; ++i) sum += static_cast<double>(values.at[i]) * static_cast<double>(values.at[i]);
  }
  for (Index i = vectors * Vector::size + threadIdx.x; i < piece.count; i += adamw_threads) {
    sum += static_cast<double>(grad[i]) * static_cast<double>(grad[i]);
  }
  sum = detail::block_sum(sum, shared);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/// One block: sum[0] = sum of `partial`.
template <class Sum>
__global__ void __launch_bounds__(adamw_threads) squared_norm_total_kernel(const Sum* partial, Index count, Sum* sum) {
  auto* shared = detail::dynamic_shared<Sum>();  // one value per warp
  Sum total = 0;
  for (Index i = threadIdx.x; i < count; i += adamw_threads) total += partial[i];
  total = detail::block_sum(total, shared);
  if (threadIdx.x == 0) sum[0] = total;
}

/// A block per chunk: one step of its elements.
template <class S>
__global__ void __launch_bounds__(adamw_threads)
    adamw_step_kernel(const AdamWTensor<S>* tensors, Index tensor_count, AdamWStep settings, double clip_norm,
                      const double* squared_norm) {
  using Vector = detail::Vec<S>;
  using Factors = detail::AdamWFactors<S>;
  auto* factors = detail::dynamic_shared<Factors>();  // powers in double, once per block
  const AdamWPiece<S> piece(tensors, tensor_count, blockIdx.x);
  if (threadIdx.x == 0) *factors = Factors(settings, settings.step - piece.tensor.skipped);
  __syncthreads();
  const Factors at = *factors;
  const double square = squared_norm[0];
  const bool finite = std::isfinite(square);
  const S grad_scale = static_cast<S>(detail::clip_factor(square, clip_norm));
  S *value = piece.tensor.value + piece.first, *grad = piece.tensor.grad + piece.first;
  S *m = piece.tensor.m + piece.first, *v = piece.tensor.v + piece.first;
  const auto update = [&](S scaled, S& x, S& first, S& second) {
    first += at.take1 * (scaled - first);
    second = at.keep2 * second + at.take2 * scaled * scaled;
    x = x * at.decay - at.step_size * first / (std::sqrt(second) / at.root2 + at.eps);
  };
  const bool wide = is_wide(value) && is_wide(grad) && is_wide(m) && is_wide(v);
  const Index vectors = wide ? piece.count / Vector::size : 0;
  for (Index k = threadIdx.x; k < vectors; k += adamw_threads) {
    const Index i = k * Vector::size;
    if (finite) {
      const auto g = detail::load_vec(grad + i);
      auto x = detail::load_vec(value + i), first = detail::load_vec(m + i), second = detail::load_vec(v + i);
      for (int e = 0; e < Vector::size; ++e) update(g.at[e] * grad_scale, x.at[e], first.at[e], second.at[e]);
      detail::store_vec(value + i, x);
      detail::store_vec(m + i, first);
      detail::store_vec(v + i, second);
    }
    detail::store_vec(grad + i, Vector{});
  }
  for (Index i = vectors * Vector::size + threadIdx.x; i < piece.count; i += adamw_threads) {
    if (finite) update(grad[i] * grad_scale, value[i], m[i], v[i]);
    grad[i] = S(0);
  }
}

}  // namespace cuda_kernels

/// sum[0] = sum of the squares of all gradients, in double. `chunks`: of all tensors.
template <class S, CudaDevice D>
void squared_norm(Context<D>& context, std::type_identity_t<TensorView<const AdamWTensor<S>, D>> tensors, Index chunks,
                  Out<double, D> sum) {
  require(sum.size() == 1, "squared_norm", "one sum", sum);
  constexpr unsigned threads = cuda_kernels::adamw_threads;
  constexpr std::size_t shared = sizeof(double) * threads / detail::warp_size;
  WorkspaceScope scope(context);
  const auto partial = allocate<double>(context, {chunks});
  detail::launch(context, "squared_norm", cuda_kernels::squared_norm_kernel<S>, detail::block_count(chunks, 1), threads,
                 shared, tensors.data(), tensors.size(), partial.data());
  detail::launch(context, "squared_norm", cuda_kernels::squared_norm_total_kernel<double>, 1, threads, shared,
                 partial.data(), chunks, sum.data());
}

/// One AdamW step over all tensors, in PyTorch's order: value is decayed by lr * weight_decay, m and v take in the
/// gradient, value moves by lr * m_hat / (sqrt(v_hat) + eps). Gradients are first scaled to `clip_norm` where
/// sqrt(squared_norm) is longer (0: never), and are zero afterwards. Where the norm is not finite, nothing else
/// changes. Throws ShapeError, ConfigError for a step below 1.
template <class S, CudaDevice D>
void adamw_step(Context<D>& context, std::type_identity_t<TensorView<const AdamWTensor<S>, D>> tensors, Index chunks,
                const AdamWStep& settings, double clip_norm, In<double, D> squared_norm) {
  detail::require_adamw(settings, squared_norm);
  detail::launch(context, "adamw_step", cuda_kernels::adamw_step_kernel<S>, detail::block_count(chunks, 1),
                 cuda_kernels::adamw_threads, sizeof(detail::AdamWFactors<S>), tensors.data(), tensors.size(), settings,
                 clip_norm, squared_norm.data());
}

}  // namespace ssam::inline SSAM_ABI::ops
