#pragma once

#include <cstdint>
#include <limits>
#include <ssam/ops/views.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// Extents of a multi-head attention. Queries, keys and values are matrices [batch * tokens, heads * head_dim].
struct AttentionGeometry {
  Index batch = 0,    ///< images or prompts
      heads = 0,      ///< attentions side by side
      head_dim = 0;   ///< channels of each
  Index queries = 0,  ///< query tokens per batch entry
      keys = 0;       ///< key tokens per batch entry
  Index grid_h = 0,   ///< rows of the grid the tokens lie on; only for windows and relative positions
      grid_w = 0;     ///< its columns
  Index window = 0;   ///< edge of the windows the grid is cut into, 0: no windows

  /// Windows one below the other, 1 without windows.
  SSAM_HOST_DEVICE Index windows_h() const { return window == 0 ? 1 : (grid_h + window - 1) / window; }
  /// Windows side by side, 1 without windows.
  SSAM_HOST_DEVICE Index windows_w() const { return window == 0 ? 1 : (grid_w + window - 1) / window; }
  /// Extents of the relative position tables: [2 * h - 1, head_dim] and [2 * w - 1, head_dim].
  SSAM_HOST_DEVICE Index table_h() const { return window == 0 ? grid_h : window; }
  /// The same of the columns.
  SSAM_HOST_DEVICE Index table_w() const { return window == 0 ? grid_w : window; }
  /// Independent attentions: (batch entry, window, head).
  SSAM_HOST_DEVICE Index items() const { return batch * windows_h() * windows_w() * heads; }
  /// Keys that a query sees, padded ones among them.
  SSAM_HOST_DEVICE Index keys_per_item() const { return window == 0 ? keys : window * window; }
  /// Queries of one item, at most: a window at the border of the grid has fewer.
  SSAM_HOST_DEVICE Index queries_per_item() const { return window == 0 ? queries : window * window; }
};

/// Elements of the log-sum-exp that attention_forward leaves for the backward pass: one per item and query of
/// `geometry`.
inline Index attention_lse_size(const AttentionGeometry& geometry) {
  return geometry.items() * geometry.queries_per_item();
}

namespace detail {

/// A number of tokens by an extent; both fit 32 bits (require_attention), in which a GPU divides several times faster.
SSAM_HOST_DEVICE inline Index token_quotient(Index tokens, Index extent) {
  return static_cast<std::uint32_t>(tokens) / static_cast<std::uint32_t>(extent);
}

/// One (batch entry, window, head). Queries are the tokens of the window that exist, numbered row by row; keys are
/// all its tokens, those outside the grid are padded ones.
struct AttentionItem {
  Index index;
  Index head;
  Index column;         ///< first column of the head
  Index token;          ///< matrix row of the item's first query
  Index key_token;      ///< matrix row of the item's first key
  Index grid_w;         ///< matrix rows from one window row to the next
  Index height, width;  ///< extent of the window inside the grid
  Index queries;

  SSAM_HOST_DEVICE AttentionItem(const AttentionGeometry& g, Index item)
      : index(item), head(item % g.heads), column(head * g.head_dim), grid_w(g.grid_w) {
    const Index windows = g.windows_h() * g.windows_w();
    const Index window = item / g.heads % windows, entry = item / g.heads / windows;
    const Index top = window / g.windows_w() * g.window, left = window % g.windows_w() * g.window;
    const Index first = top * grid_w + left, below = g.grid_h - top, beside = g.grid_w - left;
    token = entry * g.queries + first;
    key_token = entry * g.keys + first;
    height = g.window == 0 || below < g.window ? below : g.window;
    width = g.window == 0 || beside < g.window ? beside : g.window;
    queries = g.window == 0 ? g.queries : height * width;
  }

