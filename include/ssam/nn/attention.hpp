#pragma once

#include <ssam/nn/linear.hpp>

namespace ssam::inline SSAM_ABI {

/// The image encoder's multi-head attention: fused qkv, windows (0 = global), decomposed relative positions (tables of
/// rank 0 extents when the model has none). Windows never copy: the op indexes them, and a token that only pads a
/// window has the qkv layer's answer to a zero row, its bias (SAM pads after the norm).
template <class Scalar, class Device, class QkvLinear, class ProjLinear, class RelativeTraining = Frozen>
class WindowAttention {
 public:
  using View = TensorView<Scalar, Device>;             ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;  ///< a tensor to read
  /// What forward leaves for backward.
  struct Record {
    typename QkvLinear::Record qkv_linear;    ///< of the qkv layer
    typename ProjLinear::Record proj_linear;  ///< of the output projection
    ConstView qkv,                            ///< queries, keys and values [B * tokens, 3 * channels]
        out,                                  ///< the heads' answers [B * tokens, channels]
        lse;                                  ///< log-sum-exp of every query's scores
    ops::AttentionGeometry geometry;          ///< extents, windows and grid of this input
  };

  constexpr WindowAttention() = default;  ///< empty, to be assigned
  /// `channels` in `heads` heads; `window` tokens of a side, 0: global; `extent`: side of the window, or of the grid
  /// where the block is global; `relative_positions`: whether there are tables of them.
  constexpr WindowAttention(Index channels, Index heads, Index window, Index extent, bool relative_positions)
      : rel_pos_h(relative_positions ? Shape{2 * extent - 1, channels / heads} : Shape{0}),
        rel_pos_w(relative_positions ? Shape{2 * extent - 1, channels / heads} : Shape{0}),
        qkv(Shape{3 * channels, channels}),
        proj(Shape{channels, channels}),
        heads_(heads),
        window_(window) {}

  /// x [B, H, W, channels] -> y, same shape
  void forward(Context<Device>& context, ConstView x, View y, Record& record) const {
    const Index batch = x.dim(0), height = x.dim(1), width = x.dim(2), channels = x.dim(3), tokens = height * width;
    record.geometry = {.batch = batch,
                       .heads = heads_,
                       .head_dim = channels / heads_,
                       .queries = tokens,
                       .keys = tokens,
                       .grid_h = height,
                       .grid_w = width,
                       .window = window_};
    const View fused = allocate<Scalar>(context, {batch * tokens, 3 * channels});
    const View out = allocate<Scalar>(context, {batch * tokens, channels});
    const View lse = allocate<Scalar>(context, {ops::attention_lse_size(record.geometry)});
    qkv.forward(context, x.matrix(), fused.matrix(), record.qkv_linear);
    const auto m = fused.matrix();
    ops::attention_forward<Scalar>(context, record.geometry, m.columns(0, channels), m.columns(channels, channels),
                                   m.columns(2 * channels, channels), padding(context), rel_pos_h.value,
                                   rel_pos_w.value, out.matrix(), lse);
    proj.forward(context, out.matrix(), y.matrix(), record.proj_linear);
    record.qkv = fused;
    record.out = out;
    record.lse = lse;
  }

  /// dy, dx [B, H, W, channels]. Adds to the trained gradients; overwrites dx.
  void backward(Context<Device>& context, const Record& record, ConstView dy, View dx) {
    WorkspaceScope<Device> scope(context);
    const Index channels = dy.dim(-1);
    const View dout = allocate<Scalar>(context, record.out.shape());
    proj.backward(context, record.proj_linear, dy.matrix(), dout.matrix());
    const View dfused = allocate<Scalar>(context, record.qkv.shape());
    const auto m = record.qkv.matrix();
    const auto d = dfused.matrix();
    View drel_h, drel_w, dpadding;
    if constexpr (computes_padding) {
      dpadding = allocate<Scalar>(context, {3 * channels});
      ops::fill<Scalar>(context, dpadding, Scalar(0));
    } else {
      dpadding = qkv.bias_grad();
    }
    if (!rel_pos_h.value.empty()) {
      drel_h = rel_pos_h.ensure_grad();
      drel_w = rel_pos_w.ensure_grad();
    }
    ops::attention_backward<Scalar>(context, record.geometry, m.columns(0, channels), m.columns(channels, channels),
                                    m.columns(2 * channels, channels), padding(context), rel_pos_h.value,
                                    rel_pos_w.value, record.out.matrix(), record.lse, dout.matrix(),
                                    d.columns(0, channels), d.columns(channels, channels),
                                    d.columns(2 * channels, channels), dpadding, drel_h, drel_w);
    if constexpr (computes_padding) qkv.zero_backward(context, dpadding);
    qkv.backward(context, record.qkv_linear, dfused.matrix(), dx.matrix());
  }

