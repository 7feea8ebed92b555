#pragma once

#include <cmath>
#include <ssam/ops/cuda/attention_tile.cuh>

namespace ssam::ops {

namespace cuda_kernels {

/// What the kernels of the backward pass read besides. `delta` [tokens, heads]: the sum of dout * out.
template <class S>
struct AttentionGradientInputs {
  AttentionMatrix<const S> dout;
  const S* lse;
  const S* delta;
};

/// delta[token, head] = sum of dout * out, one warp each.
template <class S>
__global__ void __launch_bounds__(attention_threads)
    attention_delta_kernel(AttentionMatrix<const S> dout, AttentionMatrix<const S> out, Index rows, Index heads,
                           Index head_dim, S* delta) {
  constexpr Index warps = attention_threads / detail::warp_size;
  const Index lane = threadIdx.x % detail::warp_size, step = Index(gridDim.x) * warps;
  for (Index i = Index(blockIdx.x) * warps + threadIdx.x / detail::warp_size; i < rows * heads; i += step) {
    const Index row = i / heads, column = (i - row * heads) * head_dim;
    S sum = 0;
    for (Index c = lane; c < head_dim; c += detail::warp_size)
      sum += *dout.at(row, column + c) * *out.at(row, column + c);
    sum = detail::warp_sum(sum);
    if (lane == 0) delta[i] = sum;
  }
}

/// Adds the score gradients of one tile (of the keys from `begin` on, the lanes' own row `gradients`) to the gradients
/// of the terms of the row's query. Called by all 16 lanes of a row; `wanted`: the query exists.
template <class S>
__device__ __forceinline__ void add_term_gradients(const S* gradients, int begin, int length, int table_w, bool wanted,
                                                   const QueryTerms<S>& dterms) {
  const int tx = int(threadIdx.x) % attention_side, first_h = begin / table_w, first_w = begin - first_h * table_w;
  const int last_h = (begin + length - 1) / table_w;
  for (int w = tx; w < table_w && w < length; w += attention_side) {
    S sum = 0;
    for (int t = w; t < length; t += table_w) sum += gradients[t];
    const int column = first_w + w < table_w ? first_w + w : first_w + w - table_w;
    if (wanted) dterms.w[-column] += sum;
  }
  for (int h = first_h; h <= last_h; ++h) {
    const int from = h * table_w - begin, to = from + table_w < length ? from + table_w : length;
    S sum = 0;
    for (int t = (from > 0 ? from : 0) + tx; t < to; t += attention_side) sum += gradients[t];
    sum = row_sum(sum);
    if (wanted && tx == 0) dterms.h[-h] += sum;
  }
}

/// dq of one tile of queries of one item, but for the part through the relative positions, and the gradients of its
/// relative terms. `tiles`: of queries per item.
template <class S, int Dim>
__global__ void __launch_bounds__(attention_threads, AttentionTile<S, Dim>::blocks)
    attention_query_gradient_kernel(AttentionInputs<S> in, AttentionGradientInputs<S> above, int tiles,
                                    AttentionMatrix<S> dq, RelativeTerms<S> dterms) {
  using Tile = AttentionTile<S, Dim>;
  S* q_tile = detail::dynamic_shared<S>();
  S* dout_tile = q_tile + Tile::rows * Tile::stride;
  S* k_tile = dout_tile + Tile::rows * Tile::stride;
  S* v_tile = k_tile + Tile::others * Tile::stride;
  S* gradient_tile = v_tile + Tile::others * Tile::stride;
  const int tx = int(threadIdx.x) % attention_side, ty = int(threadIdx.x) / attention_side;
  const AttentionItem item(in.g, int(blockIdx.x) / tiles);
  const int first = int(blockIdx.x) % tiles * Tile::rows, dim = int(in.g.head_dim);
  const int keys = int(in.g.keys_per_item()), queries = int(item.queries);
  const int count = queries - first < Tile::rows ? queries - first : Tile::rows;
  if (count <= 0) return;

  stage_rows<Tile, Tile::rows>(q_tile, count, dim, in.q.vectorized,
                               [&](int r) { return in.q.at(item.query_row(in.g, first + r), item.column); });
  stage_rows<Tile, Tile::rows>(dout_tile, count, dim, above.dout.vectorized,
                               [&](int r) { return above.dout.at(item.query_row(in.g, first + r), item.column); });
  QueryTerms<const S> terms[Tile::each];
  QueryTerms<S> query_dterms[Tile::each];
  S lse[Tile::each], delta[Tile::each];
  typename Tile::Sums sums;
  for (int i = 0; i < Tile::each; ++i) {
    const int r = ty + attention_side * i, query = first + (r < count ? r : 0);
    const Index row = item.query_row(in.g, query);
    terms[i] = QueryTerms<const S>(in.terms, item, query, row);
    query_dterms[i] = QueryTerms<S>(dterms, item, query, row);
    lse[i] = above.lse[item.index * in.g.queries_per_item() + query];
    delta[i] = above.delta[row * in.g.heads + item.head];
    for (int c = 0; c < Tile::columns; ++c) sums[i][c] = S(0);
    if (dterms.data == nullptr || r >= count) continue;
    S* all = dterms.data + row * dterms.stride + item.head * dterms.rows;
    for (int c = tx; c < dterms.rows; c += attention_side) all[c] = S(0);
  }

  for (int begin = 0; begin < keys; begin += Tile::others) {
    const int length = keys - begin < Tile::others ? keys - begin : Tile::others;
    __syncthreads();  // the last tile is no longer read
    stage_rows<Tile, Tile::others>(k_tile, length, dim, in.k.vectorized,
                                   [&](int r) { return in.key(in.k, 1, item, begin + r); });
    stage_rows<Tile, Tile::others>(v_tile, length, dim, in.v.vectorized,
                                   [&](int r) { return in.key(in.v, 2, item, begin + r); });
    __syncthreads();
    typename Tile::Scores scores, gradients;
    dot_rows_of_tiles<Tile>(q_tile, k_tile, dim, scores);
    dot_rows_of_tiles<Tile>(dout_tile, v_tile, dim, gradients);
    for (int j = 0; j < Tile::each_other; ++j) {
      const int key = tx + attention_side * j;
      const KeyPlace place(in.terms, begin + (key < length ? key : 0));
      for (int i = 0; i < Tile::each; ++i) {
        const S probability = exp(attention_score(scores[i][j], in.scale, terms[i], place) - lse[i]);
        gradients[i][j] = key < length ? probability * (gradients[i][j] - delta[i]) : S(0);
      }
    }
    stage_scores<Tile>(gradient_tile, gradients);
    add_weighted_rows<Tile>(gradient_tile, k_tile, length, sums);
    if (dterms.data == nullptr) continue;
    for (int i = 0; i < Tile::each; ++i) {
      const int r = ty + attention_side * i;
      add_term_gradients(gradient_tile + r * Tile::score_stride, begin, length, dterms.table_w, r < count,
                         query_dterms[i]);
    }
  }

  for (int i = 0; i < Tile::each; ++i) {
    const int r = ty + attention_side * i;
    if (r >= count) continue;
    store_columns<Tile>(dq.at(item.query_row(in.g, first + r), item.column), sums[i], in.scale, dim, dq.vectorized);
  }
}

/// Gradients of the padded tokens of a tile of keys, summed in order to pad[head_dim]; `scratch`: a tile of rows that
/// nobody reads any more.
template <class Tile, class S>
__device__ __forceinline__ void sum_padded(const AttentionGeometry& g, const AttentionItem& item, int first, int count,
                                           const typename Tile::Sums& sums, S factor, S* scratch, S* pad) {
  const int ty = int(threadIdx.x) / attention_side, dim = int(g.head_dim);
  __syncthreads();
  for (int i = 0; i < Tile::each; ++i) {
    store_columns<Tile>(scratch + (ty + attention_side * i) * Tile::stride, sums[i], factor, dim, false);
  }
  __syncthreads();
  for (int c = int(threadIdx.x); c < dim; c += attention_threads) {
    S sum = 0;
    for (int r = 0; r < count; ++r) {
      if (item.key_row(g, first + r) < 0) sum += scratch[r * Tile::stride + c];
    }
    pad[c] = sum;
  }
}

/// dk and dv of one tile of keys of one item, from all its queries; those of padded tokens are summed to
/// pad_k, pad_v [batch entry and window, tile, heads * head_dim] (may be null). `tiles`: of keys per item.
template <class S, int Dim>
__global__ void __launch_bounds__(attention_threads, AttentionTile<S, Dim>::blocks)
    attention_key_gradient_kernel(AttentionInputs<S> in, AttentionGradientInputs<S> above, int tiles,
                                  AttentionMatrix<S> dk, AttentionMatrix<S> dv, S* pad_k, S* pad_v) {
  using Tile = AttentionTile<S, Dim>;
  S* k_tile = detail::dynamic_shared<S>();
  S* v_tile = k_tile + Tile::rows * Tile::stride;
  S* q_tile = v_tile + Tile::rows * Tile::stride;
  S* dout_tile = q_tile + Tile::others * Tile::stride;
  S* weight_tile = dout_tile + Tile::others * Tile::stride;
  const int tx = int(threadIdx.x) % attention_side, ty = int(threadIdx.x) / attention_side;
  const AttentionItem item(in.g, int(blockIdx.x) / tiles);
  const int tile = int(blockIdx.x) % tiles, first = tile * Tile::rows, dim = int(in.g.head_dim);
  const int keys = int(in.g.keys_per_item()), queries = int(item.queries);
  const int count = keys - first < Tile::rows ? keys - first : Tile::rows;

  stage_rows<Tile, Tile::rows>(k_tile, count, dim, in.k.vectorized,
                               [&](int r) { return in.key(in.k, 1, item, first + r); });
  stage_rows<Tile, Tile::rows>(v_tile, count, dim, in.v.vectorized,
                               [&](int r) { return in.key(in.v, 2, item, first + r); });
  KeyPlace places[Tile::each];
  typename Tile::Sums k_sums, v_sums;
  for (int i = 0; i < Tile::each; ++i) {
    const int r = ty + attention_side * i;
    places[i] = KeyPlace(in.terms, first + (r < count ? r : 0));
    for (int c = 0; c < Tile::columns; ++c) k_sums[i][c] = v_sums[i][c] = S(0);
  }

  for (int begin = 0; begin < queries; begin += Tile::others) {
    const int length = queries - begin < Tile::others ? queries - begin : Tile::others;
    __syncthreads();  // the last tile is no longer read
    stage_rows<Tile, Tile::others>(q_tile, length, dim, in.q.vectorized,
                                   [&](int r) { return in.q.at(item.query_row(in.g, begin + r), item.column); });
    stage_rows<Tile, Tile::others>(dout_tile, length, dim, above.dout.vectorized,
                                   [&](int r) { return above.dout.at(item.query_row(in.g, begin + r), item.column); });
    __syncthreads();
    typename Tile::Scores scores, gradients;
    dot_rows_of_tiles<Tile>(k_tile, q_tile, dim, scores);
    dot_rows_of_tiles<Tile>(v_tile, dout_tile, dim, gradients);
    for (int j = 0; j < Tile::each_other; ++j) {
      const int t = tx + attention_side * j, query = begin + (t < length ? t : 0);
      const Index row = item.query_row(in.g, query);
      const QueryTerms<const S> terms(in.terms, item, query, row);
      const S lse = above.lse[item.index * in.g.queries_per_item() + query];
      const S delta = above.delta[row * in.g.heads + item.head];
      for (int i = 0; i < Tile::each; ++i) {
        const S probability = exp(attention_score(scores[i][j], in.scale, terms, places[i]) - lse);
        scores[i][j] = t < length ? probability : S(0);
        gradients[i][j] = scores[i][j] * (gradients[i][j] - delta);
      }
    }
    stage_scores<Tile>(weight_tile, scores);
    add_weighted_rows<Tile>(weight_tile, dout_tile, length, v_sums);
    stage_scores<Tile>(weight_tile, gradients);
    add_weighted_rows<Tile>(weight_tile, q_tile, length, k_sums);
  }

  for (int i = 0; i < Tile::each; ++i) {
    const int r = ty + attention_side * i;
    const Index row = r < count ? item.key_row(in.g, first + r) : -1;
    if (row < 0) continue;
    store_columns<Tile>(dk.at(row, item.column), k_sums[i], in.scale, dim, dk.vectorized);
    store_columns<Tile>(dv.at(row, item.column), v_sums[i], S(1), dim, dv.vectorized);
  }
  if (pad_k == nullptr) return;
  const Index pad = (item.index / in.g.heads * tiles + tile) * in.g.heads * dim + item.column;
  sum_padded<Tile>(in.g, item, first, count, k_sums, in.scale, k_tile, pad_k + pad);
  sum_padded<Tile>(in.g, item, first, count, v_sums, S(1), k_tile, pad_v + pad);
}

}  // namespace cuda_kernels

namespace detail {

/// From the gradients of the terms: dq += theirs, and what they add to the tables.
template <class S, CudaDevice D>
void terms_backward(Context<D>& context, const AttentionGeometry& g, InMatrix<S, D> q, In<S, D> tables,
                    InMatrix<S, D> dterms, MatrixView<S, D> dq, MaybeOut<S, D> drel_h, MaybeOut<S, D> drel_w) {
  const Index rows = tables.dim(0), rows_h = 2 * g.table_h() - 1, dim = g.head_dim;
  for (Index head = 0; head < g.heads; ++head) {
    const auto d = dterms.columns(head * rows, rows);
    const auto query = q.columns(head * dim, dim);
    gemm<S>(context, Op::none, Op::none, S(1), d, tables.matrix(), S(1), dq.columns(head * dim, dim));
    if (!drel_h.empty()) {
      gemm<S>(context, Op::transpose, Op::none, S(1), d.columns(0, rows_h), query, S(1), drel_h.matrix(rows_h));
    }
    if (!drel_w.empty()) {
      gemm<S>(context, Op::transpose, Op::none, S(1), d.columns(rows_h, rows - rows_h), query, S(1),
              drel_w.matrix(rows - rows_h));
    }
  }
}

}  // namespace detail

/// Backward of attention_forward; `out` and `lse` are its results, the scores are computed again from them. dq, dk, dv
/// are overwritten; dpad_row (only its k and v parts receive something), drel_h and drel_w are added to and may be
/// empty. Two kernels compute the scores, one for dk and dv and one for dq, so that every sum has one owner and a fixed
/// order. The workspace holds the relative terms and their gradients and, for dpad_row, a partial sum per window and
/// tile of keys. Throws ShapeError, also where head_dim > 128.
template <class S, CudaDevice D>
void attention_backward(Context<D>& context, const AttentionGeometry& g, InMatrix<S, D> q, InMatrix<S, D> k,
                        InMatrix<S, D> v, In<S, D> pad_row, In<S, D> rel_h, In<S, D> rel_w, InMatrix<S, D> out,
                        In<S, D> lse, InMatrix<S, D> dout, MatrixView<S, D> dq, MatrixView<S, D> dk,
                        MatrixView<S, D> dv, MaybeOut<S, D> dpad_row, MaybeOut<S, D> drel_h, MaybeOut<S, D> drel_w) {
  using cuda_kernels::AttentionMatrix, cuda_kernels::attention_threads;
  constexpr const char* op = "attention_backward";
  detail::require_attention<S, D>(g, q, k, v, pad_row, rel_h, rel_w, op);
  detail::require_attention_results<S, D>(g, q, out, lse, op);
  detail::require_attention_gradients<S, D>(q, k, rel_h, rel_w, dout, dq, dk, dv, dpad_row, drel_h, drel_w, op);
  const Index dim = g.head_dim, cols = q.cols;
  WorkspaceScope scope(context);

  const auto delta = allocate<S>(context, {q.rows, g.heads});
  detail::launch(context, op, cuda_kernels::attention_delta_kernel<S>,
                 detail::block_count(delta.size(), attention_threads / detail::warp_size), attention_threads, 0,
                 AttentionMatrix<const S>(dout, dim), AttentionMatrix<const S>(out, dim), q.rows, g.heads, dim,
                 delta.data());
  TensorView<S, D> tables;
  MatrixView<S, D> dterms_room;
  cuda_kernels::RelativeTerms<const S> terms;
  cuda_kernels::RelativeTerms<S> dterms;
  if (!rel_h.empty()) {
    tables = detail::stack_tables<S>(context, g, rel_h, rel_w);
    const auto room = detail::allocate_terms<S>(context, g);
    detail::compute_terms<S>(context, g, q, tables, room);
    dterms_room = detail::allocate_terms<S>(context, g);
    terms = detail::relative_terms<const S, D>(g, room);
    dterms = detail::relative_terms<S, D>(g, dterms_room);
  }

  const cuda_kernels::AttentionInputs<S> inputs(g, q, k, v, pad_row, terms);
  const cuda_kernels::AttentionGradientInputs<S> above{AttentionMatrix<const S>(dout, dim), lse.data(), delta.data()};
  detail::with_head_dim(dim, op, [&](auto head_dim) {
    constexpr int Dim = decltype(head_dim)::value;
    using Tile = cuda_kernels::AttentionTile<S, Dim>;
    const Index query_tiles = (g.queries_per_item() + Tile::rows - 1) / Tile::rows;
    const Index key_tiles = (g.keys_per_item() + Tile::rows - 1) / Tile::rows;
    TensorView<S, D> pad_k, pad_v;
    if (g.window > 0 && !dpad_row.empty()) {
      const Shape partial{g.items() / g.heads * key_tiles, cols};
      pad_k = allocate<S>(context, partial);
      pad_v = allocate<S>(context, partial);
    }
    detail::launch(context, op, cuda_kernels::attention_query_gradient_kernel<S, Dim>,
                   detail::attention_blocks(g, query_tiles, op), attention_threads, Tile::backward_bytes, inputs, above,
                   query_tiles, AttentionMatrix<S>(dq, dim), dterms);
    detail::launch(context, op, cuda_kernels::attention_key_gradient_kernel<S, Dim>,
                   detail::attention_blocks(g, key_tiles, op), attention_threads, Tile::backward_bytes, inputs, above,
                   key_tiles, AttentionMatrix<S>(dk, dim), AttentionMatrix<S>(dv, dim), pad_k.data(), pad_v.data());
    if (pad_k.empty()) return;
    sum_rows<S>(context, pad_k.matrix(), TensorView<S, D>(dpad_row.data() + cols, {cols}));
    sum_rows<S>(context, pad_v.matrix(), TensorView<S, D>(dpad_row.data() + 2 * cols, {cols}));
  });
  if (!rel_h.empty()) detail::terms_backward<S>(context, g, q, tables, dterms_room, dq, drel_h, drel_w);
}

}  // namespace ssam::ops
