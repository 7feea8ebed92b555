#pragma once

#include <ssam/core/version.hpp>
#include <type_traits>

/// Before a function that CUDA kernels call as well as the host.
#if defined(__CUDACC__)
#define SSAM_HOST_DEVICE __host__ __device__
#else
#define SSAM_HOST_DEVICE
#endif

namespace ssam::inline SSAM_ABI {

/// The host: tensors live in ordinary memory, ops run on its cores.
struct Cpu {};

/// The host as well; matrix products of fp32 tensors, attention's two among them, have operands rounded to bfloat16 and
/// fp32 sums. Everything else is Cpu's. Its context is in `ops/cpu/bf16_context.hpp`, what is stored rounded said at
/// FrozenScalar.
struct CpuBf16 {};

/// Whether tensors of `Device` live in ordinary memory: its views are views of the other such devices, too, and Cpu's
/// ops are its ops wherever it has none of its own.
template <class Device>
inline constexpr bool is_host = std::is_same_v<Device, Cpu> || std::is_same_v<Device, CpuBf16>;

/// How matrix products of fp32 tensors are computed; sums are always fp32, and so is everything that is stored.
enum class MatmulPrecision {
  fp32,  ///< as they are
  tf32,  ///< operands rounded to 10 bits of mantissa, on tensor cores
  bf16,  ///< operands rounded to bfloat16, on tensor cores
};

/// An NVIDIA GPU: tensors live in device memory. Its ops are in `ops/cuda/`; without them every use fails to compile.
template <MatmulPrecision Precision>
struct BasicCuda {
  static constexpr MatmulPrecision precision = Precision;  ///< of matrix products
};
using Cuda = BasicCuda<MatmulPrecision::fp32>;      ///< products in full fp32
using CudaTf32 = BasicCuda<MatmulPrecision::tf32>;  ///< products of tf32 operands
using CudaBf16 = BasicCuda<MatmulPrecision::bf16>;  ///< products of bfloat16 operands

/// No device at all: a tensor knows its shape only and is `constexpr`, so a whole model can be built and counted at
/// compile time.
struct Meta {};

/// Whether tensors of `Device` have no elements.
template <class Device>
inline constexpr bool is_meta = false;
/// Meta's have none.
template <>
inline constexpr bool is_meta<Meta> = true;

/// Whether `Device` is an NVIDIA GPU.
template <class Device>
inline constexpr bool is_cuda = false;
/// Every precision of one.
template <MatmulPrecision Precision>
inline constexpr bool is_cuda<BasicCuda<Precision>> = true;
/// One of the `BasicCuda` tags.
template <class Device>
concept CudaDevice = is_cuda<Device>;

}  // namespace ssam::inline SSAM_ABI
