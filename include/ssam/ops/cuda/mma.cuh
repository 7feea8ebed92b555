#pragma once

#include <cuda_bf16.h>

#include <cstring>
#include <ssam/ops/cuda/kernel.cuh>

/// Tensor cores: the instructions of PTX (sm_80 and later) that the kernels use, each called by all lanes of a warp.
/// Lane l holds parts of a matrix by its group l / 4 and its place in it l % 4.
namespace ssam::inline SSAM_ABI::ops::detail {

/// Four matrices of 8 rows of 16 bytes in shared memory (ldmatrix). `row`, a multiple of 16 bytes: of lane l row l % 8
/// of matrix l / 8. words[m]: the lane's bytes 4 (l % 4) and on of row l / 4 of matrix m.
__device__ __forceinline__ void load_matrices(const void* row, unsigned (&words)[4]) {
#if defined(SSAM_CUDA_EMULATION)
  ssam_emulation::load_matrices(row, words, false);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
               : "memory");
#endif
}

/// The same of 8 x 8 elements of 16 bits, transposed: words[m] has rows 2 (l % 4) and 2 (l % 4) + 1 of column l / 4.
__device__ __forceinline__ void load_matrices_transposed(const void* row, unsigned (&words)[4]) {
#if defined(SSAM_CUDA_EMULATION)
  ssam_emulation::load_matrices(row, words, true);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
               : "memory");
#endif
}

/// d += a b (mma) with a [16, K], b [K, 8], d [16, 8] in fp32; K 16 for bfloat16, two to a word, 8 for TF32.
/// d: at rows l / 4 and l / 4 + 8 (d0, d1 and d2, d3) columns 2 (l % 4) and the next.
/// a: at rows l / 4 and l / 4 + 8 (words 0 and 1) word l % 4, and the same 16 bytes on (words 2 and 3);
/// b: of column l / 4 word l % 4 (b0), and 16 bytes on (b1).
template <MatmulPrecision Precision>
__device__ __forceinline__ void multiply_add(float& d0, float& d1, float& d2, float& d3, const unsigned (&a)[4],
                                             unsigned b0, unsigned b1) {
#if defined(SSAM_CUDA_EMULATION)
  ssam_emulation::multiply_add(d0, d1, d2, d3, a, b0, b1, Precision == MatmulPrecision::bf16);
#else
  if constexpr (Precision == MatmulPrecision::bf16) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d0), "+f"(d1), "+f"(d2), "+f"(d3)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d0), "+f"(d1), "+f"(d2), "+f"(d3)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
#endif
}

/// Two floats rounded to bfloat16, `low` in the lower half.
__device__ __forceinline__ unsigned bf16_pair(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  unsigned word;
  std::memcpy(&word, &pair, sizeof word);
  return word;
}

/// Rounded to the 10 bits of mantissa of TF32, to nearest (ties away from zero).
__device__ __forceinline__ unsigned tf32_word(float value) {
  unsigned word;
  std::memcpy(&word, &value, sizeof word);
  return (word & 0x7f800000u) == 0x7f800000u ? word : (word + 0x1000u) & ~0x1fffu;
}

}  // namespace ssam::inline SSAM_ABI::ops::detail
