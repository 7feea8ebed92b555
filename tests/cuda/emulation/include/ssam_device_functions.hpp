#pragma once

#include <math.h>
#include <vector_types.h>

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

/// The emulation's device language: what a kernel may call. Warp built-ins meet the other lanes of their mask.

#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(bytes) __attribute__((aligned(bytes)))

/// Set by the emulation whenever another thread of the block goes on.
extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;

namespace ssam_emulation {

enum class WarpCall { syncwarp, shuffle, shuffle_up, shuffle_down, shuffle_xor, ballot, any, all, ldmatrix, mma };

/// Waits for all lanes of `mask` to make the same call; a shuffle then gives the value of lane `operand` (in the sense
/// of the call, within `width` lanes), a vote the mask of the lanes whose value is not 0. ldmatrix and mma, of a whole
/// warp, have the address of a MatrixLoad or MatrixProduct as their value.
std::uint64_t warp_call(WarpCall call, unsigned mask, std::uint64_t value, int operand, int width);
void block_barrier();

template <class T>
concept Shuffled = (std::integral<T> || std::floating_point<T>)&&(sizeof(T) == 4 || sizeof(T) == 8);

template <Shuffled T>
T shuffle(WarpCall call, unsigned mask, T value, int operand, int width) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = warp_call(call, mask, bits, operand, width);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// One lane's part of ldmatrix.x4: the row it names, the words it receives.
struct MatrixLoad {
  const void* row;
  unsigned* words;
  bool transposed;
};

/// One lane's fragments in mma.m16n8k16 of bfloat16 or mma.m16n8k8 of TF32: d += a b.
struct MatrixProduct {
  float* d[4];
  const unsigned* a;
  unsigned b[2];
  bool bf16;
};

inline void load_matrices(const void* row, unsigned (&words)[4], bool transposed) {
  const MatrixLoad load{row, words, transposed};
  warp_call(WarpCall::ldmatrix, 0xffffffffu, reinterpret_cast<std::uintptr_t>(&load), 0, 32);
}
inline void multiply_add(float& d0, float& d1, float& d2, float& d3, const unsigned (&a)[4], unsigned b0, unsigned b1,
                         bool bf16) {
  const MatrixProduct product{{&d0, &d1, &d2, &d3}, a, {b0, b1}, bf16};
  warp_call(WarpCall::mma, 0xffffffffu, reinterpret_cast<std::uintptr_t>(&product), 0, 32);
}

}  // namespace ssam_emulation

inline void __syncthreads() { ssam_emulation::block_barrier(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) {
  ssam_emulation::warp_call(ssam_emulation::WarpCall::syncwarp, mask, 0, 0, 32);
}
template <ssam_emulation::Shuffled T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
  return ssam_emulation::shuffle(ssam_emulation::WarpCall::shuffle, mask, value, lane, width);
}
template <ssam_emulation::Shuffled T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return ssam_emulation::shuffle(ssam_emulation::WarpCall::shuffle_up, mask, value, static_cast<int>(delta), width);
}
template <ssam_emulation::Shuffled T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return ssam_emulation::shuffle(ssam_emulation::WarpCall::shuffle_down, mask, value, static_cast<int>(delta), width);
}
template <ssam_emulation::Shuffled T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32) {
  return ssam_emulation::shuffle(ssam_emulation::WarpCall::shuffle_xor, mask, value, lane_mask, width);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const std::uint64_t value = predicate != 0 ? 1 : 0;
  return static_cast<unsigned>(ssam_emulation::warp_call(ssam_emulation::WarpCall::ballot, mask, value, 0, 32));
}
inline int __any_sync(unsigned mask, int predicate) {
  const std::uint64_t value = predicate != 0 ? 1 : 0;
  return ssam_emulation::warp_call(ssam_emulation::WarpCall::any, mask, value, 0, 32) != 0 ? 1 : 0;
}
inline int __all_sync(unsigned mask, int predicate) {
  const std::uint64_t value = predicate != 0 ? 1 : 0;
  return ssam_emulation::warp_call(ssam_emulation::WarpCall::all, mask, value, 0, 32) == mask ? 1 : 0;
}

/// All fibers run on one OS thread, so that plain additions are atomic.
template <class T>
requires(std::same_as<T, int> || std::same_as<T, unsigned> || std::same_as<T, unsigned long long> ||
         std::floating_point<T>) T atomicAdd(T* address, std::type_identity_t<T> value) {
  const T old = *address;
  *address = old + value;
  return old;
}

template <class T>
T __ldg(const T* address) {
  return *address;
}
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __expf(float x) { return expf(x); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float rsqrt(float x) { return rsqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
