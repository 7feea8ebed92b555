#pragma once

#include <ssam/ops/attention_geometry.hpp>
#include <ssam/ops/cuda/elementwise.cuh>
#include <ssam/ops/cuda/gemm.cuh>
#include <ssam/ops/cuda/kernel.cuh>

/// What the attention kernels share. A block owns one tile of rows of one item (queries or keys) and walks through
/// tiles of the others, 16 x 16 threads on their scores: thread (ty, tx) has the scores of rows ty + 16 i with others
/// tx + 16 j, so that a row belongs to 16 neighbouring lanes and 16-byte reads of the staged rows meet no bank
/// conflict.
namespace ssam::ops::cuda_kernels {

using detail::AttentionItem;
using detail::load_vec;
using detail::store_vec;
using detail::Vec;

inline constexpr int attention_side = 16;  ///< threads along either edge of a tile
inline constexpr int attention_threads = attention_side * attention_side;

/// Extents of the tiles of head_dim <= Dim: the largest of which the backward pass's four and their scores fit the
/// 99 KiB that a block may have on every GPU of sm_80 or later.
template <class S, int Dim>
struct AttentionTile {
  static constexpr int stride = Dim + Vec<S>::size;  ///< of staged rows

  /// Shared memory for some tiles of `own` rows, some of `other` rows and one of scores.
  static constexpr std::size_t bytes(int own_tiles, int own, int other_tiles, int other) {
    const int staged = (own_tiles * own + other_tiles * other) * stride, scores = own * (other + Vec<S>::size);
    return sizeof(S) * static_cast<std::size_t>(staged + scores);
  }
  static constexpr bool fits(int own, int other) { return bytes(2, own, 2, other) <= 99 * 1024; }

  static constexpr int rows = fits(64, 32) ? 64 : fits(32, 32) ? 32 : 16;       ///< that a block owns
  static constexpr int others = fits(64, 64) ? 64 : fits(32, 32) ? 32 : 16;     ///< that it walks through at a time
  static constexpr int each = rows / attention_side;                            ///< rows per thread
  static constexpr int each_other = others / attention_side;                    ///< others per thread
  static constexpr int score_stride = others + Vec<S>::size;                    ///< of staged scores
  static constexpr int columns = Dim / attention_side;                          ///< of head_dim, per thread
  static constexpr int width = columns % Vec<S>::size == 0 ? Vec<S>::size : 1;  ///< neighbouring ones of these
  static constexpr int blocks = sizeof(S) == 4 && Dim <= 64 ? 2 : 1;            ///< a multiprocessor holds at least

  static constexpr std::size_t forward_bytes = bytes(1, rows, 2, others);
  static constexpr std::size_t backward_bytes = bytes(2, rows, 2, others);

  using Scores = S[each][each_other];
  using Sums = S[each][columns];

  /// The head's column that a thread holds at `c`.
  __device__ static int column(int tx, int c) { return (tx + attention_side * (c / width)) * width + c % width; }
};

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
  int rows = 0;      ///< from head to head: 2 * h - 1 + 2 * w - 1
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

/// Where a key lies on the grid or in its window.
struct KeyPlace {
  int h = 0, w = 0;

