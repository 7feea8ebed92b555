#define DOCTEST_CONFIG_IMPLEMENT
#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <cstdio>

/// Runs the tests on the GPU; exit code 77 (ctest: skipped) where there is none.
int main(int argc, char** argv) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  int driver = 0;
  cudaDriverGetVersion(&driver);  // 0: none; one that is too old for this program is no reason to skip
  const bool no_driver = status == cudaErrorInsufficientDriver && driver == 0;
  if (no_driver || status == cudaErrorNoDevice || (status == cudaSuccess && count == 0)) {
    std::printf("skipped: this test needs an NVIDIA GPU and its driver (%s)\n", cudaGetErrorString(status));
    return 77;
  }
  if (status != cudaSuccess) {
    std::printf("the GPU cannot be used: %s\n", cudaGetErrorString(status));
    return 1;
  }
  cudaDeviceProp device{};
  if (cudaGetDeviceProperties(&device, 0) == cudaSuccess) std::printf("on %s\n", device.name);
  return doctest::Context(argc, argv).run();
}
