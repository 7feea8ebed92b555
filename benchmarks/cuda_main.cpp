// bench_cuda [STEPS]: the table of the GPU. compare_pytorch.sh prints PyTorch's beside it.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "cuda.hpp"

namespace {

void print(const char* precision, const bench::PrecisionResult& result) {
  constexpr double mebi = 1024 * 1024;
  const bench::CardRates& card = result.card;
  std::printf("\n%s: the card multiplies at %.1f TFLOP/s and copies at %.0f GB/s\n", precision, card.flops * 1e-12,
              card.bandwidth * 1e-9);
  std::printf("  %-40s %12s %12s %14s\n", "", "median ms", "memory MiB", "of GEMM rate");
  for (const auto& job : result.jobs) {
    std::printf("  %-40s %12.2f %12.0f %13.1f%%\n", job.name.c_str(), job.milliseconds, job.bytes / mebi,
                100 * job.flops / (job.milliseconds * 1e-3) / card.flops);
  }
  std::printf("  %-40s %12s %12s %14s\n", "", "median ms", "of copying", "of GEMM rate");
  for (const auto& op : result.ops) {
    const double seconds = op.milliseconds * 1e-3;
    std::printf("  %-40s %12.3f %11.1f%% %13.1f%%\n", op.name.c_str(), op.milliseconds,
                100 * op.bytes / seconds / card.bandwidth, 100 * op.flops / seconds / card.flops);
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
  int count = 0, driver = 0, runtime = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaDriverGetVersion(&driver);  // 0: none
  cudaRuntimeGetVersion(&runtime);
  const bool no_driver = status == cudaErrorInsufficientDriver && driver == 0;
  if (no_driver || status == cudaErrorNoDevice || (status == cudaSuccess && count == 0)) {
    std::printf("skipped: the benchmark needs an NVIDIA GPU and its driver (%s)\n", cudaGetErrorString(status));
    return 0;
  }
  if (status != cudaSuccess) {
    std::fprintf(stderr, "the GPU cannot be used: %s\n", cudaGetErrorString(status));
    return 1;
  }
  const int steps = argc > 1 ? std::max(1, std::atoi(argv[1])) : 20;
  cudaDeviceProp device{};
  if (cudaGetDeviceProperties(&device, 0) != cudaSuccess) return 1;
  std::printf("ssam on %s (sm_%d%d, %zu MiB, driver for CUDA %d.%d, runtime %d.%d), %d steps each\n", device.name,
              device.major, device.minor, device.totalGlobalMem >> 20, driver / 1000, driver % 1000 / 10,
              runtime / 1000, runtime % 1000 / 10, steps);
  print("fp32", bench::measure<ssam::Cuda>(steps));
  print("tf32", bench::measure<ssam::CudaTf32>(steps));
  print("bf16", bench::measure<ssam::CudaBf16>(steps));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
