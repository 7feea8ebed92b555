#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <ssam/core/memory.hpp>
#include <string>

#if defined(CUDA_API_PER_THREAD_DEFAULT_STREAM)
#error \
    "ssam: copies wait for the context's stream by way of the default stream: compile without per-thread default streams"
#endif

namespace ssam::inline SSAM_ABI {

namespace detail {

/// Throws DeviceError unless `status` is a success; `what` says what was tried.
inline void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw DeviceError(
      ErrorText{.what = std::string(what) + " failed",
                .found = std::string(cudaGetErrorName(status)) + " (" + cudaGetErrorString(status) + ")"});
}

[[noreturn]] inline void throw_out_of_device_memory(std::size_t bytes) {
  std::size_t free = 0, total = 0;
  cudaGetLastError();  // an allocation that failed is not an error of the next call
  const bool known = cudaMemGetInfo(&free, &total) == cudaSuccess;
  throw DeviceError(
      ErrorText{.what = "the GPU is out of memory",
                .expected = std::to_string(bytes) + " bytes",
                .found = known ? std::to_string(free) + " free of " + std::to_string(total) : std::string("unknown"),
                .advice = "use a smaller batch or image size, or end other programs on this GPU"});
}

}  // namespace detail

/// Device memory. Copies from and to the host wait until they are done, copies and fills on the device keep the order
/// of what is queued; what a step needs is copied by ops::upload and ops::download on the context's stream.
template <MatmulPrecision Precision>
struct Memory<BasicCuda<Precision>> {
  /// Allocates `bytes` (> 0). Throws DeviceError that says what was asked and what is free.
  static void* allocate(std::size_t bytes) {
    void* data = nullptr;
    const cudaError_t status = cudaMalloc(&data, bytes);
    if (status == cudaErrorMemoryAllocation) detail::throw_out_of_device_memory(bytes);
    detail::check_cuda(status, "cudaMalloc");
    return data;
  }
  static void release(void* data) noexcept { cudaFree(data); }
  static void zero(void* data, std::size_t bytes) { detail::check_cuda(cudaMemset(data, 0, bytes), "cudaMemset"); }
  static void copy_from_host(void* to, const void* from, std::size_t bytes) {
    detail::check_cuda(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "a copy to the GPU");
  }
  static void copy_to_host(void* to, const void* from, std::size_t bytes) {
    detail::check_cuda(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "a copy from the GPU");
  }
  static void copy(void* to, const void* from, std::size_t bytes) {
    detail::check_cuda(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToDevice), "a copy on the GPU");
  }
  /// Page-locked host memory: the GPU copies from and to it on its own.
  static void* allocate_staging(std::size_t bytes) {
    void* data = nullptr;
    detail::check_cuda(cudaMallocHost(&data, bytes), "an allocation of page-locked memory");
    return data;
  }
  static void release_staging(void* data) noexcept { cudaFreeHost(data); }
};

}  // namespace ssam::inline SSAM_ABI
