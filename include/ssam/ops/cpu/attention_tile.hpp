#pragma once

#include <ssam/ops/attention_geometry.hpp>
#include <ssam/ops/cpu/gemm.hpp>
#include <ssam/ops/cpu/kernel.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace detail {

/// Tile extents: the scores of one tile stay in the second-level cache.
inline constexpr Index query_tile = 64;
inline constexpr Index key_tile = 256;

/// gemm_serial, as attention is told how its tiles are multiplied.
struct SerialGemm {
  template <class... Arguments>
  void operator()(const Arguments&... arguments) const {
    gemm_serial(arguments...);
  }
};

/// A strided matrix inside one item.
template <class S>
struct Rows {
  S* data;
  Index stride;
  S* row(Index r) const { return data + r * stride; }
};

/// The relative position tables in reversed order: row j of `h` stands for kh - qh = j - (table_h - 1), so that the
/// entries of one query lie in the order of its keys.
template <class S>
struct RelativeTables {
  S* h = nullptr;
  S* w = nullptr;
  Index h_rows = 0, w_rows = 0;

  RelativeTables(Context<Cpu>& context, const AttentionGeometry& g, TensorView<const S, Cpu> rel_h,
                 TensorView<const S, Cpu> rel_w) {
    if (rel_h.empty()) return;
    h_rows = 2 * g.table_h() - 1;
    w_rows = 2 * g.table_w() - 1;
    h = reversed(allocate<S>(context, {h_rows, g.head_dim}), rel_h.data());
    w = reversed(allocate<S>(context, {w_rows, g.head_dim}), rel_w.data());
  }
  bool empty() const { return h == nullptr; }

 private:
  static S* reversed(TensorView<S, Cpu> to, const S* from) {
    const Index rows = to.dim(0), cols = to.dim(1);
    for (Index r = 0; r < rows; ++r) std::copy(from + r * cols, from + (r + 1) * cols, to.slice(rows - 1 - r).data());
    return to.data();
  }
};

/// The relative position terms of a tile of queries: q . table, one row of h_rows and w_rows values per query. The
/// gradients of the terms lie in the same form.
template <class S>
struct RelativeTerms {
  S* h = nullptr;
  S* w = nullptr;

  void compute(const RelativeTables<S>& tables, Index rows, Index head_dim, Rows<const S> q) {
    if (tables.empty()) return;
    gemm_serial<S>(Transpose::no, Transpose::yes, rows, tables.h_rows, head_dim, S(1), q.data, q.stride, tables.h,
                   head_dim, S(0), h, tables.h_rows);
    gemm_serial<S>(Transpose::no, Transpose::yes, rows, tables.w_rows, head_dim, S(1), q.data, q.stride, tables.w,
                   head_dim, S(0), w, tables.w_rows);
  }

  /// With this holding the gradients of the terms: dq += theirs, and the gradients of the (reversed) tables, which are
  /// multiplied by `keep` before.
  void backward(const RelativeTables<S>& tables, Index rows, Index head_dim, Rows<const S> q, S* dq, S keep,
                S* dtable_h, S* dtable_w) const {
    if (tables.empty()) return;
    gemm_serial<S>(Transpose::no, Transpose::no, rows, head_dim, tables.h_rows, S(1), h, tables.h_rows, tables.h,
                   head_dim, S(1), dq, head_dim);
    gemm_serial<S>(Transpose::no, Transpose::no, rows, head_dim, tables.w_rows, S(1), w, tables.w_rows, tables.w,
                   head_dim, S(1), dq, head_dim);
    gemm_serial<S>(Transpose::yes, Transpose::no, tables.h_rows, head_dim, rows, S(1), h, tables.h_rows, q.data,
                   q.stride, keep, dtable_h, head_dim);
    gemm_serial<S>(Transpose::yes, Transpose::no, tables.w_rows, head_dim, rows, S(1), w, tables.w_rows, q.data,
                   q.stride, keep, dtable_w, head_dim);
  }

