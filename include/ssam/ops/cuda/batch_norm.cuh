#pragma once

#include <ssam/ops/cuda/map.cuh>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

inline constexpr int batch_norm_warps = 8;
inline constexpr unsigned batch_norm_threads = batch_norm_warps * detail::warp_size;

/// Sum over the warps of a block, lane by lane, in a fixed order and in every thread. `shared`: one value per thread;
/// it may be used again after the call. Called by all threads.
__device__ inline double sum_over_warps(double value, double* shared) {
  shared[threadIdx.x] = value;
  __syncthreads();
  double total = 0;
  for (unsigned i = threadIdx.x % detail::warp_size; i < blockDim.x; i += detail::warp_size) total += shared[i];
  __syncthreads();
  return total;
}

/// What a batch norm in training reads and writes; see batch_norm_forward_training.
template <class S>
struct BatchNormForward {
  const S *x, *weight, *bias;
  S eps, momentum;
  S *running_mean, *running_var, *y, *mean, *rstd;
  Index batch, channels;
};

/// A block has 32 channels, each of its warps every eighth sample.
template <class S>
__global__ void __launch_bounds__(batch_norm_threads) batch_norm_forward_kernel(BatchNormForward<S> at) {
  auto* shared = detail::dynamic_shared<double>();
  const Index c = static_cast<Index>(blockIdx.x) * detail::warp_size + threadIdx.x % detail::warp_size;
  const Index first = threadIdx.x / detail::warp_size;
  const Index end = c < at.channels ? at.batch : 0;  // lanes without a channel only wait
  double sum = 0, squares = 0;
  for (Index r = first; r < end; r += batch_norm_warps) sum += static_cast<double>(at.x[r * at.channels + c]);
  const double center = sum_over_warps(sum, shared) / static_cast<double>(at.batch);
  for (Index r = first; r < end; r += batch_norm_warps) {
    const double deviation = static_cast<double>(at.x[r * at.channels + c]) - center;
    squares += deviation * deviation;
  }
  squares = sum_over_warps(squares, shared);
  if (c >= at.channels) return;
  const S average = static_cast<S>(center);
  const S scale = static_cast<S>(1 / std::sqrt(squares / static_cast<double>(at.batch) + static_cast<double>(at.eps)));
  for (Index r = first; r < end; r += batch_norm_warps) {
    const S normal = (at.x[r * at.channels + c] - average) * scale;
    at.y[r * at.channels + c] = normal * at.weight[c] + at.bias[c];
  }
  if (first != 0) return;
  at.mean[c] = average;
  at.rstd[c] = scale;
  const S unbiased = static_cast<S>(squares / static_cast<double>(at.batch - 1));
  at.running_mean[c] = (1 - at.momentum) * at.running_mean[c] + at.momentum * average;
  at.running_var[c] = (1 - at.momentum) * at.running_var[c] + at.momentum * unbiased;
}

/// What its backward pass reads and writes; results that are not wanted are null.
template <class S>
struct BatchNormBackward {
  const S *x, *weight, *mean, *rstd, *dy;
  S *dx, *dweight, *dbias;
  Index batch, channels;
};

template <class S>
__global__ void __launch_bounds__(batch_norm_threads) batch_norm_backward_kernel(BatchNormBackward<S> at) {
  auto* shared = detail::dynamic_shared<double>();
  const Index c = static_cast<Index>(blockIdx.x) * detail::warp_size + threadIdx.x % detail::warp_size;
  const Index first = threadIdx.x / detail::warp_size;
  const bool inside = c < at.channels;
  const Index end = inside ? at.batch : 0;
  const S center = inside ? at.mean[c] : S(0), scale = inside ? at.rstd[c] : S(0);
  double sum = 0, dot = 0;
  for (Index r = first; r < end; r += batch_norm_warps) {
    const S grad = at.dy[r * at.channels + c];
    sum += static_cast<double>(grad);
    dot += static_cast<double>(grad * (at.x[r * at.channels + c] - center) * scale);
  }
  sum = sum_over_warps(sum, shared);
  dot = sum_over_warps(dot, shared);
  if (!inside) return;
  if (first == 0 && at.dweight != nullptr) at.dweight[c] += static_cast<S>(dot);
  if (first == 0 && at.dbias != nullptr) at.dbias[c] += static_cast<S>(sum);
  if (at.dx == nullptr) return;
  const S shift = static_cast<S>(sum / static_cast<double>(at.batch));
  const S slope = static_cast<S>(dot / static_cast<double>(at.batch));
  for (Index r = first; r < end; r += batch_norm_warps) {
    const S normal = (at.x[r * at.channels + c] - center) * scale;
    at.dx[r * at.channels + c] = at.weight[c] * scale * (at.dy[r * at.channels + c] - shift - normal * slope);
  }
}

