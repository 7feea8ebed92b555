#pragma once

#include <cmath>
#include <limits>
#include <ssam/ops/cuda/attention_tile.cuh>

namespace ssam::ops {

namespace cuda_kernels {

/// One tile of queries of one item against all keys, tile by tile under a running softmax. `tiles`: of queries per
/// item.
template <class S, int Dim>
__global__ void __launch_bounds__(attention_threads, AttentionTile<S, Dim>::blocks)
    attention_forward_kernel(AttentionInputs<S> in, int tiles, AttentionMatrix<S> out, S* lse) {
  using Tile = AttentionTile<S, Dim>;
  S* q_tile = detail::dynamic_shared<S>();
  S* k_tile = q_tile + Tile::rows * Tile::stride;
  S* v_tile = k_tile + Tile::others * Tile::stride;
  S* weight_tile = v_tile + Tile::others * Tile::stride;
  const int tx = int(threadIdx.x) % attention_side, ty = int(threadIdx.x) / attention_side;
  const AttentionItem item(in.g, int(blockIdx.x) / tiles);
  const int first = int(blockIdx.x) % tiles * Tile::rows, dim = int(in.g.head_dim);
  const int keys = int(in.g.keys_per_item()), queries = int(item.queries), slots = int(in.g.queries_per_item());
  lse += item.index * slots;
  for (int i = first + int(threadIdx.x); i < first + Tile::rows && i < slots; i += attention_threads) {
    if (i >= queries) lse[i] = S(0);  // a padded token
  }
  const int count = queries - first < Tile::rows ? queries - first : Tile::rows;
  if (count <= 0) return;

  stage_rows<Tile, Tile::rows>(q_tile, count, dim, in.q.vectorized,
                               [&](int r) { return in.q.at(item.query_row(in.g, first + r), item.column); });
  QueryTerms<const S> terms[Tile::each];
  S peak[Tile::each], total[Tile::each];  // total: of this thread's columns
  typename Tile::Sums sums;
  for (int i = 0; i < Tile::each; ++i) {
    const int r = ty + attention_side * i, query = first + (r < count ? r : 0);
    terms[i] = QueryTerms<const S>(in.terms, item, query, item.query_row(in.g, query));
    peak[i] = -std::numeric_limits<S>::infinity();
    total[i] = S(0);
    for (int c = 0; c < Tile::columns; ++c) sums[i][c] = S(0);
  }

  for (int begin = 0; begin < keys; begin += Tile::others) {
    const int length = keys - begin < Tile::others ? keys - begin : Tile::others;
    __syncthreads();  // the last tile is no longer read
    stage_rows<Tile, Tile::others>(k_tile, length, dim, in.k.vectorized,
                                   [&](int r) { return in.key(in.k, 1, item, begin + r); });
    stage_rows<Tile, Tile::others>(v_tile, length, dim, in.v.vectorized,
                                   [&](int r) { return in.key(in.v, 2, item, begin + r); });
    __syncthreads();
    typename Tile::Scores scores;
    dot_rows_of_tiles<Tile>(q_tile, k_tile, dim, scores);
    for (int j = 0; j < Tile::each_other; ++j) {
      const int key = tx + attention_side * j;
      const KeyPlace place(in.terms, begin + (key < length ? key : 0));
      for (int i = 0; i < Tile::each; ++i) {
        scores[i][j] = key < length ? attention_score(scores[i][j], in.scale, terms[i], place)
                                    : -std::numeric_limits<S>::infinity();
      }
    }
    for (int i = 0; i < Tile::each; ++i) {
      S top = peak[i];
      for (int j = 0; j < Tile::each_other; ++j) top = scores[i][j] > top ? scores[i][j] : top;
      top = row_max(top);
      const S shrink = exp(peak[i] - top);
      total[i] *= shrink;
      for (int c = 0; c < Tile::columns; ++c) sums[i][c] *= shrink;
      for (int j = 0; j < Tile::each_other; ++j) {
        scores[i][j] = exp(scores[i][j] - top);
        total[i] += scores[i][j];
      }
      peak[i] = top;
    }
    stage_scores<Tile>(weight_tile, scores);
    add_weighted_rows<Tile>(weight_tile, v_tile, length, sums);
  }

  for (int i = 0; i < Tile::each; ++i) {
    const S sum = row_sum(total[i]);
    const int r = ty + attention_side * i;
    if (r >= count) continue;
    S* row = out.at(item.query_row(in.g, first + r), item.column);
    store_columns<Tile>(row, sums[i], S(1) / sum, dim, out.vectorized);
    if (tx == 0) lse[first + r] = peak[i] + log(sum);
  }
}

}  // namespace cuda_kernels

/// Multi-head attention as SAM's image encoder does it: softmax(scale q . k + rel_h + rel_w) v with scale =
/// head_dim^-0.5, never storing more than a tile of the scores.
///
/// q, k, v, out [batch * tokens, heads * head_dim] with any row stride, so that they may be columns of a fused qkv.
/// rel_h [2 * h - 1, head_dim], rel_w [2 * w - 1, head_dim], h x w the window or else the grid, or both empty: the term
/// of a query at qh and a key at kh is q (not scaled) . rel_h[qh - kh + h - 1], likewise in w. These terms are computed
/// first, by GEMM in the device's precision: workspace of 2 * (h + w) - 2 elements per token and head.
/// With a window the grid is cut into windows, the last ones padded at the bottom and at the right: a padded token has
/// the q, k, v of pad_row [3 * heads * head_dim] (empty: zeros), is a key like any other, and has no output.
/// lse [attention_lse_size] receives the log-sum-exp of every query's scores for attention_backward.
/// Throws ShapeError, also where head_dim > 128.
template <class S, CudaDevice D>
void attention_forward(Context<D>& context, const AttentionGeometry& g, InMatrix<S, D> q, InMatrix<S, D> k,
                       InMatrix<S, D> v, In<S, D> pad_row, In<S, D> rel_h, In<S, D> rel_w, MatrixView<S, D> out,
                       TensorView<S, D> lse) {
  constexpr const char* op = "attention_forward";
  detail::require_attention<S, D>(g, q, k, v, pad_row, rel_h, rel_w, op);
  detail::require_attention_results<S, D>(g, q, out, lse, op);
  if (lse.size() == 0) return;
  WorkspaceScope scope(context);
  cuda_kernels::RelativeTerms<const S> terms;
  if (!rel_h.empty()) {
    const auto room = detail::allocate_terms<S>(context, g);
    detail::compute_terms<S>(context, g, q, detail::stack_tables<S>(context, g, rel_h, rel_w), room);
    terms = detail::relative_terms<const S, D>(g, room);
  }
  const cuda_kernels::AttentionInputs<S> inputs(g, q, k, v, pad_row, terms);
  detail::with_head_dim(g.head_dim, op, [&](auto head_dim) {
    constexpr int dim = decltype(head_dim)::value;
    using Tile = cuda_kernels::AttentionTile<S, dim>;
    const Index tiles = (g.queries_per_item() + Tile::rows - 1) / Tile::rows;
    detail::launch(context, op, cuda_kernels::attention_forward_kernel<S, dim>, detail::attention_blocks(g, tiles, op),
                   cuda_kernels::attention_threads, Tile::forward_bytes, inputs, tiles,
                   cuda_kernels::AttentionMatrix<S>(out, g.head_dim), lse.data());
  });
}

}  // namespace ssam::ops
