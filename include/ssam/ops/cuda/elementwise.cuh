#pragma once

#include <ssam/ops/cuda/column_sums.cuh>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

template <class S>
struct Constant {
  S value;
  __device__ S operator()(const S*, Index) const { return value; }
};
template <class S>
struct Copy {
  __device__ S operator()(const S* x, Index) const { return x[0]; }
};
template <class S>
struct Sum {
  __device__ S operator()(const S* x, Index) const { return x[0] + x[1]; }
};
template <class S>
struct Product {
  __device__ S operator()(const S* x, Index) const { return x[0] * x[1]; }
};
template <class S>
struct Multiple {
  S factor;
  __device__ S operator()(const S* x, Index) const { return x[0] * factor; }
};

/// The terms of a sum of products.
template <class S>
struct ProductTerms {
  static constexpr int terms = 1;
  const S* a;
  Index a_stride;
  const S* b;
  Index b_stride;

  template <class Unit>
  __device__ __forceinline__ void add(Index r, Index c, S* sums) const {
    const auto left = detail::load_unit<Unit>(a + r * a_stride + c);
    const auto right = detail::load_unit<Unit>(b + r * b_stride + c);
    for (int i = 0; i < Unit::size; ++i) sums[i] += left.at[i] * right.at[i];
  }
};

}  // namespace cuda_kernels

/// x = v
template <class S, CudaDevice D>
void fill(Context<D>& context, Out<S, D> x, std::type_identity_t<S> v) {
  detail::map<S, D, 0>(context, "fill", cuda_kernels::Constant<S>{v}, {}, detail::flat(x));
}

/// dst = src, the same number of elements.
template <class S, CudaDevice D>
void copy(Context<D>& context, In<S, D> src, Out<S, D> dst) {
  detail::require_one_size("copy", dst, src);
  detail::map<S, D, 1>(context, "copy", cuda_kernels::Copy<S>{}, {detail::flat(src)}, detail::flat(dst));
}

/// dst = src with any strides; a source stride of 0 repeats one row.
template <class S, CudaDevice D>
void copy_matrix(Context<D>& context, InMatrix<S, D> src, OutMatrix<S, D> dst) {
  detail::require_same_extents("copy_matrix", src, dst);
  detail::map<S, D, 1>(context, "copy_matrix", cuda_kernels::Copy<S>{}, {src}, dst);
}

/// dst += src with any strides; a source stride of 0 repeats one row.
template <class S, CudaDevice D>
void accumulate_matrix(Context<D>& context, InMatrix<S, D> src, OutMatrix<S, D> dst) {
  detail::require_same_extents("accumulate_matrix", src, dst);
  detail::map<S, D, 2>(context, "accumulate_matrix", cuda_kernels::Sum<S>{}, {dst, src}, dst);
}

/// out = a + b; `out` may be `a` or `b`.
template <class S, CudaDevice D>
void add(Context<D>& context, In<S, D> a, In<S, D> b, Out<S, D> out) {
  detail::require_one_size("add", out, a, b);
  detail::map<S, D, 2>(context, "add", cuda_kernels::Sum<S>{}, {detail::flat(a), detail::flat(b)}, detail::flat(out));
}

/// dst += src
template <class S, CudaDevice D>
void accumulate(Context<D>& context, In<S, D> src, Out<S, D> dst) {
  detail::require_one_size("accumulate", dst, src);
  detail::map<S, D, 2>(context, "accumulate", cuda_kernels::Sum<S>{}, {detail::flat(dst), detail::flat(src)},
                       detail::flat(dst));
}

/// x *= factor
template <class S, CudaDevice D>
void scale(Context<D>& context, std::type_identity_t<S> factor, Out<S, D> x) {
  detail::map<S, D, 1>(context, "scale", cuda_kernels::Multiple<S>{factor}, {detail::flat(x)}, detail::flat(x));
}

/// x[r, :] += row
template <class S, CudaDevice D>
void add_row(Context<D>& context, In<S, D> row, OutMatrix<S, D> x) {
  detail::require_row("add_row", row, x.cols);
  detail::map<S, D, 2>(context, "add_row", cuda_kernels::Sum<S>{}, {x, detail::repeated(row, x.rows)}, x);
}

/// out[r, c] = x[r, c] * row[c]; `out` may be `x`.
template <class S, CudaDevice D>
void multiply_row(Context<D>& context, InMatrix<S, D> x, In<S, D> row, OutMatrix<S, D> out) {
  detail::require_same_extents("multiply_row", x, out);
  detail::require_row("multiply_row", row, x.cols);
  detail::map<S, D, 2>(context, "multiply_row", cuda_kernels::Product<S>{}, {x, detail::repeated(row, x.rows)}, out);
}

/// row[c] += sum over r of x[r, c]
template <class S, CudaDevice D>
void sum_rows(Context<D>& context, InMatrix<S, D> x, Out<S, D> row) {
  detail::require_row("sum_rows", row, x.cols);
  detail::add_column_sums<S>(context, "sum_rows", detail::vectorizable(x.data, x.stride, x.cols),
                             cuda_kernels::RowTerms<S>{x.data, x.stride}, x.rows, x.cols, row.data());
}

/// row[c] += sum over r of a[r, c] * b[r, c]
template <class S, CudaDevice D>
void dot_rows(Context<D>& context, InMatrix<S, D> a, InMatrix<S, D> b, Out<S, D> row) {
  detail::require_same_extents("dot_rows", a, b);
  detail::require_row("dot_rows", row, a.cols);
  const bool wide = detail::vectorizable(a.data, a.stride, a.cols) && detail::vectorizable(b.data, b.stride, b.cols);
  detail::add_column_sums<S>(context, "dot_rows", wide,
                             cuda_kernels::ProductTerms<S>{a.data, a.stride, b.data, b.stride}, a.rows, a.cols,
                             row.data());
}

}  // namespace ssam::inline SSAM_ABI::ops
