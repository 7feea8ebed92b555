#pragma once

#include <cuda_runtime.h>

#include <map>
#include <string>
#include <utility>

namespace ssam_emulation {

inline constexpr std::size_t plain_shared_bytes = 48 * 1024;
inline constexpr std::size_t max_shared_bytes = 227 * 1024;

/// The state of the emulated runtime.
struct Machine {
  int devices = 1;
  int driver = CUDART_VERSION;
  int major = 9;
  int minor = 0;
  int current = 0;
  cudaError_t last_error = cudaSuccess;
  cudaError_t next_launch = cudaSuccess;
  bool asynchronous = false;
  bool refuse_algorithms = false;
  Counters counters;
  std::map<const void*, std::size_t> shared_granted;  ///< to kernels, by cudaFuncSetAttribute
};
Machine& machine();

/// Notes `error` for cudaGetLastError, and returns it.
cudaError_t report(cudaError_t error);
/// The error of every call where there is no driver or no device.
cudaError_t check_machine();
/// Aborts unless `stream` is the default stream or one that lives.
void check_stream(cudaStream_t stream);
/// Lines about what of cuBLASLt was not destroyed.
std::string cublaslt_leaks();
/// The peak is now what is in use.
void reset_peak_memory();

}  // namespace ssam_emulation
