// The two jobs of a user on an NVIDIA GPU, SAM ViT-B with random weights, and the ops that are bound by memory or by
// our own attention. Compiled once per precision: SSAM_BENCH_DEVICE.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "cuda.hpp"
#include "jobs.hpp"

namespace bench {

namespace {

/// Milliseconds of f(), the median of `steps` calls after three.
template <class Device, class F>
double median_time(Context<Device>& context, int steps, const F& f) {
  cudaEvent_t begin = nullptr, end = nullptr;
  detail::check_cuda(cudaEventCreate(&begin), "cudaEventCreate");
  detail::check_cuda(cudaEventCreate(&end), "cudaEventCreate");
  std::vector<float> times;
  for (int step = -3; step < steps; ++step) {
    detail::check_cuda(cudaEventRecord(begin, context.stream()), "cudaEventRecord");
    f();
    detail::check_cuda(cudaEventRecord(end, context.stream()), "cudaEventRecord");
    context.synchronize();
    float milliseconds = 0;
    detail::check_cuda(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
    if (step >= 0) times.push_back(milliseconds);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::sort(times.begin(), times.end());
  return static_cast<double>(times[times.size() / 2]);
}

double free_memory() {
  std::size_t free = 0, total = 0;
  detail::check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return static_cast<double>(free);
}

template <class Device>
CardRates card_rates(int steps) {
  constexpr bool bf16 = Device::precision == MatmulPrecision::bf16;
  constexpr cudaDataType_t operand = bf16 ? CUDA_R_16BF : CUDA_R_32F;
  constexpr cublasComputeType_t compute =
      Device::precision == MatmulPrecision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  constexpr int side = 8192;
  Context<Device> context;
  const Shape shape{side, side};
  // Also read as pairs of bfloat16: the upper halves are the numbers', the lower ones are made to be.
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  std::uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    const std::uint32_t half = 0x3f00u + (state >> 25), bits = half << 16 | half;
    std::memcpy(&value, &bits, sizeof(value));
  }
  const Tensor<float, Device> a(shape, values), b(shape, values);
  Tensor<float, Device> c(shape);
  const float one = 1, zero = 0;
  const double product = median_time(context, steps, [&] {
    detail::check_cublas(
        cublasGemmEx(context.blas(), CUBLAS_OP_T, CUBLAS_OP_N, side, side, side, &one, a.data(), operand, side,
                     b.data(), operand, side, &zero, c.data(), CUDA_R_32F, side, compute, CUBLAS_GEMM_DEFAULT),
        "a matrix product");
  });
  const std::size_t bytes = values.size() * sizeof(float);
  const double copy = median_time(context, steps, [&] {
    detail::check_cuda(cudaMemcpyAsync(c.data(), a.data(), bytes, cudaMemcpyDeviceToDevice, context.stream()), "copy");
  });
  return {2.0 * side * side * side / (product * 1e-3), 2.0 * static_cast<double>(bytes) / (copy * 1e-3)};
}

/// `Job`: Embedding or a TrainingStep.
template <class Job, class Device>
Measurement time_job(const std::string& name, Method method, Index size, Index batch, int steps) {
  const double free = free_memory();
  Context<Device> context;
  Job job(context, size, batch);
  const double time = median_time(context, steps, [&] { job(context); });
  return {name + " " + std::to_string(size) + " batch " + std::to_string(batch), time, free - free_memory(),
          step_flops(vit_b(size), method, batch, 1).total()};
}

template <class Device>
Measurement embed(Index size, Index batch, int steps) {
  return time_job<Embedding<Device>, Device>("embed", Method::encode, size, batch, steps);
}

template <class Device>
Measurement train(Index size, Index batch, int steps) {
  using Step = TrainingStep<Device, recipes::SSam<Rule::paper>>;
  return time_job<Step, Device>("S-SAM step", Method::ssam, size, batch, steps);
}

/// `relative`: with relative positions.
template <class Device>
Measurement attention(Index window, bool relative, bool backward, int steps) {
  Context<Device> context;
  EncoderAttention<Device> job(1, 64, window, relative);
  job.forward(context);
  const double time =
      median_time(context, steps, [&] { return backward ? job.backward(context) : job.forward(context); });
  const std::string where = std::string(window > 0 ? "in windows" : "global") + (relative ? "" : ", no positions");
  return {"attention " + where + (backward ? ", backward" : ""), time,
          backward ? job.bytes_backward() : job.bytes_forward(), backward ? job.flops_backward() : job.flops_forward()};
}

template <class Device>
std::vector<Measurement> single_ops(int steps) {
  Context<Device> context;
  const Shape shape{32768, 768};
  const double bytes = count(shape.elements()) * sizeof(float);
  const auto x = filled<Device>(shape, -1, 1), weight = filled<Device>({768}, 0, 1), bias = filled<Device>({768}, 0, 1);
  Tensor<float, Device> y(shape), mean({shape[0]}), rstd({shape[0]});
  std::vector<Measurement> results;
  const auto add = [&](const char* name, double passes, const auto& f) {
    results.push_back({name, median_time(context, steps, f), passes * bytes, 0});
  };
  add("layer norm", 2,
      [&] { ops::layer_norm_forward<float>(context, x, weight, bias, 1e-6f, y.view(), mean.view(), rstd.view()); });
  add("layer norm backward (input)", 3,
      [&] { ops::layer_norm_backward<float>(context, x, weight, mean, rstd, y, y.view(), {}, {}); });
  add("GELU", 2, [&] { ops::gelu_forward<float>(context, x, y.view()); });
  add("GELU backward", 3, [&] { ops::gelu_backward<float>(context, x, y, y.view()); });
  return results;
}

}  // namespace

template <class Device>
PrecisionResult measure(int steps) {
  PrecisionResult result;
  result.card = card_rates<Device>(steps);
  result.jobs.push_back(embed<Device>(1024, 1, steps));
  result.jobs.push_back(embed<Device>(1024, 8, steps));
  result.jobs.push_back(train<Device>(256, 32, steps));
  result.jobs.push_back(train<Device>(1024, 4, steps));
  for (const bool backward : {false, true}) {
    result.ops.push_back(attention<Device>(0, true, backward, steps));
    result.ops.push_back(attention<Device>(0, false, backward, steps));
    result.ops.push_back(attention<Device>(14, true, backward, steps));
  }
  if constexpr (Device::precision == MatmulPrecision::fp32) {  // these multiply no matrices
    const auto more = single_ops<Device>(steps);
    result.ops.insert(result.ops.end(), more.begin(), more.end());
  }
  return result;
}

template PrecisionResult measure<SSAM_BENCH_DEVICE>(int steps);

}  // namespace bench
