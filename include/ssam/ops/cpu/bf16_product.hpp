#pragma once

#include <ssam/core/bfloat16.hpp>
#include <ssam/ops/cpu/bf16_context.hpp>
#include <ssam/ops/cpu/gemm.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI::ops::detail {

/// A matrix operand of bfloat16 numbers with a row stride, used as it lies or transposed.
struct Bf16Operand {
  const BFloat16* data;
  Index stride;
  Transpose op;
};

/// to[i] = from[i] * factor, rounded.
inline void round_to_bf16(Index count, float factor, const float* from, BFloat16* to) {
  if (factor == 1.0f) {
    for (Index i = 0; i < count; ++i) to[i] = BFloat16(from[i]);
  } else {
    for (Index i = 0; i < count; ++i) to[i] = BFloat16(from[i] * factor);
  }
}

/// to[i] = from[i], exactly.
inline void widen_bf16(Index count, const BFloat16* from, float* to) {
  for (Index i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]);
}

/// This thread's scratch of at least `count` elements, number `slot`; it stays allocated between calls.
template <class T>
T* thread_scratch(std::size_t slot, Index count) {
  thread_local std::vector<T> scratch[2];
  if (scratch[slot].size() < static_cast<std::size_t>(count)) scratch[slot].resize(static_cast<std::size_t>(count));
  return scratch[slot].data();
}

/// c [m, n] (+)= op(a) op(b) by oneDNN on the calling thread, operands of `Element` (BFloat16, or float: the same code
/// where the processor has no bfloat16), sums in fp32. Throws DeviceError where oneDNN has no such product.
template <class Element>
void onednn_product(Index m, Index n, Index k, const Element* a, Index lda, Transpose a_op, const Element* b, Index ldb,
                    Transpose b_op, bool accumulate, float* c, Index ldc);

/// c [m, n] (+)= op(a) op(b) on the calling thread with fp32 sums.
inline void bf16_product(Bf16Products products, Index m, Index n, Index k, Bf16Operand a, Bf16Operand b,
                         bool accumulate, float* c, Index ldc) {
  if (m == 0 || n == 0) return;
#if defined(SSAM_WITH_ONEDNN)
  if (products == Bf16Products::processor && k > 0) {
    onednn_product(m, n, k, a.data, a.stride, a.op, b.data, b.stride, b.op, accumulate, c, ldc);
    return;
  }
#endif
  static_cast<void>(products);
  const auto widened = [](std::size_t slot, const Bf16Operand& x, Index rows, Index cols) {
    float* to = thread_scratch<float>(slot, rows * cols);
    for (Index r = 0; r < rows; ++r) widen_bf16(cols, x.data + r * x.stride, to + r * cols);
    return to;
  };
  const bool at = a.op == Transpose::yes, bt = b.op == Transpose::yes;
  const Index a_cols = at ? m : k, b_cols = bt ? k : n;
  const float* wide_a = widened(0, a, at ? k : m, a_cols);
  const float* wide_b = widened(1, b, bt ? n : k, b_cols);
  gemm_serial<float>(a.op, b.op, m, n, k, 1.0f, wide_a, a_cols, wide_b, b_cols, accumulate ? 1.0f : 0.0f, c, ldc);
}

/// gemm_serial's interface over a product of rounded operands; `alpha` goes into a, `beta` is 0 or 1.
inline void bf16_gemm_serial(Bf16Products products, Transpose a_op, Transpose b_op, Index m, Index n, Index k,
                             float alpha, const float* a, Index lda, const float* b, Index ldb, float beta, float* c,
                             Index ldc) {
  const auto rounded = [](std::size_t slot, const float* from, Index stride, Index rows, Index cols, float factor) {
    BFloat16* to = thread_scratch<BFloat16>(slot, rows * cols);
    for (Index r = 0; r < rows; ++r) round_to_bf16(cols, factor, from + r * stride, to + r * cols);
    return to;
  };
  const bool at = a_op == Transpose::yes, bt = b_op == Transpose::yes;
  const Index a_cols = at ? m : k, b_cols = bt ? k : n;
  const BFloat16* short_a = rounded(0, a, lda, at ? k : m, a_cols, alpha);
  const BFloat16* short_b = rounded(1, b, ldb, bt ? n : k, b_cols, 1.0f);
  bf16_product(products, m, n, k, {short_a, a_cols, a_op}, {short_b, b_cols, b_op}, beta != 0.0f, c, ldc);
}

}  // namespace ssam::inline SSAM_ABI::ops::detail

#if defined(SSAM_WITH_ONEDNN)
#include <ssam/ops/cpu/onednn_product.hpp>
#endif
