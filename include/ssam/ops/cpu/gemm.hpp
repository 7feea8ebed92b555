#pragma once

#include <Eigen/Core>
#include <algorithm>

#if defined(SSAM_WITH_ONEDNN)
#include <dnnl.h>
#endif

#include <ssam/ops/cpu/elementwise.hpp>
#include <ssam/ops/shape_checks.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace detail {

/// C = alpha op(A) op(B) + beta C on the calling thread; row-major, C is m x n, the inner extent is k. fp32 goes to
/// oneDNN where the build found it, everything else to Eigen. The one place that knows a GEMM provider.
template <class S>
void gemm_serial(Transpose a_op, Transpose b_op, Index m, Index n, Index k, S alpha, const S* a, Index lda, const S* b,
                 Index ldb, S beta, S* c, Index ldc) {
  if (m == 0 || n == 0) return;
  [[maybe_unused]] const SingleThread guard;  // how a provider cuts its work would depend on the thread count
#if defined(SSAM_WITH_ONEDNN)
  if constexpr (std::is_same_v<S, float>) {
    if (k > 0 && m * n * k >= 4096) {
      const dnnl_status_t status = dnnl_sgemm(a_op == Transpose::no ? 'N' : 'T', b_op == Transpose::no ? 'N' : 'T', m,
                                              n, k, alpha, a, lda, b, ldb, beta, c, ldc);
      if (status == dnnl_success) return;
      throw DeviceError(ErrorText{.what = "oneDNN refused a matrix product", .found = std::to_string(int(status))});
    }
  }
#endif
  using Matrix = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Stride = Eigen::OuterStride<>;
  const bool at = a_op == Transpose::yes, bt = b_op == Transpose::yes;
  const Eigen::Map<const Matrix, 0, Stride> am(a, at ? k : m, at ? m : k, Stride(lda));
  const Eigen::Map<const Matrix, 0, Stride> bm(b, bt ? n : k, bt ? k : n, Stride(ldb));
  Eigen::Map<Matrix, 0, Stride> cm(c, m, n, Stride(ldc));
  if (beta == S(0)) {
    cm.setZero();
  } else if (beta != S(1)) {
    cm *= beta;
  }
  if (!at && !bt) {
    cm.noalias() += alpha * am * bm;
  } else if (at && !bt) {
    cm.noalias() += alpha * am.transpose() * bm;
  } else if (!at) {
    cm.noalias() += alpha * am * bm.transpose();
  } else {
    cm.noalias() += alpha * am.transpose() * bm.transpose();
  }
}

/// Rows of each piece of `extent` rows, which depend on the extent only: more than `least` rows are cut into an even
/// number of pieces of one size, at most one more than pieces of `least` rows would be: few threads get equally much.
inline Index balanced_piece(Index extent, Index least) {
  const Index wanted = (extent + least - 1) / least, pieces = wanted <= 1 ? 1 : (wanted + 1) / 2 * 2;
  return (extent + pieces - 1) / pieces;
}

/// f(row, rows, col, cols) for every panel of an m x n result, on the pool. Panels of a few hundred rows keep the
/// repeated packing of B small; wide, low results are cut along their columns.
template <class F>
void for_gemm_panels(Context<Cpu>& context, Index m, Index n, const F& f) {
  const Index least = std::max<Index>(192, (m + 31) / 32);
  if (m >= n || m > least) {
    context.parallel_ranges(m, balanced_piece(m, least),
                            [&](Index begin, Index end) { f(begin, end - begin, Index{0}, n); });
  } else {
    context.parallel_ranges(n, balanced_piece(n, std::max<Index>(256, (n + 31) / 32)),
                            [&](Index begin, Index end) { f(Index{0}, m, begin, end - begin); });
  }
}

}  // namespace detail

/// c = alpha op(a) op(b) + beta c; `a_op`, `b_op`: whether a, b are transposed. The result is cut into panels that
/// depend on its shape only, one thread computes a panel: the same bits for every thread count. Throws ShapeError when
/// the extents do not fit.
template <class S>
void gemm(Context<Cpu>& context, Transpose a_op, Transpose b_op, S alpha, InMatrix<S, Cpu> a, InMatrix<S, Cpu> b,
          S beta, MatrixView<S, Cpu> c) {
  const Index m = c.rows, n = c.cols, k = detail::require_gemm<S, Cpu>(a_op, b_op, a, b, c);
  detail::for_gemm_panels(context, m, n, [&](Index row, Index rows, Index col, Index cols) {
    const S* first_a = a.data + (a_op == Transpose::no ? row * a.stride : row);
    const S* first_b = b.data + (b_op == Transpose::no ? col : col * b.stride);
    detail::gemm_serial<S>(a_op, b_op, rows, cols, k, alpha, first_a, a.stride, first_b, b.stride, beta,
                           c.data + row * c.stride + col, c.stride);
  });
}

/// c = op(a) op(b): gemm with alpha 1 and beta 0; `a_op`, `b_op` as there.
template <class S>
void matmul(Context<Cpu>& context, Transpose a_op, Transpose b_op, InMatrix<S, Cpu> a, InMatrix<S, Cpu> b,
            MatrixView<S, Cpu> c) {
  gemm<S>(context, a_op, b_op, S(1), a, b, S(0), c);
}

/// y = x w^T + bias, x [n, in], w [out, in], y [n, out]; an empty bias: none. Throws ShapeError when the extents do not
/// fit.
template <class S>
void linear(Context<Cpu>& context, InMatrix<S, Cpu> x, InMatrix<S, Cpu> w, In<S, Cpu> bias, MatrixView<S, Cpu> y) {
  detail::require_linear<S, Cpu>(x, w, bias, y);
  matmul<S>(context, Transpose::no, Transpose::yes, x, w, y);
  if (!bias.empty()) add_row<S>(context, bias, y);
}

}  // namespace ssam::inline SSAM_ABI::ops