  KeyPlace() = default;
  template <class S>
  __device__ KeyPlace(const RelativeTerms<S>& terms, int key) {
    if (terms.data == nullptr) return;
    h = key / terms.table_w;
    w = key - h * terms.table_w;
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

/// Copies `count` rows to a tile of `Rows` in shared memory, zeros for the rows and columns beyond; source(r): the
/// head's part of row r, may be null for zeros.
template <class Tile, int Rows, class S, class Source>
__device__ __forceinline__ void stage_rows(S* tile, int count, int dim, bool vectorized, const Source& source) {
  constexpr int width = Vec<S>::size, vectors = (Tile::stride - width) / width;
  for (int i = int(threadIdx.x); i < Rows * vectors; i += attention_threads) {
    const int r = i / vectors, c = i % vectors * width;
    const S* from = r < count && c < dim ? source(r) : nullptr;
    Vec<S> values{};
    if (from != nullptr && vectorized) {
      values = load_vec(from + c);
    } else if (from != nullptr) {
      for (int e = 0; e < width; ++e) values.at[e] = c + e < dim ? from[c + e] : S(0);
    }
    store_vec(tile + r * Tile::stride + c, values);
  }
}

/// products[i][j] = row ty + 16 i of a . row tx + 16 j of b, over the first `dim` columns.
template <class Tile, class S>
__device__ __forceinline__ void dot_rows_of_tiles(const S* a, const S* b, int dim, typename Tile::Scores& products) {
  constexpr int step = attention_side * Tile::stride;
  a += int(threadIdx.x) / attention_side * Tile::stride;
  b += int(threadIdx.x) % attention_side * Tile::stride;
  for (int i = 0; i < Tile::each; ++i) {
    for (int j = 0; j < Tile::each_other; ++j) products[i][j] = S(0);
  }
  for (int d = 0; d < dim; d += Vec<S>::size) {
    Vec<S> x[Tile::each], y[Tile::each_other];
    for (int i = 0; i < Tile::each; ++i) x[i] = load_vec(a + i * step + d);
    for (int j = 0; j < Tile::each_other; ++j) y[j] = load_vec(b + j * step + d);
    for (int e = 0; e < Vec<S>::size; ++e) {
      for (int i = 0; i < Tile::each; ++i) {
        for (int j = 0; j < Tile::each_other; ++j) products[i][j] += x[i].at[e] * y[j].at[e];
      }
    }
  }
}

/// Writes scores to shared memory, where the 16 lanes of their rows read them next.
template <class Tile, class S>
__device__ __forceinline__ void stage_scores(S* tile, const typename Tile::Scores& scores) {
  const int tx = int(threadIdx.x) % attention_side, ty = int(threadIdx.x) / attention_side;
  __syncwarp();
  for (int i = 0; i < Tile::each; ++i) {
    for (int j = 0; j < Tile::each_other; ++j) {
      tile[(ty + attention_side * i) * Tile::score_stride + tx + attention_side * j] = scores[i][j];
    }
  }
  __syncwarp();
}

/// sums[i][c] += sum over t < count of scores[ty + 16 i, t] * rows[t, column(tx, c)]; scores from `count` on to the
/// next multiple of a vector are 0.
template <class Tile, class S>
__device__ __forceinline__ void add_weighted_rows(const S* scores, const S* rows, int count,
                                                  typename Tile::Sums& sums) {
  const int tx = int(threadIdx.x) % attention_side;
  scores += int(threadIdx.x) / attention_side * Tile::score_stride;
  for (int t = 0; t < count; t += Vec<S>::size) {
    Vec<S> weight[Tile::each];
    for (int i = 0; i < Tile::each; ++i) weight[i] = load_vec(scores + i * attention_side * Tile::score_stride + t);
    for (int e = 0; e < Vec<S>::size; ++e) {
      const S* row = rows + (t + e) * Tile::stride;
      S values[Tile::columns];
      if constexpr (Tile::width > 1) {
        for (int c = 0; c < Tile::columns; c += Tile::width) {
          const Vec<S> some = load_vec(row + Tile::column(tx, c));
          for (int n = 0; n < Tile::width; ++n) values[c + n] = some.at[n];
        }
      } else {
        for (int c = 0; c < Tile::columns; ++c) values[c] = row[Tile::column(tx, c)];
      }
      for (int i = 0; i < Tile::each; ++i) {
        for (int c = 0; c < Tile::columns; ++c) sums[i][c] += weight[i].at[e] * values[c];
      }
    }
  }
}

/// Writes this thread's columns of one row of results.
template <class Tile, class S>
__device__ __forceinline__ void store_columns(S* row, const S (&sums)[Tile::columns], S factor, int dim,
                                              bool vectorized) {
  const int tx = int(threadIdx.x) % attention_side;
  for (int c = 0; c < Tile::columns; c += Tile::width) {
    const int column = Tile::column(tx, c);
    if (Tile::width > 1 && vectorized) {
      Vec<S> values{};
      for (int n = 0; n < Tile::width; ++n) values.at[n] = factor * sums[c + n];
      if (column < dim) store_vec(row + column, values);
    } else {
      for (int n = 0; n < Tile::width; ++n) {
        if (column + n < dim) row[column + n] = factor * sums[c + n];
      }
    }
  }
}

/// The score of a query and a key from the product of their rows.
template <class S>
__device__ __forceinline__ S attention_score(S product, S scale, const QueryTerms<const S>& query, KeyPlace key) {
  return scale * product + (query.h == nullptr ? S(0) : query.h[-key.h] + query.w[-key.w]);
}

/// Sum or maximum over the 16 lanes of a row, in all of them.
template <class S>
__device__ __forceinline__ S row_sum(S value) {
  for (int offset = attention_side / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(detail::full_warp, value, offset);
  }
  return value;
}
template <class S>
__device__ __forceinline__ S row_max(S value) {
  for (int offset = attention_side / 2; offset > 0; offset /= 2) {
    const S other = __shfl_xor_sync(detail::full_warp, value, offset);
    value = other > value ? other : value;
  }
  return value;
}

}  // namespace ssam::ops::cuda_kernels

namespace ssam::ops::detail {

/// Calls f(std::integral_constant<int, Dim>) with the smallest head_dim class that holds `head_dim`. Throws ShapeError
/// when there is none.
template <class F>
void with_head_dim(Index head_dim, const char* op, const F& f) {
  require(head_dim <= 128, op, "head_dim <= 128 on a GPU");
  if (head_dim <= 32) return f(std::integral_constant<int, 32>());
  if (head_dim <= 64) return f(std::integral_constant<int, 64>());
  if (head_dim <= 80) return f(std::integral_constant<int, 80>());
  return f(std::integral_constant<int, 128>());
}

/// Blocks for all items of `tiles` tiles. Throws ShapeError when a grid cannot have as many.
inline unsigned attention_blocks(const AttentionGeometry& g, Index tiles, const char* op) {
  const Index blocks = g.items() * tiles;
  require(blocks <= std::numeric_limits<std::int32_t>::max(), op, "fewer than 2^31 tiles of tokens");
  return static_cast<unsigned>(blocks);
}

/// The two relative position tables, one below the other.
template <class S, CudaDevice D>
TensorView<S, D> stack_tables(Context<D>& context, const AttentionGeometry& g, In<S, D> rel_h, In<S, D> rel_w) {
  const auto tables = allocate<S>(context, {2 * g.table_h() - 1 + 2 * g.table_w() - 1, g.head_dim});
  copy<S>(context, rel_h, TensorView<S, D>(tables.data(), rel_h.shape()));
  copy<S>(context, rel_w, TensorView<S, D>(tables.data() + rel_h.size(), rel_w.shape()));
  return tables;
}

/// Room for the terms of all tokens and heads, [tokens, heads * (2 * h - 1 + 2 * w - 1)].
template <class S, CudaDevice D>
MatrixView<S, D> allocate_terms(Context<D>& context, const AttentionGeometry& g) {
  const Index rows = 2 * g.table_h() - 1 + 2 * g.table_w() - 1;
  return allocate<S>(context, {g.batch * g.queries, g.heads * rows}).matrix();
}

template <class S, class D>
cuda_kernels::RelativeTerms<S> relative_terms(const AttentionGeometry& g, MatrixView<S, D> terms) {
  return {terms.data, terms.stride, static_cast<int>(terms.cols / g.heads), static_cast<int>(g.table_h()),
          static_cast<int>(g.table_w())};
}

/// terms = q . tables for every head: one product per head, of all tokens whatever their window.
template <class S, CudaDevice D>
void compute_terms(Context<D>& context, const AttentionGeometry& g, InMatrix<S, D> q, In<S, D> tables,
                   MatrixView<S, D> terms) {
  const Index rows = tables.dim(0), dim = g.head_dim;
  for (Index head = 0; head < g.heads; ++head) {
    gemm<S>(context, Op::none, Op::transpose, S(1), q.columns(head * dim, dim), tables.matrix(), S(0),
            terms.columns(head * rows, rows));
  }
}

}  // namespace ssam::ops::detail
