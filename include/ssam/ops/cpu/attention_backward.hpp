#pragma once

#include <cmath>
#include <ssam/ops/cpu/attention_tile.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace detail {

/// Where attention_backward adds the gradients of one item's keys (or values): the result itself without windows, else
/// scratch. Either is overwritten by the first tile of queries.
template <class S>
Rows<S> key_gradient(const AttentionGeometry& g, const AttentionItem& item, MatrixView<S, Cpu> to, S* scratch) {
  if (g.window > 0) return {scratch, g.head_dim};
  return {to.data + item.key_token * to.stride + item.column, to.stride};
}

/// Carries the gradients of a window's keys (or values) to their tokens; those of padded tokens are summed to `pad`.
template <class S>
void scatter_keys(const AttentionGeometry& g, const AttentionItem& item, const S* from, MatrixView<S, Cpu> to, S* pad) {
  std::fill(pad, pad + g.head_dim, S(0));
  for (Index i = 0; i < g.keys_per_item(); ++i, from += g.head_dim) {
    const Index row = item.key_row(g, i);
    if (row >= 0) {
      std::copy(from, from + g.head_dim, to.data + row * to.stride + item.column);
    } else {
      array(pad, g.head_dim) += array(from, g.head_dim);
    }
  }
}

/// probabilities[r, :] = exp(scores - lse) in place and gradients[r, :] = probabilities * (gradients - delta): from
/// scores and dL/dprobabilities to probabilities and dL/dscores.
template <class S>
void softmax_gradient(Index rows, Index count, const S* lse, const S* delta, S* scores, S* gradients) {
  for (Index r = 0; r < rows; ++r) {
    auto probability = array(scores + r * key_tile, count);
    auto gradient = array(gradients + r * key_tile, count);
    probability = (probability - lse[r]).exp();
    gradient = probability * (gradient - delta[r]);
  }
}

/// Adds the table gradients of all items, in order and back in table order.
template <class S>
void add_table_gradient(Context<Cpu>& context, TensorView<S, Cpu> partial, Index first, Index rows, Index head_dim,
                        TensorView<S, Cpu> to) {
  if (to.empty()) return;
  context.parallel_for(rows, [&](Index r) {
    auto sum = array(to.data() + (rows - 1 - r) * head_dim, head_dim);
    for (Index item = 0; item < partial.dim(0); ++item) {
      sum += array(partial.slice(item).data() + (first + r) * head_dim, head_dim);
    }
  });
}

