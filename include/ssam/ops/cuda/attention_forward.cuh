#pragma once

#include <cmath>
#include <limits>
#include <ssam/ops/cuda/attention_launch.cuh>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

/// One tile of queries of one item against all keys, tile by tile under a running softmax. `tiles`: of queries per
/// item.
template <class Tile, class S>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
    attention_forward_kernel(AttentionInputs<S> in, int tiles, AttentionMatrix<S> out, S* lse) {
  using Element = typename Tile::Element;
  Element* q_tile = detail::dynamic_shared<Element>();
  Element* k_tile = q_tile + Tile::rows * Tile::stride;
  Element* v_tile = k_tile + Tile::others * Tile::stride;
  S* scores_room = reinterpret_cast<S*>(v_tile + Tile::others * Tile::stride);
  auto* terms = reinterpret_cast<QueryTerms<const S>*>(scores_room + Tile::rows * Tile::score_stride);
  const bool relative = in.terms.data != nullptr;
  const AttentionItem item(in.g, int(blockIdx.x) / tiles);
  const int first = int(blockIdx.x) % tiles * Tile::rows, dim = int(in.g.head_dim);
  const int keys = int(in.g.keys_per_item()), queries = int(item.queries), slots = int(in.g.queries_per_item());
  lse += item.index * slots;
  for (int i = first + int(threadIdx.x); i < first + Tile::rows && i < slots; i += Tile::threads) {
    if (i >= queries) lse[i] = S(0);  // a padded token
  }
  const int count = queries - first < Tile::rows ? queries - first : Tile::rows;
  if (count <= 0) return;

  stage_queries<Tile, Tile::rows>(in.g, item, first, count, in.q, q_tile);
  for (int r = int(threadIdx.x); relative && r < count; r += Tile::threads) {
    terms[r] = QueryTerms<const S>(in.terms, item, first + r, item.query_row(in.g, first + r));
  }
  S peak[Tile::each], total[Tile::each];  // total: of this thread's columns
  typename Tile::Sums sums;
  SSAM_UNROLL for (int i = 0; i < Tile::each; ++i) {
    peak[i] = -std::numeric_limits<S>::infinity();
    total[i] = S(0);
    SSAM_UNROLL for (int c = 0; c < Tile::columns; ++c) sums[i][c] = S(0);
  }

  for (int begin = 0; begin < keys; begin += Tile::others) {
    const int length = keys - begin < Tile::others ? keys - begin : Tile::others;
    __syncthreads();  // the last tile is no longer read
    stage_keys<Tile, Tile::others>(in, item, begin, length, k_tile, v_tile);
    if (relative) stage_terms<Tile>(in.terms, terms, count, begin, length, Tile::score_stride, scores_room);
    __syncthreads();
    if (Tile::first_row() >= count) continue;
    typename Tile::Scores scores;
    Tile::dot(q_tile, k_tile, dim, length, scores);
    SSAM_UNROLL for (int i = 0; i < Tile::each; ++i) {
      const S* row_terms = scores_room + Tile::row(i) * Tile::score_stride;
      SSAM_UNROLL for (int j = 0; j < Tile::each_other; ++j) {
        const int key = Tile::other(j);
        const S term = relative ? row_terms[key] : S(0);
        scores[i][j] = key < length ? in.scale * scores[i][j] + term : -std::numeric_limits<S>::infinity();
      }
    }
    SSAM_UNROLL for (int i = 0; i < Tile::each; ++i) {
      S top = peak[i];
      SSAM_UNROLL for (int j = 0; j < Tile::each_other; ++j) top = scores[i][j] > top ? scores[i][j] : top;
      top = row_max<Tile>(top);
      const S shrink = Tile::exponential(peak[i] - top);
      total[i] *= shrink;
      SSAM_UNROLL for (int c = 0; c < Tile::columns; ++c) sums[i][c] *= shrink;
      SSAM_UNROLL for (int j = 0; j < Tile::each_other; ++j) {
        scores[i][j] = Tile::exponential(scores[i][j] - top);
        total[i] += scores[i][j];
      }
      peak[i] = top;
    }
    Tile::add_weighted(scores, scores_room, v_tile, dim, length, sums);
  }

  SSAM_UNROLL for (int i = 0; i < Tile::each; ++i) {
    const S sum = row_sum<Tile>(total[i]);
    const int r = Tile::row(i);
    if (r >= count) continue;
    S* row = out.at(item.query_row(in.g, first + r), item.column);
    store_columns<Tile>(row, sums[i], S(1) / sum, dim, out.vectorized);
    if (Tile::lane() == 0) lse[first + r] = peak[i] + log(sum);
  }
}

}  // namespace cuda_kernels

/// Multi-head attention as SAM's image encoder does it: softmax(scale q . k + rel_h + rel_w) v with scale =
/// head_dim^-0.5, never storing more than a tile of the scores.
///
/// q, k, v, out [batch * tokens, heads * head_dim] with any row stride, so that they may be columns of a fused qkv.
/// rel_h [2 * h - 1, head_dim], rel_w [2 * w - 1, head_dim], h x w the window or else the grid, or both empty: the term
/// of a query at qh and a key at kh is q (not scaled) . rel_h[qh - kh + h - 1], likewise in w. These terms are computed
/// first, by GEMM in the device's precision: workspace of about 2 * (h + w) elements per token and head.
/// With a window the grid is cut into windows, the last ones padded at the bottom and at the right: a padded token has
/// the q, k, v of pad_row [3 * heads * head_dim] (empty: zeros), is a key like any other, and has no output.
/// lse [attention_lse_size] receives the log-sum-exp of every query's scores for attention_backward.
/// Products of floats have the precision of the device's tag, on tensor cores where it is not fp32; softmax and sums
/// are fp32 (double: fp64). Throws ShapeError, also where head_dim > 128.
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
  detail::with_attention_tile<S, D>(g.head_dim, op, [&]<class Tile>(std::type_identity<Tile>) {
    const Index tiles = (g.queries_per_item() + Tile::rows - 1) / Tile::rows;
    detail::launch(context, op, cuda_kernels::attention_forward_kernel<Tile, S>, detail::attention_blocks(g, tiles, op),
                   Tile::threads, Tile::Layout::forward_bytes, inputs, tiles,
                   cuda_kernels::AttentionMatrix<S>(out, g.head_dim), lse.data());
  });
}

}  // namespace ssam::inline SSAM_ABI::ops
