#pragma once

#include <cmath>
#include <limits>
#include <ssam/ops/cpu/attention_tile.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace detail {

/// Takes one tile of scores into the running softmax of a tile of queries: the scores become exp(score - peak), `total`
/// their sum, and what was summed before under a lower peak is scaled down.
template <class S>
void absorb_scores(Index rows, Index count, Index head_dim, S* scores, S* peak, S* total, S* sum) {
  for (Index r = 0; r < rows; ++r) {
    auto row = array(scores + r * key_tile, count);
    const S top = std::max(peak[r], row.maxCoeff());
    const S shrink = std::exp(peak[r] - top);
    row = (row - top).exp();
    if (total[r] > 0 && shrink != S(1)) array(sum + r * head_dim, head_dim) *= shrink;
    total[r] = total[r] * shrink + row.sum();
    peak[r] = top;
  }
}

/// attention_forward, its two products by `product`.
template <class S, class Product>
void attention_forward_by(Context<Cpu>& context, const Product& product, const AttentionGeometry& g, InMatrix<S, Cpu> q,
                          InMatrix<S, Cpu> k, InMatrix<S, Cpu> v, In<S, Cpu> pad_row, In<S, Cpu> rel_h,
                          In<S, Cpu> rel_w, MatrixView<S, Cpu> out, TensorView<S, Cpu> lse) {
  require_attention<S, Cpu>(g, q, k, v, pad_row, rel_h, rel_w, "attention_forward");
  require_attention_results<S, Cpu>(g, q, out, lse, "attention_forward");
  if (lse.size() == 0) return;
  WorkspaceScope scope(context);
  const RelativeTables<S> tables(context, g, rel_h, rel_w);
  const Index keys = g.keys_per_item(), dim = g.head_dim;
  const S scale = S(1) / std::sqrt(static_cast<S>(dim));

  // Few items: their queries are split as well, by whole tiles, into about 64 pieces of work.
  const Index tiles = (g.queries_per_item() + query_tile - 1) / query_tile;
  const Index splits = std::clamp<Index>(64 / g.items(), 1, tiles);
  const Index split = (tiles + splits - 1) / splits * query_tile;
  const Index work = g.items() * splits;

  const Index slots = slot_count(context, work), gathered = g.window == 0 ? 0 : keys;
  const auto q_scratch = allocate<S>(context, {slots, query_tile, dim});
  const auto k_scratch = allocate<S>(context, {slots, gathered, dim});
  const auto v_scratch = allocate<S>(context, {slots, gathered, dim});
  const auto score_scratch = allocate<S>(context, {slots, query_tile, key_tile});
  const auto sum_scratch = allocate<S>(context, {slots, query_tile, dim});
  const RelativeTermsScratch<S> term_scratch(context, tables, slots);

  parallel_slots(context, work, [&](Index piece, Index slot) {
    const AttentionItem item(g, piece / splits);
    const auto key = gather_keys<S>(g, item, k, pad_part<S>(g, item, pad_row, 1), k_scratch.slice(slot).data());
    const auto value = gather_keys<S>(g, item, v, pad_part<S>(g, item, pad_row, 2), v_scratch.slice(slot).data());
    S* scores = score_scratch.slice(slot).data();
    S* sum = sum_scratch.slice(slot).data();
    auto terms = term_scratch.slot(slot);
    S* item_lse = lse.data() + item.index * g.queries_per_item();
    if (piece % splits == 0) std::fill(item_lse + item.queries, item_lse + g.queries_per_item(), S(0));

    const Index last = std::min(item.queries, (piece % splits + 1) * split);
    for (Index first = piece % splits * split; first < last; first += query_tile) {
      const Index rows = std::min(query_tile, last - first);
      const auto query = gather_queries<S>(g, item, q, first, rows, q_scratch.slice(slot).data());
      terms.compute(tables, rows, dim, query);
      S peak[query_tile], total[query_tile];
      std::fill(peak, peak + rows, -std::numeric_limits<S>::infinity());
      std::fill(total, total + rows, S(0));
      for (Index begin = 0; begin < keys; begin += key_tile) {
        const Index end = std::min(keys, begin + key_tile);
        tile_scores<S>(product, g, item, tables, terms, scale, query, first, rows, key, begin, end, scores);
        absorb_scores(rows, end - begin, dim, scores, peak, total, sum);
        product(Transpose::no, Transpose::no, rows, dim, end - begin, S(1), scores, key_tile, value.row(begin),
                value.stride, begin == 0 ? S(0) : S(1), sum, dim);
      }
      for (Index r = 0; r < rows; ++r) {
        S* to = out.data + item.query_row(g, first + r) * out.stride + item.column;
        array(to, dim) = array(sum + r * dim, dim) / total[r];
        item_lse[first + r] = peak[r] + std::log(total[r]);
      }
    }
  });
}

}  // namespace detail

/// Multi-head attention as SAM's image encoder does it: softmax(scale q . k + rel_h + rel_w) v with scale =
/// head_dim^-0.5, never storing more than a tile of the scores.
///
/// `g` holds all extents. q, k, v, out [batch * tokens, heads * head_dim] with any row stride, so that they may be
/// columns of a fused qkv. rel_h [2 * h - 1, head_dim], rel_w [2 * w - 1, head_dim], h x w the window or else the grid,
/// or both empty: the term of a query at qh and a key at kh is q (not scaled) . rel_h[qh - kh + h - 1], likewise in w.
/// With a window the grid is cut into windows, the last ones padded at the bottom and at the right: a padded token has
/// the q, k, v of pad_row [3 * heads * head_dim] (empty: zeros), is a key like any other, and has no output.
/// lse [attention_lse_size] receives the log-sum-exp of every query's scores for attention_backward.
/// Throws ShapeError.
template <class S>
void attention_forward(Context<Cpu>& context, const AttentionGeometry& g, InMatrix<S, Cpu> q, InMatrix<S, Cpu> k,
                       InMatrix<S, Cpu> v, In<S, Cpu> pad_row, In<S, Cpu> rel_h, In<S, Cpu> rel_w,
                       MatrixView<S, Cpu> out, TensorView<S, Cpu> lse) {
  detail::attention_forward_by<S>(context, detail::SerialGemm(), g, q, k, v, pad_row, rel_h, rel_w, out, lse);
}

}  // namespace ssam::inline SSAM_ABI::ops
