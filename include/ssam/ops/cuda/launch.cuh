#pragma once

#include <ssam/ops/cuda/context.cuh>
#include <ssam/ops/views.hpp>

namespace ssam::inline SSAM_ABI::ops::detail {

/// Shared memory a kernel may use without asking.
inline constexpr std::size_t plain_shared_bytes = 48 * 1024;

/// Queues `kernel` on the context's stream: `blocks` blocks (none: nothing happens) of `threads` threads with
/// `shared_bytes` of dynamic shared memory. Arguments are converted to the kernel's own types. Throws DeviceError that
/// names the kernel.
template <CudaDevice D, class... Parameters, class... Arguments>
void launch(Context<D>& context, const char* name, void (*kernel)(Parameters...), dim3 blocks, unsigned threads,
            std::size_t shared_bytes, const Arguments&... arguments) {
  if (blocks.x == 0 || blocks.y == 0 || blocks.z == 0) return;
  cudaError_t status = cudaSuccess;
  if (shared_bytes > plain_shared_bytes) {
    status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
  }
  if (status == cudaSuccess) {
    cudaLaunchConfig_t config{};
    config.gridDim = blocks;
    config.blockDim = dim3(threads);
    config.dynamicSmemBytes = shared_bytes;
    config.stream = context.stream();
    status = cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
  }
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw DeviceError(
      ErrorText{.what = "a CUDA kernel could not be started",
                .where = name,
                .found = std::string(cudaGetErrorName(status)) + " (" + cudaGetErrorString(status) + ")"});
}

/// Blocks for `count` items, `each` per block; at most what a grid may have along x.
inline unsigned block_count(Index count, Index each) {
  return static_cast<unsigned>(std::min<Index>((count + each - 1) / each, 0x7fffffff));
}

}  // namespace ssam::inline SSAM_ABI::ops::detail