  /// Its parameters, by SAM's names.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    if (self.rel_pos_h.value.size() > 0) {
      visitor.parameter("rel_pos_h", self.rel_pos_h, Group::positional);
      visitor.parameter("rel_pos_w", self.rel_pos_w, Group::positional);
    }
    visitor.child("qkv", self.qkv);
    visitor.child("proj", self.proj);
  }

  Parameter<Scalar, Device, RelativeTraining> rel_pos_h,  ///< table of rows [2 * extent - 1, channels / heads]
      rel_pos_w;                                          ///< table of columns, the same shape
  QkvLinear qkv;                                          ///< channels -> 3 * channels
  ProjLinear proj;                                        ///< channels -> channels

 private:
  static constexpr bool computes_padding = requires { &QkvLinear::zero_answer; };

  /// The qkv layer's answer to a row of zeros.
  ConstView padding([[maybe_unused]] Context<Device>& context) const {
    if constexpr (computes_padding) {
      return qkv.zero_answer(context);
    } else {
      return qkv.bias_view();
    }
  }

  Index heads_ = 1, window_ = 0;
};

/// The mask decoder's attention: separate q, k, v projections to an inner width (SAM's `downsample_rate`).
template <class Scalar, class Device, class LinearLike>
class CrossAttention {
 public:
  using View = TensorView<Scalar, Device>;             ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;  ///< a tensor to read
  /// What forward leaves for backward.
  struct Record {
    typename LinearLike::Record q_linear,  ///< of q_proj
        k_linear,                          ///< of k_proj
        v_linear,                          ///< of v_proj
        out_linear;                        ///< of out_proj
    ConstView q,                           ///< projected queries [B * queries, inner]
        k,                                 ///< projected keys [B * keys, inner]
        v,                                 ///< projected values [B * keys, inner]
        out,                               ///< the heads' answers [B * queries, inner]
        lse;                               ///< log-sum-exp of every query's scores
    ops::AttentionGeometry geometry;       ///< extents of this input
  };

  constexpr CrossAttention() = default;  ///< empty, to be assigned
  /// `inner` channels in `heads` heads, from and to `channels`.
  constexpr CrossAttention(Index channels, Index inner, Index heads)
      : q_proj(Shape{inner, channels}),
        k_proj(Shape{inner, channels}),
        v_proj(Shape{inner, channels}),
        out_proj(Shape{channels, inner}),
        inner_(inner),
        heads_(heads) {}

  /// q [B, queries, C], k and v [B, keys, C] -> y [B, queries, C]
  void forward(Context<Device>& context, ConstView q, ConstView k, ConstView v, View y, Record& record) const {
    record.geometry = {
        .batch = q.dim(0), .heads = heads_, .head_dim = inner_ / heads_, .queries = q.dim(1), .keys = k.dim(1)};
    const View qp = allocate<Scalar>(context, {q.dim(0) * q.dim(1), inner_});
    const View kp = allocate<Scalar>(context, {k.dim(0) * k.dim(1), inner_});
    const View vp = allocate<Scalar>(context, kp.shape());
    const View out = allocate<Scalar>(context, qp.shape());
    const View lse = allocate<Scalar>(context, {ops::attention_lse_size(record.geometry)});
    q_proj.forward(context, q.matrix(), qp.matrix(), record.q_linear);
    k_proj.forward(context, k.matrix(), kp.matrix(), record.k_linear);
    v_proj.forward(context, v.matrix(), vp.matrix(), record.v_linear);
    ops::attention_forward<Scalar>(context, record.geometry, qp.matrix(), kp.matrix(), vp.matrix(), {}, {}, {},
                                   out.matrix(), lse);
    out_proj.forward(context, out.matrix(), y.matrix(), record.out_linear);
    record.q = qp;
    record.k = kp;
    record.v = vp;
    record.out = out;
    record.lse = lse;
  }

  /// dy [B, queries, C]. Adds to the trained gradients; overwrites dq, dk, dv (shapes of q, k, v; empty: not wanted).
  void backward(Context<Device>& context, const Record& record, ConstView dy, View dq, View dk, View dv) {
    WorkspaceScope<Device> scope(context);
    const View dout = allocate<Scalar>(context, record.out.shape()), dqp = allocate<Scalar>(context, record.q.shape());
    const View dkp = allocate<Scalar>(context, record.k.shape()), dvp = allocate<Scalar>(context, record.v.shape());
    out_proj.backward(context, record.out_linear, dy.matrix(), dout.matrix());
    ops::attention_backward<Scalar>(context, record.geometry, record.q.matrix(), record.k.matrix(), record.v.matrix(),
                                    {}, {}, {}, record.out.matrix(), record.lse, dout.matrix(), dqp.matrix(),
                                    dkp.matrix(), dvp.matrix(), {}, {}, {});
    q_proj.backward(context, record.q_linear, dqp.matrix(), dq.matrix());
    k_proj.backward(context, record.k_linear, dkp.matrix(), dk.matrix());
    v_proj.backward(context, record.v_linear, dvp.matrix(), dv.matrix());
  }

  /// Its parameters, by SAM's names.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.child("q_proj", self.q_proj);
    visitor.child("k_proj", self.k_proj);
    visitor.child("v_proj", self.v_proj);
    visitor.child("out_proj", self.out_proj);
  }

  LinearLike q_proj,  ///< channels -> inner
      k_proj,         ///< channels -> inner
      v_proj,         ///< channels -> inner
      out_proj;       ///< inner -> channels

 private:
  Index inner_ = 0, heads_ = 1;
};

}  // namespace ssam::inline SSAM_ABI
