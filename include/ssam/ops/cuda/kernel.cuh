#pragma once

#include <cmath>
#include <ssam/ops/cuda/launch.cuh>

/// Before a loop over an array of a thread: it stays in registers only where the loop is unrolled.
#if defined(__CUDACC__)
#define SSAM_UNROLL _Pragma("unroll")
#else
#define SSAM_UNROLL
#endif

/// What the kernels share: shared memory, 16-byte accesses, sums over a warp and a block in a fixed order.
namespace ssam::inline SSAM_ABI::ops::detail {

inline constexpr int warp_size = 32;
inline constexpr unsigned full_warp = 0xffffffffu;

/// The block's dynamic shared memory, 16-byte aligned. The only shared memory kernels use: its size is known to the
/// launch, so that the tests can fence it.
template <class S>
__device__ __forceinline__ S* dynamic_shared() {
#if defined(SSAM_CUDA_EMULATION)
  return static_cast<S*>(ssam_emulation::dynamic_shared());
#else
  extern __shared__ __align__(16) unsigned char ssam_shared_bytes[];
  return reinterpret_cast<S*>(ssam_shared_bytes);
#endif
}

/// As many elements as one 16-byte access carries.
template <class S>
struct alignas(16) Vec {
  static constexpr int size = static_cast<int>(16 / sizeof(S));
  S at[16 / sizeof(S)];
};

/// `N` neighbouring elements as one access, whose address is a multiple of their size.
template <class S, int N>
struct alignas(sizeof(S) * N) Pack {
  S at[N];
};

template <class S>
__device__ __forceinline__ Vec<S> load_vec(const S* from) {
  return *reinterpret_cast<const Vec<S>*>(from);
}
template <class S>
__device__ __forceinline__ void store_vec(S* to, const Vec<S>& values) {
  *reinterpret_cast<Vec<S>*>(to) = values;
}

/// Whether rows of `stride` elements that begin at `data` can be read 16 bytes at a time (`cols` of them as well).
template <class S>
inline bool vectorizable(const S* data, Index stride, Index cols) {
  return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && stride % Vec<S>::size == 0 && cols % Vec<S>::size == 0;
}

/// Sum over the 32 lanes of a warp, in every lane, in a fixed order.
template <class S>
__device__ __forceinline__ S warp_sum(S value) {
  for (int offset = warp_size / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(full_warp, value, offset);
  return value;
}

/// Sum over the block, in every thread, in a fixed order. `scratch`: shared memory for one value per warp; it may be
/// used again after the call. Called by all threads.
template <class S>
__device__ __forceinline__ S block_sum(S value, S* scratch) {
  value = warp_sum(value);
  const unsigned warps = blockDim.x / warp_size;
  __syncthreads();
  if (threadIdx.x % warp_size == 0) scratch[threadIdx.x / warp_size] = value;
  __syncthreads();
  S total = scratch[0];
  for (unsigned warp = 1; warp < warps; ++warp) total += scratch[warp];
  __syncthreads();
  return total;
}

}  // namespace ssam::inline SSAM_ABI::ops::detail
