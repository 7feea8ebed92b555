#pragma once

#include <ssam/ops/cpu/kernel.hpp>
#include <ssam/ops/shape_checks.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// x = v
template <class S>
void fill(Context<Cpu>& context, TensorView<S, Cpu> x, std::type_identity_t<S> v) {
  detail::for_elements(context, x.size(), [&](Index i, Index n) { detail::array(x.data() + i, n) = v; });
}

/// dst = src, the same number of elements.
template <class S>
void copy(Context<Cpu>& context, In<S, Cpu> src, TensorView<S, Cpu> dst) {
  detail::require_one_size("copy", dst, src);
  detail::for_elements(context, dst.size(),
                       [&](Index i, Index n) { detail::array(dst.data() + i, n) = detail::array(src.data() + i, n); });
}

/// dst = src with any strides; a source stride of 0 repeats one row.
template <class S>
void copy_matrix(Context<Cpu>& context, InMatrix<S, Cpu> src, MatrixView<S, Cpu> dst) {
  detail::require_same_extents("copy_matrix", src, dst);
  detail::for_rows(context, dst.rows, dst.cols, [&](Index r) {
    detail::array(dst.data + r * dst.stride, dst.cols) = detail::array(src.data + r * src.stride, dst.cols);
  });
}

/// dst += src with any strides; a source stride of 0 repeats one row.
template <class S>
void accumulate_matrix(Context<Cpu>& context, InMatrix<S, Cpu> src, MatrixView<S, Cpu> dst) {
  detail::require_same_extents("accumulate_matrix", src, dst);
  detail::for_rows(context, dst.rows, dst.cols, [&](Index r) {
    detail::array(dst.data + r * dst.stride, dst.cols) += detail::array(src.data + r * src.stride, dst.cols);
  });
}

/// out = a + b; `out` may be `a` or `b`.
template <class S>
void add(Context<Cpu>& context, In<S, Cpu> a, In<S, Cpu> b, TensorView<S, Cpu> out) {
  detail::require_one_size("add", out, a, b);
  detail::for_elements(context, out.size(), [&](Index i, Index n) {
    detail::array(out.data() + i, n) = detail::array(a.data() + i, n) + detail::array(b.data() + i, n);
  });
}

/// dst += src
template <class S>
void accumulate(Context<Cpu>& context, In<S, Cpu> src, TensorView<S, Cpu> dst) {
  detail::require_one_size("accumulate", dst, src);
  detail::for_elements(context, dst.size(),
                       [&](Index i, Index n) { detail::array(dst.data() + i, n) += detail::array(src.data() + i, n); });
}

/// x *= factor
template <class S>
void scale(Context<Cpu>& context, std::type_identity_t<S> factor, TensorView<S, Cpu> x) {
  detail::for_elements(context, x.size(), [&](Index i, Index n) { detail::array(x.data() + i, n) *= factor; });
}

/// x[r, :] += row
template <class S>
void add_row(Context<Cpu>& context, In<S, Cpu> row, MatrixView<S, Cpu> x) {
  detail::require_row("add_row", row, x.cols);
  detail::for_rows(context, x.rows, x.cols,
                   [&](Index r) { detail::array(x.data + r * x.stride, x.cols) += detail::array(row.data(), x.cols); });
}

/// out[r, c] = x[r, c] * row[c]; `out` may be `x`.
template <class S>
void multiply_row(Context<Cpu>& context, InMatrix<S, Cpu> x, In<S, Cpu> row, MatrixView<S, Cpu> out) {
  detail::require_same_extents("multiply_row", x, out);
  detail::require_row("multiply_row", row, x.cols);
  detail::for_rows(context, out.rows, out.cols, [&](Index r) {
    detail::array(out.data + r * out.stride, out.cols) =
        detail::array(x.data + r * x.stride, out.cols) * detail::array(row.data(), out.cols);
  });
}

/// row[c] += sum over r of x[r, c]
template <class S>
void sum_rows(Context<Cpu>& context, InMatrix<S, Cpu> x, TensorView<S, Cpu> row) {
  detail::require_row("sum_rows", row, x.cols);
  WorkspaceScope scope(context);
  const auto partial = detail::partial_sums<S>(context, x.rows, x.cols, [&](Index begin, Index end, S* sums) {
    for (Index r = begin; r < end; ++r) detail::array(sums, x.cols) += detail::array(x.data + r * x.stride, x.cols);
  });
  detail::add_partials(context, partial, 0, row);
}

/// row[c] += sum over r of a[r, c] * b[r, c]
template <class S>
void dot_rows(Context<Cpu>& context, InMatrix<S, Cpu> a, InMatrix<S, Cpu> b, TensorView<S, Cpu> row) {
  detail::require_same_extents("dot_rows", a, b);
  detail::require_row("dot_rows", row, a.cols);
  WorkspaceScope scope(context);
  const auto partial = detail::partial_sums<S>(context, a.rows, a.cols, [&](Index begin, Index end, S* sums) {
    for (Index r = begin; r < end; ++r) {
      detail::array(sums, a.cols) +=
          detail::array(a.data + r * a.stride, a.cols) * detail::array(b.data + r * b.stride, a.cols);
    }
  });
  detail::add_partials(context, partial, 0, row);
}

}  // namespace ssam::inline SSAM_ABI::ops
