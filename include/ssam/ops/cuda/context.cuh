#pragma once

#include <cublasLt.h>
#include <cublas_v2.h>
#include <cusolverDn.h>

#include <ssam/core/context.hpp>
#include <ssam/ops/cuda/linear_plan.cuh>
#include <ssam/ops/cuda/memory.cuh>

namespace ssam::inline SSAM_ABI {

namespace detail {

inline void check_cusolver(cusolverStatus_t status, const char* what) {
  if (status == CUSOLVER_STATUS_SUCCESS) return;
  throw DeviceError(
      ErrorText{.what = std::string(what) + " failed", .found = "cuSOLVER status " + std::to_string(int(status))});
}

/// Makes sure of a GPU this library has code for. Throws DeviceError: no driver, no device, too old.
inline void require_cuda_device() {
  constexpr int oldest = 8;  // sm_80; younger ones than we know take the PTX
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver) {
    const auto version = [](int number) {
      return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
    };
    int driver = 0;
    const bool found = cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0;
    throw DeviceError(
        ErrorText{.what = found ? "the NVIDIA driver is too old" : "there is no NVIDIA driver on this machine",
                  .expected = "a driver for CUDA " + version(CUDART_VERSION),
                  .found = found ? "one for CUDA " + version(driver) : std::string("none"),
                  .advice = "install a newer driver, or use --device cpu"});
  }
  if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0)) {
    throw DeviceError(ErrorText{.what = "there is no NVIDIA GPU on this machine", .advice = "use --device cpu"});
  }
  check_cuda(status, "a look for GPUs");
  int device = 0, major = 0, minor = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "a query of the GPU");
  check_cuda(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device), "a query of the GPU");
  if (major < oldest) {
    throw DeviceError(ErrorText{.what = "the GPU is too old",
                                .expected = "compute capability " + std::to_string(oldest) + ".0 or above",
                                .found = std::to_string(major) + "." + std::to_string(minor),
                                .advice = "use another GPU, or --device cpu"});
  }
}

/// What a CUDA context holds: its stream and the libraries' handles, destroyed with it.
class CudaHandles {
 public:
  CudaHandles() {
    require_cuda_device();
    try {
      check_cuda(cudaStreamCreate(&stream), "cudaStreamCreate");
      check_cublas(cublasCreate(&blas), "the start of cuBLAS");
      check_cublas(cublasSetStream(blas, stream), "cublasSetStream");
      check_cuda(cudaMalloc(&blas_workspace, blas_workspace_bytes), "the allocation of cuBLAS's workspace");
      check_cublas(cublasSetWorkspace(blas, blas_workspace, blas_workspace_bytes), "cublasSetWorkspace");
      check_cublas(cublasLtCreate(&blas_lt), "the start of cuBLASLt");
      check_cusolver(cusolverDnCreate(&solver), "the start of cuSOLVER");
      check_cusolver(cusolverDnSetStream(solver, stream), "cusolverDnSetStream");
    } catch (...) {
      destroy();
      throw;
    }
  }
  CudaHandles(const CudaHandles&) = delete;
  CudaHandles& operator=(const CudaHandles&) = delete;
  ~CudaHandles() { destroy(); }

  cudaStream_t stream = nullptr;
  cublasHandle_t blas = nullptr;
  cublasLtHandle_t blas_lt = nullptr;
  cusolverDnHandle_t solver = nullptr;
  static constexpr std::size_t blas_workspace_bytes = std::size_t{32} << 20;  // what cuBLAS advises for Hopper
  void* blas_workspace = nullptr;  ///< of cuBLAS and cuBLASLt: they work on one stream, one after the other
  LinearPlans linear_plans;

 private:
  void destroy() noexcept {
    if (solver != nullptr) cusolverDnDestroy(solver);
    if (blas_lt != nullptr) cublasLtDestroy(blas_lt);
    if (blas != nullptr) cublasDestroy(blas);
    if (blas_workspace != nullptr) cudaFree(blas_workspace);
    if (stream != nullptr) cudaStreamDestroy(stream);
  }
};

}  // namespace detail

/// A GPU (the current CUDA device) with one stream: ops are queued there and return at once. Throws DeviceError where
/// there is no driver, no GPU or only one that is too old; there is never a silent way back to the host.
template <MatmulPrecision Precision>
class Context<BasicCuda<Precision>> : public HostContext {
 public:
  using Device = BasicCuda<Precision>;

  /// `threads`: of the host, which loads the images; <= 0: the default (`SSAM_THREADS`, else all cores).
  explicit Context(int threads = 0, std::uint64_t seed = 0) : HostContext(threads, seed) {}
  ~Context() { cudaStreamSynchronize(handles_.stream); }

  cudaStream_t stream() const { return handles_.stream; }
  cublasHandle_t blas() const { return handles_.blas; }
  cusolverDnHandle_t solver() const { return handles_.solver; }
  cublasLtHandle_t blas_lt() const { return handles_.blas_lt; }
  /// Scratch of cuBLASLt's products on the stream.
  TensorView<std::byte, Device> blas_workspace() const {
    return {static_cast<std::byte*>(handles_.blas_workspace), {Index{detail::CudaHandles::blas_workspace_bytes}}};
  }
  detail::LinearPlans& linear_plans() { return handles_.linear_plans; }

  /// Calls f(context, i) for i in [0, count), one after the other: a GPU is filled by one large task.
  template <class F>
  void parallel_tasks(Index count, const F& f) {
    for (Index i = 0; i < count; ++i) f(*this, i);
  }

  /// Waits until everything asked of the device is done. Throws DeviceError when some of it failed.
  void synchronize() const { detail::check_cuda(cudaStreamSynchronize(handles_.stream), "work on the GPU"); }

 private:
  detail::CudaHandles handles_;  // before the workspace: its device is checked first

 public:
  Workspace<Device> workspace;
};

}  // namespace ssam::inline SSAM_ABI
