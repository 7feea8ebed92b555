#pragma once

#include <algorithm>
#include <ssam/ops/attention_geometry.hpp>
#include <ssam/ops/cuda/elementwise.cuh>
#include <ssam/ops/cuda/kernel.cuh>

/// What the attention kernels share. A block owns a tile of rows of one item (queries or keys) and walks through tiles
/// of the others. How its threads share the scores of the two and multiply is the Tile's: AttentionThreadTile (CUDA
/// cores) or AttentionTensorTile (tensor cores). A Tile has
/// - rows, others: extents of a tile; threads: of the block;
/// - Element: of rows staged in shared memory, `stride` from row to row, made from tensors' by store();
/// - Scores [each][each_other] and Sums [each][columns] of a thread: score (i, j) is that of row(i) and other(j),
///   sum (i, c) is of row(i) and the head's column(c); `lanes` neighbouring lanes share a row, this one is lane();
///   first_row(): of the warp;
/// - dot(): the scores of two staged tiles; add_weighted(): sums += scores . staged rows; exponential().
namespace ssam::inline SSAM_ABI::ops::cuda_kernels {

using detail::AttentionItem;
using detail::load_vec;
using detail::store_vec;
using detail::Vec;

/// A matrix [tokens, heads * head_dim]; `vectorized`: every head's part of a row can be accessed 16 bytes at a time.
template <class S>
struct AttentionMatrix {
  S* data;
  Index stride;
  bool vectorized;

  template <CudaDevice D>
  AttentionMatrix(MatrixView<S, D> m, Index head_dim)
      : data(m.data), stride(m.stride), vectorized(detail::vectorizable(m.data, m.stride, head_dim)) {}
  __device__ S* at(Index row, Index column) const { return data + row * stride + column; }
};

/// q . table row for all rows of rel_h and then of rel_w, per token and head; the gradients of these lie in the same
/// form. No data: no relative positions.
template <class S>
struct RelativeTerms {
  S* data = nullptr;
  Index stride = 0;  ///< from token to token
  int rows = 0;      ///< from head to head
  int table_h = 0, table_w = 0;
};

/// The terms of one query: h[-kh] and w[-kw] for the key at (kh, kw).
template <class S>
struct QueryTerms {
  S* h = nullptr;
  S* w = nullptr;

  QueryTerms() = default;
  /// `query`: number of the query in its item, `row`: its matrix row.
  __device__ QueryTerms(const RelativeTerms<S>& terms, const AttentionItem& item, Index query, Index row) {
    if (terms.data == nullptr) return;
    const Index qh = detail::token_quotient(query, item.width), qw = query - qh * item.width;
    S* first = terms.data + row * terms.stride + item.head * terms.rows;
    h = first + qh + terms.table_h - 1;
    w = first + 2 * terms.table_h - 1 + qw + terms.table_w - 1;
  }
};

/// What all attention kernels read.
template <class S>
struct AttentionInputs {
  AttentionGeometry g;
  AttentionMatrix<const S> q, k, v;
  const S* pad_row;
  RelativeTerms<const S> terms;
  S scale;

  template <CudaDevice D>
  AttentionInputs(const AttentionGeometry& geometry, MatrixView<const S, D> query, MatrixView<const S, D> key,
                  MatrixView<const S, D> value, TensorView<const S, D> pad, const RelativeTerms<const S>& relative)
      : g(geometry),
        q(query, g.head_dim),
        k(key, g.head_dim),
        v(value, g.head_dim),
        pad_row(pad.data()),
        terms(relative),
        scale(S(1) / std::sqrt(static_cast<S>(g.head_dim))) {
    const bool pad_aligned = detail::vectorizable(pad_row, g.head_dim, g.head_dim);
    k.vectorized = k.vectorized && pad_aligned;
    v.vectorized = v.vectorized && pad_aligned;
  }

  /// The head's part of key `i` of the item (part 1: of k, 2: of v): a token's, the padding row's, or null for zeros.
  __device__ const S* key(const AttentionMatrix<const S>& from, int part, const AttentionItem& item, int i) const {
    const Index row = item.key_row(g, i);
    if (row >= 0) return from.at(row, item.column);
    return pad_row == nullptr ? nullptr : pad_row + part * g.heads * g.head_dim + item.column;
  }
};

/// Shared memory of a Tile of head_dim <= Dim, and its extents. Scores lie there as [rows][score_stride]; where the
/// rows are keys, the terms of their scores as [others][key_stride].
template <class S, class Element_, int Dim, int Rows, int Others, int ScorePad, int KeyPad>
struct AttentionTileMemory {
  using Element = Element_;
  static constexpr int dim = Dim, rows = Rows, others = Others;
  static constexpr int stride =
      Dim + static_cast<int>(16 / sizeof(Element));  ///< rows begin 16 bytes apart in the banks
  static constexpr int score_stride = Others + ScorePad, key_stride = Rows + KeyPad;