  /// f(h_term, w_terms, first, count) for the keys [begin, end) of tile row `r` (query number `query`), cut at the ends
  /// of the grid rows: a reference to the one term in h, the pointer to the terms in w, and where in the tile.
  template <class F>
  void for_segments(const AttentionGeometry& g, const RelativeTables<S>& tables, const AttentionItem& item, Index r,
                    Index query, Index begin, Index end, const F& f) const {
    const Index columns = g.table_w();
    S* h_row = h + r * tables.h_rows + g.table_h() - 1 - query / item.width;
    S* w_row = w + r * tables.w_rows + columns - 1 - query % item.width;
    for (Index key = begin; key < end;) {
      const Index kh = key / columns, kw = key % columns, count = std::min(columns - kw, end - key);
      f(h_row[kh], w_row + kw, key - begin, count);
      key += count;
    }
  }
};

/// Room for the terms of one tile per slot.
template <class S>
struct RelativeTermsScratch {
  TensorView<S, Cpu> h, w;

  RelativeTermsScratch(Context<Cpu>& context, const RelativeTables<S>& tables, Index slots)
      : h(allocate<S>(context, {slots, query_tile, tables.h_rows})),
        w(allocate<S>(context, {slots, query_tile, tables.w_rows})) {}
  RelativeTerms<S> slot(Index slot) const { return {h.slice(slot).data(), w.slice(slot).data()}; }
};

/// The rows of one item, read in place without windows, else copied to scratch.
template <class S>
Rows<const S> gather_queries(const AttentionGeometry& g, const AttentionItem& item, MatrixView<const S, Cpu> from,
                             Index first, Index count, S* scratch) {
  if (g.window == 0) return {from.data + (item.token + first) * from.stride + item.column, from.stride};
  for (Index i = 0; i < count; ++i) {
    const S* row = from.data + item.query_row(g, first + i) * from.stride + item.column;
    std::copy(row, row + g.head_dim, scratch + i * g.head_dim);
  }
  return {scratch, g.head_dim};
}

/// As gather_queries for all keys (or values); `pad` (may be null: zeros) is the row of a padded token.
template <class S>
Rows<const S> gather_keys(const AttentionGeometry& g, const AttentionItem& item, MatrixView<const S, Cpu> from,
                          const S* pad, S* scratch) {
  if (g.window == 0) return {from.data + item.key_token * from.stride + item.column, from.stride};
  for (Index i = 0; i < g.keys_per_item(); ++i) {
    const Index row = item.key_row(g, i);
    S* to = scratch + i * g.head_dim;
    const S* source = row >= 0 ? from.data + row * from.stride + item.column : pad;
    if (source != nullptr) {
      std::copy(source, source + g.head_dim, to);
    } else {
      std::fill(to, to + g.head_dim, S(0));
    }
  }
  return {scratch, g.head_dim};
}

/// The part of the padding row that stands for keys (1) or values (2) of the item's head; null when there is none.
template <class S>
const S* pad_part(const AttentionGeometry& g, const AttentionItem& item, TensorView<const S, Cpu> pad_row, Index part) {
  return pad_row.empty() ? nullptr : pad_row.data() + part * g.heads * g.head_dim + item.column;
}

/// scores[rows, key_tile] = scale q . k plus the relative terms, for the keys [begin, end) and the queries from
/// `first`.
template <class S, class Product>
void tile_scores(const Product& product, const AttentionGeometry& g, const AttentionItem& item,
                 const RelativeTables<S>& tables, const RelativeTerms<S>& terms, S scale, Rows<const S> q, Index first,
                 Index rows, Rows<const S> k, Index begin, Index end, S* scores) {
  product(Transpose::no, Transpose::yes, rows, end - begin, g.head_dim, scale, q.data, q.stride, k.row(begin), k.stride,
          S(0), scores, key_tile);
  if (tables.empty()) return;
  for (Index r = 0; r < rows; ++r) {
    terms.for_segments(g, tables, item, r, first + r, begin, end, [&](S h, const S* w, Index at, Index count) {
      array(scores + r * key_tile + at, count) += h + array(w, count);
    });
  }
}

}  // namespace detail
}  // namespace ssam::inline SSAM_ABI::ops