/// attention_backward, its products by `product`.
template <class S, class Product>
void attention_backward_by(Context<Cpu>& context, const Product& product, const AttentionGeometry& g,
                           InMatrix<S, Cpu> q, InMatrix<S, Cpu> k, InMatrix<S, Cpu> v, In<S, Cpu> pad_row,
                           In<S, Cpu> rel_h, In<S, Cpu> rel_w, InMatrix<S, Cpu> out, In<S, Cpu> lse,
                           InMatrix<S, Cpu> dout, MatrixView<S, Cpu> dq, MatrixView<S, Cpu> dk, MatrixView<S, Cpu> dv,
                           MaybeOut<S, Cpu> dpad_row, MaybeOut<S, Cpu> drel_h, MaybeOut<S, Cpu> drel_w) {
  constexpr const char* op = "attention_backward";
  require_attention<S, Cpu>(g, q, k, v, pad_row, rel_h, rel_w, op);
  require_attention_results<S, Cpu>(g, q, out, lse, op);
  require_attention_gradients<S, Cpu>(q, k, rel_h, rel_w, dout, dq, dk, dv, dpad_row, drel_h, drel_w, op);
  const Index items = g.items(), keys = g.keys_per_item(), dim = g.head_dim;
  if (lse.size() == 0) {
    for (const auto& m : {dk, dv}) {
      for (Index r = 0; r < m.rows; ++r) array(m.data + r * m.stride, m.cols) = S(0);
    }
    return;
  }
  const S scale = S(1) / std::sqrt(static_cast<S>(dim));
  WorkspaceScope scope(context);
  const RelativeTables<S> tables(context, g, rel_h, rel_w);
  // Per item: what it adds to the padding row (k, v) and to the tables; summed in the order of the items at the end.
  const auto pad_partial = allocate<S>(context, {items, 2, dim});
  const auto table_partial = allocate<S>(context, {items, tables.h_rows + tables.w_rows, dim});

  const Index slots = slot_count(context, items), gathered = g.window == 0 ? 0 : keys;
  const auto q_scratch = allocate<S>(context, {slots, 4, query_tile, dim});  // q, dout, out, dq
  const auto k_scratch = allocate<S>(context, {slots, 4, gathered, dim});    // k, v, dk, dv
  const auto score_scratch = allocate<S>(context, {slots, 2, query_tile, key_tile});
  const RelativeTermsScratch<S> term_scratch(context, tables, slots), dterm_scratch(context, tables, slots);

  parallel_slots(context, items, [&](Index index, Index slot) {
    const AttentionItem item(g, index);
    const auto q_slot = q_scratch.slice(slot), k_slot = k_scratch.slice(slot);
    const auto key = gather_keys<S>(g, item, k, pad_part<S>(g, item, pad_row, 1), k_slot.slice(0).data());
    const auto value = gather_keys<S>(g, item, v, pad_part<S>(g, item, pad_row, 2), k_slot.slice(1).data());
    const auto dkey = key_gradient<S>(g, item, dk, k_slot.slice(2).data());
    const auto dvalue = key_gradient<S>(g, item, dv, k_slot.slice(3).data());
    S* scores = score_scratch.slice(slot).slice(0).data();
    S* dscores = score_scratch.slice(slot).slice(1).data();
    S* dquery = q_slot.slice(3).data();
    auto terms = term_scratch.slot(slot), dterms = dterm_scratch.slot(slot);
    S* dtable_h = table_partial.slice(index).data();
    S* dtable_w = dtable_h + tables.h_rows * dim;

    for (Index first = 0; first < item.queries; first += query_tile) {
      const Index rows = std::min(query_tile, item.queries - first);
      const S keep = first == 0 ? S(0) : S(1);  // the first tile of queries overwrites what the item sums
      const auto query = gather_queries<S>(g, item, q, first, rows, q_slot.slice(0).data());
      const auto dresult = gather_queries<S>(g, item, dout, first, rows, q_slot.slice(1).data());
      const auto result = gather_queries<S>(g, item, out, first, rows, q_slot.slice(2).data());
      S delta[query_tile];
      for (Index r = 0; r < rows; ++r) delta[r] = (array(dresult.row(r), dim) * array(result.row(r), dim)).sum();
      terms.compute(tables, rows, dim, query);
      if (!tables.empty()) {
        std::fill(dterms.h, dterms.h + rows * tables.h_rows, S(0));
        std::fill(dterms.w, dterms.w + rows * tables.w_rows, S(0));
      }
      for (Index begin = 0; begin < keys; begin += key_tile) {
        const Index end = std::min(keys, begin + key_tile), count = end - begin;
        tile_scores<S>(product, g, item, tables, terms, scale, query, first, rows, key, begin, end, scores);
        product(Transpose::no, Transpose::yes, rows, count, dim, S(1), dresult.data, dresult.stride, value.row(begin),
                value.stride, S(0), dscores, key_tile);
        softmax_gradient(rows, count, lse.data() + index * g.queries_per_item() + first, delta, scores, dscores);
        product(Transpose::yes, Transpose::no, count, dim, rows, S(1), scores, key_tile, dresult.data, dresult.stride,
                keep, dvalue.row(begin), dvalue.stride);
        product(Transpose::yes, Transpose::no, count, dim, rows, scale, dscores, key_tile, query.data, query.stride,
                keep, dkey.row(begin), dkey.stride);
        product(Transpose::no, Transpose::no, rows, dim, count, scale, dscores, key_tile, key.row(begin), key.stride,
                begin == 0 ? S(0) : S(1), dquery, dim);
        if (tables.empty()) continue;
        for (Index r = 0; r < rows; ++r) {
          dterms.for_segments(g, tables, item, r, first + r, begin, end, [&](S& h, S* w, Index at, Index length) {
            const auto segment = array(static_cast<const S*>(dscores) + r * key_tile + at, length);
            h += segment.sum();
            array(w, length) += segment;
          });
        }
      }
      dterms.backward(tables, rows, dim, query, dquery, keep, dtable_h, dtable_w);
      for (Index r = 0; r < rows; ++r) {
        std::copy(dquery + r * dim, dquery + (r + 1) * dim,
                  dq.data + item.query_row(g, first + r) * dq.stride + item.column);
      }
    }
    if (g.window > 0) {
      scatter_keys<S>(g, item, dkey.data, dk, pad_partial.slice(index).slice(0).data());
      scatter_keys<S>(g, item, dvalue.data, dv, pad_partial.slice(index).slice(1).data());
    }
  });

  add_table_gradient<S>(context, table_partial, 0, tables.h_rows, dim, drel_h);
  add_table_gradient<S>(context, table_partial, tables.h_rows, tables.w_rows, dim, drel_w);
  if (dpad_row.empty() || g.window == 0) return;
  for (Index index = 0; index < items; ++index) {
    const AttentionItem item(g, index);
    for (Index part = 0; part < 2; ++part) {
      array(dpad_row.data() + (part + 1) * q.cols + item.column, dim) +=
          array(pad_partial.slice(index).slice(part).data(), dim);
    }
  }
}

}  // namespace detail

/// Backward of attention_forward with the same `g`, `q`, `k`, `v`, `pad_row`, `rel_h` and `rel_w`; `out` and `lse` are
/// its results, the scores are computed again from them. `dout` is the gradient of `out`. dq, dk, dv are overwritten;
/// dpad_row (only its k and v parts receive something), drel_h and drel_w are added to and may be empty. Throws
/// ShapeError.
template <class S>
void attention_backward(Context<Cpu>& context, const AttentionGeometry& g, InMatrix<S, Cpu> q, InMatrix<S, Cpu> k,
                        InMatrix<S, Cpu> v, In<S, Cpu> pad_row, In<S, Cpu> rel_h, In<S, Cpu> rel_w,
                        InMatrix<S, Cpu> out, In<S, Cpu> lse, InMatrix<S, Cpu> dout, MatrixView<S, Cpu> dq,
                        MatrixView<S, Cpu> dk, MatrixView<S, Cpu> dv, MaybeOut<S, Cpu> dpad_row,
                        MaybeOut<S, Cpu> drel_h, MaybeOut<S, Cpu> drel_w) {
  detail::attention_backward_by<S>(context, detail::SerialGemm(), g, q, k, v, pad_row, rel_h, rel_w, out, lse, dout, dq,
                                   dk, dv, dpad_row, drel_h, drel_w);
}

}  // namespace ssam::inline SSAM_ABI::ops