  /// Matrix row of query `i`; its place in the window is (i / width, i % width).
  SSAM_HOST_DEVICE Index query_row(const AttentionGeometry& g, Index i) const {
    return g.window == 0 ? token + i : token + i + token_quotient(i, width) * (grid_w - width);
  }
  /// Matrix row of key `i`, -1 for a padded one; its place in the window is (i / window, i % window).
  SSAM_HOST_DEVICE Index key_row(const AttentionGeometry& g, Index i) const {
    if (g.window == 0) return key_token + i;
    const Index h = token_quotient(i, g.window), w = i - h * g.window;
    return h < height && w < width ? key_token + h * grid_w + w : -1;
  }
};

/// Shape checks of both passes, on every device. Throws ShapeError.
template <class S, class Device>
void require_attention(const AttentionGeometry& g, InMatrix<S, Device> q, InMatrix<S, Device> k, InMatrix<S, Device> v,
                       In<S, Device> pad_row, In<S, Device> rel_h, In<S, Device> rel_w, const char* op) {
  constexpr Index most = std::numeric_limits<std::int32_t>::max();
  const Index cols = g.heads * g.head_dim;
  require(g.batch >= 0 && g.heads > 0 && g.head_dim > 0 && g.queries >= 0 && g.keys > 0 && g.window >= 0, op,
          "heads, head_dim and keys > 0", g.heads, g.head_dim, g.keys);
  require(g.window <= 1 << 15 && g.queries <= most && g.keys <= most, op, "fewer than 2^31 tokens", g.queries, g.keys);
  require(q.rows == g.batch * g.queries && q.cols == cols, op, "queries [batch * queries, heads * head_dim]", q,
          g.batch * g.queries, cols);
  require(k.rows == g.batch * g.keys && k.cols == cols && v.rows == k.rows && v.cols == cols, op,
          "keys and values [batch * keys, heads * head_dim]", k, v, g.batch * g.keys, cols);
  require(pad_row.empty() || pad_row.size() == 3 * cols, op, "a padding row [3 * heads * head_dim]", pad_row, cols);
  require(rel_h.empty() == rel_w.empty(), op, "both relative position tables or none", rel_h, rel_w);
  if (g.window > 0 || !rel_h.empty()) {
    require(g.queries == g.keys && g.queries == g.grid_h * g.grid_w, op, "grid_h * grid_w queries and keys", g.queries,
            g.keys, Shape{g.grid_h, g.grid_w});
  }
  if (!rel_h.empty()) {
    require(rel_h.size() == (2 * g.table_h() - 1) * g.head_dim && rel_w.size() == (2 * g.table_w() - 1) * g.head_dim,
            op, "relative position tables [2 * h - 1, head_dim] and [2 * w - 1, head_dim]", rel_h, rel_w,
            Shape{g.table_h(), g.table_w()});
  }
}

/// Shape checks of what the forward pass writes. Throws ShapeError.
template <class S, class Device>
void require_attention_results(const AttentionGeometry& g, InMatrix<S, Device> q, InMatrix<S, Device> out,
                               In<S, Device> lse, const char* op) {
  require(out.rows == q.rows && out.cols == q.cols, op, "an output of the shape of the queries", out, q);
  require(lse.size() == attention_lse_size(g), op, "attention_lse_size log-sum-exps", lse, attention_lse_size(g));
}

/// Shape checks of the gradients. Throws ShapeError.
template <class S, class Device>
void require_attention_gradients(InMatrix<S, Device> q, InMatrix<S, Device> k, In<S, Device> rel_h, In<S, Device> rel_w,
                                 InMatrix<S, Device> dout, InMatrix<S, Device> dq, InMatrix<S, Device> dk,
                                 InMatrix<S, Device> dv, In<S, Device> dpad_row, In<S, Device> drel_h,
                                 In<S, Device> drel_w, const char* op) {
  for (const auto& m : {dout, dq})
    require(m.rows == q.rows && m.cols == q.cols, op, "dout and dq of the shape of the queries", m, q);
  for (const auto& m : {dk, dv})
    require(m.rows == k.rows && m.cols == k.cols, op, "dk and dv of the shape of the keys", m, k);
  require(dpad_row.empty() || dpad_row.size() == 3 * q.cols, op, "a padding row [3 * heads * head_dim]", dpad_row,
          q.cols);
  require((drel_h.empty() || drel_h.size() == rel_h.size()) && (drel_w.empty() || drel_w.size() == rel_w.size()), op,
          "gradients of the shape of the relative position tables", drel_h, drel_w, rel_h, rel_w);
}

}  // namespace detail
}  // namespace ssam::inline SSAM_ABI::ops
