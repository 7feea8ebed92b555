#pragma once

#include <ssam/ops/cuda/attention_tensor_tile.cuh>
#include <ssam/ops/cuda/attention_thread_tile.cuh>
#include <ssam/ops/cuda/gemm.cuh>

/// What attention's passes do on the host: the choice of a Tile, and the products with the relative position tables.
namespace ssam::inline SSAM_ABI::ops::detail {

/// Calls f(std::type_identity<Tile>) for the device's precision with the smallest class of head_dim that holds
/// `head_dim`. Throws ShapeError when there is none.
template <class S, CudaDevice D, class F>
void with_attention_tile(Index head_dim, const char* op, const F& f) {
  const auto call = [&](auto dim) {
    constexpr int Dim = decltype(dim)::value;
    if constexpr (std::is_same_v<S, float> && D::precision != MatmulPrecision::fp32) {
      f(std::type_identity<cuda_kernels::AttentionTensorTile<D::precision, Dim>>());
    } else {
      f(std::type_identity<cuda_kernels::AttentionThreadTile<S, Dim>>());
    }
  };
  require(head_dim <= 128, op, "head_dim <= 128 on a GPU", head_dim);
  if (head_dim <= 32) return call(std::integral_constant<int, 32>());
  if (head_dim <= 64) return call(std::integral_constant<int, 64>());
  if (head_dim <= 80) return call(std::integral_constant<int, 80>());
  return call(std::integral_constant<int, 128>());
}

/// Blocks for all items of `tiles` tiles. Throws ShapeError when a grid cannot have as many.
inline unsigned attention_blocks(const AttentionGeometry& g, Index tiles, const char* op) {
  const Index blocks = g.items() * tiles;
  require(blocks <= std::numeric_limits<std::int32_t>::max(), op, "fewer than 2^31 tiles of tokens", blocks);
  return static_cast<unsigned>(blocks);
}

/// Rows of both relative position tables and as many more, of zeros, that matrix products get rows and columns whose
/// length is a multiple of 16 bytes in every precision.
inline Index term_rows(const AttentionGeometry& g) { return (2 * g.table_h() - 1 + 2 * g.table_w() - 1 + 7) / 8 * 8; }

/// The two relative position tables, one below the other, [term_rows, head_dim].
template <class S, CudaDevice D>
TensorView<S, D> stack_tables(Context<D>& context, const AttentionGeometry& g, In<S, D> rel_h, In<S, D> rel_w) {
  const auto tables = allocate<S>(context, {term_rows(g), g.head_dim});
  const Index used = rel_h.size() + rel_w.size();
  copy<S>(context, rel_h, TensorView<S, D>(tables.data(), rel_h.shape()));
  copy<S>(context, rel_w, TensorView<S, D>(tables.data() + rel_h.size(), rel_w.shape()));
  fill<S>(context, TensorView<S, D>(tables.data() + used, {tables.size() - used}), S(0));
  return tables;
}

/// Room for the terms of all tokens and heads, [tokens, heads * term_rows].
template <class S, CudaDevice D>
MatrixView<S, D> allocate_terms(Context<D>& context, const AttentionGeometry& g) {
  return allocate<S>(context, {g.batch * g.queries, g.heads * term_rows(g)}).matrix();
}

template <class S, class D>
cuda_kernels::RelativeTerms<S> relative_terms(const AttentionGeometry& g, MatrixView<S, D> terms) {
  return {terms.data, terms.stride, static_cast<int>(terms.cols / g.heads), static_cast<int>(g.table_h()),
          static_cast<int>(g.table_w())};
}

/// terms = q . tables for all heads, and all tokens whatever their window.
template <class S, CudaDevice D>
void compute_terms(Context<D>& context, const AttentionGeometry& g, InMatrix<S, D> q, In<S, D> tables,
                   MatrixView<S, D> terms) {
  const Index rows = tables.dim(0), dim = g.head_dim;
  gemm_batched<S>(context, Transpose::no, Transpose::yes, S(1), {q.columns(0, dim), dim}, {tables.matrix()}, S(0),
                  {terms.columns(0, rows), rows}, g.heads);
}

/// From the gradients of the terms: dq += theirs, and what they add to the tables, head after head.
template <class S, CudaDevice D>
void terms_backward(Context<D>& context, const AttentionGeometry& g, InMatrix<S, D> q, In<S, D> tables,
                    InMatrix<S, D> dterms, MatrixView<S, D> dq, MaybeOut<S, D> drel_h, MaybeOut<S, D> drel_w) {
  const Index rows = tables.dim(0), dim = g.head_dim, size = rows * dim;
  const Index size_h = (2 * g.table_h() - 1) * dim, size_w = (2 * g.table_w() - 1) * dim;
  const BatchedMatrix<const S, D> d{dterms.columns(0, rows), rows};
  gemm_batched<S>(context, Transpose::no, Transpose::no, S(1), d, {tables.matrix()}, S(1), {dq.columns(0, dim), dim},
                  g.heads);
  if (drel_h.empty() && drel_w.empty()) return;
  const auto of_heads = allocate<S>(context, {g.heads, rows, dim});
  gemm_batched<S>(context, Transpose::yes, Transpose::no, S(1), d, {q.columns(0, dim), dim}, S(0),
                  {MatrixView<S, D>{of_heads.data(), rows, dim, dim}, size}, g.heads);
  const auto part = [&](Index first, Index count) {
    return InMatrix<S, D>{of_heads.data() + first, g.heads, count, size};
  };
  if (!drel_h.empty()) sum_rows<S>(context, part(0, size_h), TensorView<S, D>(drel_h.data(), {size_h}));
  if (!drel_w.empty()) {
    sum_rows<S>(context, part(size_h, size_w), TensorView<S, D>(drel_w.data(), {size_w}));
  }
}

}  // namespace ssam::inline SSAM_ABI::ops::detail