/// x, running_mean, running_var, weight, bias
template <class S>
struct BatchNormEval {
  S eps;
  __device__ S operator()(const S* x, Index) const { return (x[0] - x[1]) / std::sqrt(x[2] + eps) * x[3] + x[4]; }
};

}  // namespace cuda_kernels

/// BatchNorm1d on x [B, C] with the statistics of the batch (PyTorch): y = (x - mean) * rstd * weight + bias with the
/// biased variance; running = (1 - momentum) * running + momentum * statistic, the running variance with the unbiased
/// one. mean, rstd [C] are kept for the backward pass. Throws ConfigError for B = 1 (no variance).
template <class S, CudaDevice D>
void batch_norm_forward_training(Context<D>& context, In<S, D> x, In<S, D> weight, In<S, D> bias,
                                 std::type_identity_t<S> eps, std::type_identity_t<S> momentum, Out<S, D> running_mean,
                                 Out<S, D> running_var, Out<S, D> y, Out<S, D> mean, Out<S, D> rstd) {
  const Index batch = x.matrix().rows, channels = x.matrix().cols;
  detail::require_one_size("batch_norm_forward_training", y, x);
  detail::require_batch_norm("batch_norm_forward_training", batch, channels,
                             {weight, bias, running_mean, running_var, mean, rstd});
  detail::require_batch_statistics("batch_norm_forward_training", batch);
  const cuda_kernels::BatchNormForward<S> at{
      x.data(),           weight.data(), bias.data(), eps,         momentum, running_mean.data(),
      running_var.data(), y.data(),      mean.data(), rstd.data(), batch,    channels};
  detail::launch(context, "batch_norm_forward_training", cuda_kernels::batch_norm_forward_kernel<S>,
                 detail::block_count(channels, detail::warp_size), cuda_kernels::batch_norm_threads,
                 sizeof(double) * cuda_kernels::batch_norm_threads, at);
}

/// BatchNorm1d on x [B, C] with the running statistics [C]; `y` may be `x`.
template <class S, CudaDevice D>
void batch_norm_forward_eval(Context<D>& context, In<S, D> x, In<S, D> weight, In<S, D> bias, In<S, D> running_mean,
                             In<S, D> running_var, std::type_identity_t<S> eps, Out<S, D> y) {
  const auto in = x.matrix();
  detail::require_one_size("batch_norm_forward_eval", y, x);
  detail::require_batch_norm("batch_norm_forward_eval", in.rows, in.cols, {weight, bias, running_mean, running_var});
  detail::map<S, D, 5>(context, "batch_norm_forward_eval", cuda_kernels::BatchNormEval<S>{eps},
                       {in, detail::repeated(running_mean, in.rows), detail::repeated(running_var, in.rows),
                        detail::repeated(weight, in.rows), detail::repeated(bias, in.rows)},
                       {y.data(), in.rows, in.cols, in.cols});
}

/// Backward of batch_norm_forward_training. dx is overwritten (may be `dy`), dweight and dbias are added to; each may
/// be empty.
template <class S, CudaDevice D>
void batch_norm_backward(Context<D>& context, In<S, D> x, In<S, D> weight, In<S, D> mean, In<S, D> rstd, In<S, D> dy,
                         MaybeOut<S, D> dx, MaybeOut<S, D> dweight, MaybeOut<S, D> dbias) {
  const Index batch = x.matrix().rows, channels = x.matrix().cols;
  detail::require_one_size("batch_norm_backward", x, dy);
  require(detail::optional_size(dx, x.size()) == x.size(), "batch_norm_backward", "dx as large as x", dx, x);
  detail::require_batch_norm(
      "batch_norm_backward", batch, channels,
      {weight, mean, rstd, detail::optional_size(dweight, channels), detail::optional_size(dbias, channels)});
  const cuda_kernels::BatchNormBackward<S> at{x.data(),  weight.data(),  mean.data(),  rstd.data(), dy.data(),
                                              dx.data(), dweight.data(), dbias.data(), batch,       channels};
  detail::launch(context, "batch_norm_backward", cuda_kernels::batch_norm_backward_kernel<S>,
                 detail::block_count(channels, detail::warp_size), cuda_kernels::batch_norm_threads,
                 sizeof(double) * cuda_kernels::batch_norm_threads, at);
}

}  // namespace ssam::inline SSAM_ABI::ops
