#pragma once

#include <initializer_list>
#include <ssam/ops/views.hpp>

/// Checks that the ops of every device make; all throw ShapeError.
namespace ssam::inline SSAM_ABI::ops::detail {

/// The size of a result that may be left out; as if it had `wanted` elements where it is.
template <class View>
Index optional_size(const View& view, Index wanted) {
  return view.empty() ? wanted : view.size();
}

/// As many elements in `rest` as in `first`.
template <class View, class... Views>
void require_one_size(const char* op, const View& first, const Views&... rest) {
  require(((rest.size() == first.size()) && ...), op, "tensors of one size", first, rest...);
}

template <class A, class B>
void require_same_extents(const char* op, const A& a, const B& b) {
  require(a.rows == b.rows && a.cols == b.cols, op, "equal rows and columns", a, b);
}

template <class Row>
void require_row(const char* op, const Row& row, Index cols) {
  require(row.size() == cols, op, "as many elements in the row as columns", row, cols);
}

/// A tensor of which a norm needs one value per column or row; one that may be left out by its size alone.
struct Vector {
  Vector(Index elements) : size(elements) {}  // NOLINT(google-explicit-constructor)
  template <class S, class Device>
  Vector(const TensorView<S, Device>& view)
      : size(view.size()), data(view.data()) {}  // NOLINT(google-explicit-constructor)
  Index size;
  const void* data = nullptr;
};
inline Found found(const Vector& vector) { return {std::to_string(vector.size), vector.data}; }

/// A norm of a rows x cols matrix: what there is one value of per column and per row.
inline void require_norm(const char* op, Index rows, Index cols, std::initializer_list<Vector> per_column,
                         std::initializer_list<Vector> per_row = {}) {
  for (const Vector& vector : per_column) {
    if (vector.size != cols) throw_shape_error(op, "one value per column", {found(vector), found(Shape{rows, cols})});
  }
  for (const Vector& vector : per_row) {
    if (vector.size != rows) throw_shape_error(op, "one value per row", {found(vector), found(Shape{rows, cols})});
  }
}

inline void require_batch_norm(const char* op, Index batch, Index channels, std::initializer_list<Vector> per_channel) {
  require(batch > 0 && channels > 0, op, "a non-empty matrix", Shape{batch, channels});
  require_norm(op, batch, channels, per_channel);
}

/// A batch of one has no variance. Throws ConfigError.
inline void require_batch_statistics(const char* op, Index batch) {
  if (batch == 1) {
    throw ConfigError(ErrorText{.what = "batch norm cannot train on a batch of one",
                                .where = op,
                                .advice = "use a batch of at least two samples"});
  }
}

/// The inner extent of C = op(A) op(B); B may be stored otherwise.
template <class S, class Device, class B>
Index require_gemm(Transpose a_op, Transpose b_op, MatrixView<const S, Device> a, MatrixView<B, Device> b,
                   MatrixView<S, Device> c) {
  const Index k = a_op == Transpose::no ? a.cols : a.rows;
  require((a_op == Transpose::no ? a.rows : a.cols) == c.rows, "gemm", "rows of op(A) = rows of C", a, b, c);
  require((b_op == Transpose::no ? b.cols : b.rows) == c.cols, "gemm", "columns of op(B) = columns of C", a, b, c);
  require((b_op == Transpose::no ? b.rows : b.cols) == k, "gemm", "columns of op(A) = rows of op(B)", a, b, c);
  return k;
}

/// y [n, out] = x [n, in] times w [out, in] transposed, plus a bias of [out] or none.
template <class S, class Device, class W>
void require_linear(MatrixView<const S, Device> x, MatrixView<W, Device> w, TensorView<const S, Device> bias,
                    MatrixView<S, Device> y) {
  require(x.rows == y.rows && x.cols == w.cols && w.rows == y.cols, "linear", "x [n, in], w [out, in], y [n, out]", x,
          w, y);
  require(optional_size(bias, y.cols) == y.cols, "linear", "as many elements in the bias as columns", bias, y);
}

/// The number of singular values of `a`.
template <class S, class Device>
Index require_svd(TensorView<const S, Device> a, TensorView<S, Device> u, TensorView<S, Device> s,
                  TensorView<S, Device> vt) {
  require(a.shape().rank() == 2, "svd", "a matrix", a);
  const Index r = a.dim(0) < a.dim(1) ? a.dim(0) : a.dim(1);
  require(u.shape() == Shape{a.dim(0), r} && s.size() == r && vt.shape() == Shape{r, a.dim(1)}, "svd",
          "a [m, n], u [m, r], s [r], vt [r, n]", a, u, s, vt);
  return r;
}

}  // namespace ssam::inline SSAM_ABI::ops::detail