  static constexpr std::size_t staged(int of_rows, int of_others) {
    return sizeof(Element) * static_cast<std::size_t>((of_rows * Rows + of_others * Others) * stride);
  }
  static constexpr std::size_t row_scores = sizeof(S) * Rows * score_stride;
  static constexpr std::size_t key_scores = std::max(row_scores, sizeof(S) * Others * key_stride);
  static constexpr std::size_t forward_bytes = staged(1, 2) + row_scores + Rows * sizeof(QueryTerms<S>);
  static constexpr std::size_t query_gradient_bytes = staged(2, 2) + row_scores + Rows * sizeof(QueryTerms<S>);
  static constexpr std::size_t key_gradient_bytes =
      staged(2, 2) + key_scores + Others * (sizeof(QueryTerms<S>) + 2 * sizeof(S));
  /// In the 99 KiB that a block may have on every GPU of sm_80 or later.
  static constexpr bool fits = std::max(query_gradient_bytes, key_gradient_bytes) <= 99 * 1024;
};

/// The first of `Memories` that fits, else the last.
template <class First, class... More>
struct FirstThatFits {
  using Type = First;
};
template <class First, class Second, class... More>
struct FirstThatFits<First, Second, More...> {
  using Type = std::conditional_t<First::fits, First, typename FirstThatFits<Second, More...>::Type>;
};

/// Copies `count` rows to a tile of `Rows` in shared memory, zeros for the rows and columns beyond; source(r): the
/// head's part of row r, may be null for zeros.
template <class Tile, int Rows, class S, class Source>
__device__ __forceinline__ void stage_rows(typename Tile::Element* tile, int count, int dim, const Source& source,
                                           const AttentionMatrix<S>& matrix) {
  using Scalar = std::remove_const_t<S>;
  constexpr int width = Vec<Scalar>::size, vectors = Tile::dim / width;
  for (int i = int(threadIdx.x); i < Rows * vectors; i += Tile::threads) {
    const int r = i / vectors, c = i % vectors * width;
    const Scalar* from = r < count && c < dim ? source(r) : nullptr;
    Vec<Scalar> values{};
    if (from != nullptr && matrix.vectorized) {
      values = load_vec(from + c);
    } else if (from != nullptr) {
      for (int e = 0; e < width; ++e) values.at[e] = c + e < dim ? from[c + e] : Scalar(0);
    }
    Tile::store(tile + r * Tile::stride + c, values);
  }
}

/// Stages the head's part of queries [first, first + count) of the item from a matrix of all queries.
template <class Tile, int Rows, class S>
__device__ __forceinline__ void stage_queries(const AttentionGeometry& g, const AttentionItem& item, int first,
                                              int count, const AttentionMatrix<const S>& from,
                                              typename Tile::Element* tile) {
  const auto source = [&](int r) { return from.at(item.query_row(g, first + r), item.column); };
  stage_rows<Tile, Rows>(tile, count, int(g.head_dim), source, from);
}

/// Stages keys [first, first + count) of the item and their values, padded tokens' among them.
template <class Tile, int Rows, class S>
__device__ __forceinline__ void stage_keys(const AttentionInputs<S>& in, const AttentionItem& item, int first,
                                           int count, typename Tile::Element* k_tile, typename Tile::Element* v_tile) {
  const int dim = int(in.g.head_dim);
  stage_rows<Tile, Rows>(
      k_tile, count, dim, [&](int r) { return in.key(in.k, 1, item, first + r); }, in.k);
  stage_rows<Tile, Rows>(
      v_tile, count, dim, [&](int r) { return in.key(in.v, 2, item, first + r); }, in.v);
}

/// The relative terms of `queries` with the keys [first_key, first_key + keys), to tile[query * stride + key].
template <class Tile, class S>
__device__ __forceinline__ void stage_terms(const RelativeTerms<const S>& terms, const QueryTerms<const S>* of,
                                            int queries, int first_key, int keys, int stride, S* tile) {
  constexpr int warps = Tile::threads / detail::warp_size;
  const int lane = int(threadIdx.x) % detail::warp_size, warp = int(threadIdx.x) / detail::warp_size;
  for (int key = lane; key < keys; key += detail::warp_size) {
    const int h = (first_key + key) / terms.table_w, w = first_key + key - h * terms.table_w;
    for (int q = warp; q < queries; q += warps) tile[q * stride + key] = of[q].h[-h] + of[q].w[-w];
  }
}

/// Writes scores to shared memory, [rows][score_stride]; the lanes of their rows read them next.
template <class Tile, class S>
__device__ __forceinline__ void stage_scores(S* tile, const typename Tile::Scores& scores) {
  __syncwarp();
  SSAM_UNROLL for (int i = 0; i < Tile::each; ++i) {
    SSAM_UNROLL for (int j = 0; j < Tile::each_other; ++j) {
      tile[Tile::row(i) * Tile::score_stride + Tile::other(j)] = scores[i][j];
    }
  }
  __syncwarp();
}

/// Writes this thread's columns of one row of results.
template <class Tile, class S>
__device__ __forceinline__ void store_columns(S* row, const S (&sums)[Tile::columns], S factor, int dim,
                                              bool vectorized) {
  using Pack = detail::Pack<S, Tile::width>;
  SSAM_UNROLL for (int c = 0; c < Tile::columns; c += Tile::width) {
    const int column = Tile::column(c);
    if (Tile::width > 1 && vectorized) {
      Pack values{};
      SSAM_UNROLL for (int n = 0; n < Tile::width; ++n) values.at[n] = factor * sums[c + n];
      if (column < dim) *reinterpret_cast<Pack*>(row + column) = values;
    } else {
      SSAM_UNROLL for (int n = 0; n < Tile::width; ++n) {
        if (column + n < dim) row[column + n] = factor * sums[c + n];
      }
    }
  }
}

/// Sum or maximum over the lanes of a row, in all of them.
template <class Tile, class S>
__device__ __forceinline__ S row_sum(S value) {
  SSAM_UNROLL for (int offset = Tile::lanes / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(detail::full_warp, value, offset);
  }
  return value;
}
template <class Tile, class S>
__device__ __forceinline__ S row_max(S value) {
  SSAM_UNROLL for (int offset = Tile::lanes / 2; offset > 0; offset /= 2) {
    const S other = __shfl_xor_sync(detail::full_warp, value, offset);
    value = other > value ? other : value;
  }
  return value;
}

}  // namespace ssam::inline SSAM_ABI::ops::cuda_kernels
