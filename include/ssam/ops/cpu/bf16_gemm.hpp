#pragma once

#include <ssam/ops/cpu/bf16_product.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace detail {

/// A rounded copy of a matrix in the workspace, `factor` times the original.
inline MatrixView<BFloat16, CpuBf16> rounded(Context<CpuBf16>& context, InMatrix<float, CpuBf16> x, float factor) {
  const auto copy = allocate<BFloat16>(context, {x.rows, x.cols}).matrix();
  for_rows(context, x.rows, x.cols,
           [&](Index r) { round_to_bf16(x.cols, factor, x.data + r * x.stride, copy.data + r * copy.stride); });
  return copy;
}

/// Smaller products stay in fp32: rounding their operands takes longer than it saves.
inline constexpr Index least_bf16_product = 4096;

/// c (+)= op(a) op(b), cut as gemm cuts it.
inline void bf16_gemm(Context<CpuBf16>& context, Transpose a_op, Transpose b_op, InMatrix<BFloat16, CpuBf16> a,
                      InMatrix<BFloat16, CpuBf16> b, bool accumulate, MatrixView<float, CpuBf16> c) {
  const Index m = c.rows, n = c.cols, k = a_op == Transpose::no ? a.cols : a.rows;
  for_gemm_panels(context, m, n, [&](Index row, Index rows, Index col, Index cols) {
    const BFloat16* first_a = a.data + (a_op == Transpose::no ? row * a.stride : row);
    const BFloat16* first_b = b.data + (b_op == Transpose::no ? col : col * b.stride);
    bf16_product(context.products(), rows, cols, k, {first_a, a.stride, a_op}, {first_b, b.stride, b_op}, accumulate,
                 c.data + row * c.stride + col, c.stride);
  });
}

}  // namespace detail

/// c = alpha op(a) op(b) + beta c as Cpu's gemm (`a_op`, `b_op`: whether a, b are transposed), with alpha a and b
/// rounded to bfloat16 and fp32 sums; matrices of doubles and small ones are multiplied as they are. The same bits for
/// every thread count. Throws ShapeError, DeviceError.
template <class S>
void gemm(Context<CpuBf16>& context, Transpose a_op, Transpose b_op, S alpha, InMatrix<S, CpuBf16> a,
          InMatrix<S, CpuBf16> b, S beta, MatrixView<S, CpuBf16> c) {
  const Index k = detail::require_gemm<S, CpuBf16>(a_op, b_op, a, b, c);
  if constexpr (std::is_same_v<S, float>) {
    if (k > 0 && c.rows * c.cols * k >= detail::least_bf16_product) {
      if (beta != 0.0f && beta != 1.0f) {
        detail::for_rows(context, c.rows, c.cols,
                         [&](Index r) { detail::array(c.data + r * c.stride, c.cols) *= beta; });
      }
      WorkspaceScope scope(context);
      detail::bf16_gemm(context, a_op, b_op, detail::rounded(context, a, alpha), detail::rounded(context, b, 1.0f),
                        beta != 0.0f, c);
      return;
    }
  }
  gemm<S>(static_cast<Context<Cpu>&>(context), a_op, b_op, alpha, a, b, beta, c);
}

/// c = op(a) op(b): gemm with alpha 1 and beta 0; `a_op`, `b_op` as there.
template <class S>
void matmul(Context<CpuBf16>& context, Transpose a_op, Transpose b_op, InMatrix<S, CpuBf16> a, InMatrix<S, CpuBf16> b,
            MatrixView<S, CpuBf16> c) {
  gemm<S>(context, a_op, b_op, S(1), a, b, S(0), c);
}

/// c = op(a) op(b) with a matrix `b` that is stored rounded; `a_op`, `b_op` as in gemm. Throws ShapeError, DeviceError.
template <class S>
void matmul(Context<CpuBf16>& context, Transpose a_op, Transpose b_op, InMatrix<S, CpuBf16> a,
            InMatrix<BFloat16, CpuBf16> b, MatrixView<S, CpuBf16> c) {
  static_assert(std::is_same_v<S, float>, "ssam: only products of floats have operands of bfloat16");
  detail::require_gemm<S, CpuBf16>(a_op, b_op, a, b, c);
  WorkspaceScope scope(context);
  detail::bf16_gemm(context, a_op, b_op, detail::rounded(context, a, 1.0f), b, false, c);
}

/// to = from, rounded. Throws ShapeError where the numbers of elements differ.
inline void round(Context<CpuBf16>& context, In<float, CpuBf16> from, TensorView<BFloat16, CpuBf16> to) {
  detail::require_one_size("round", to, from);
  detail::for_elements(context, to.size(),
                       [&](Index i, Index n) { detail::round_to_bf16(n, 1.0f, from.data() + i, to.data() + i); });
}

/// to = from, exactly. Throws ShapeError where the numbers of elements differ.
inline void widen(Context<CpuBf16>& context, In<BFloat16, CpuBf16> from, TensorView<float, CpuBf16> to) {
  detail::require_one_size("widen", to, from);
  detail::for_elements(context, to.size(),
                       [&](Index i, Index n) { detail::widen_bf16(n, from.data() + i, to.data() + i); });
}

/// y = x w^T + bias, x [n, in], w [out, in], y [n, out]; an empty bias: none. Throws ShapeError, DeviceError.
template <class S>
void linear(Context<CpuBf16>& context, InMatrix<S, CpuBf16> x, InMatrix<S, CpuBf16> w, In<S, CpuBf16> bias,
            MatrixView<S, CpuBf16> y) {
  detail::require_linear<S, CpuBf16>(x, w, bias, y);
  matmul<S>(context, Transpose::no, Transpose::yes, x, w, y);
  if (!bias.empty()) add_row<S>(context, bias, y);
}

/// y = x w^T + bias with a weight `w` that is stored rounded, `x`, `y` and `bias` as above. Throws ShapeError,
/// DeviceError.
template <class S>
void linear(Context<CpuBf16>& context, InMatrix<S, CpuBf16> x, InMatrix<BFloat16, CpuBf16> w, In<S, CpuBf16> bias,
            MatrixView<S, CpuBf16> y) {
  detail::require_linear<S, CpuBf16>(x, w, bias, y);
  matmul<S>(context, Transpose::no, Transpose::yes, x, w, y);
  if (!bias.empty()) add_row<S>(context, bias, y);
}

}  // namespace ssam::inline SSAM_ABI::ops
