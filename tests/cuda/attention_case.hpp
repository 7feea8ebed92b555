#pragma once

#include <ssam/ops/cpu/attention.hpp>
#include <ssam/ops/cuda/attention.cuh>

#include "parity.hpp"

/// Attention on both devices, in every precision of the GPU's products.
namespace ssam::testing {

struct AttentionCase {
  ops::AttentionGeometry g;
  bool relative = false, padding = false;
  bool aligned = true;   ///< rows that can be read 16 bytes at a time
  bool optional = true;  ///< the gradients that may be left out are wanted
  Index pad_first = 0;   ///< where the padding row begins in its tensor
};

/// What of the tensors of `tensors_of` is which, with the views that the ops take. q, k, v and their gradients are
/// columns of wider matrices.
template <class S, class Device>
struct AttentionTensors {
  const AttentionCase& c;
  std::vector<Tensor<S, Device>>& t;
  Index cols = c.g.heads * c.g.head_dim;
  Index first = c.aligned ? 0 : 1;

  auto query(std::size_t i) { return t[i].view().matrix().columns(first, cols); }
  auto key(std::size_t i) { return t[i].view().matrix().columns(first, cols); }
  auto value(std::size_t i) { return t[i].view().matrix().columns(first + cols, cols); }
  TensorView<S, Device> optional(std::size_t i) { return t[i].size() == 0 ? TensorView<S, Device>{} : t[i].view(); }

  TensorView<S, Device> pad_row() { return c.padding ? part(t[2], c.pad_first, {3 * cols}) : TensorView<S, Device>{}; }

  void forward(Context<Device>& context) {
    ops::attention_forward<S>(context, c.g, query(0), key(1), value(1), pad_row(), optional(3), optional(4), query(5),
                              t[6].view());
  }
  void backward(Context<Device>& context) {
    ops::attention_backward<S>(context, c.g, query(0), key(1), value(1), pad_row(), optional(3), optional(4), query(5),
                               t[6].view(), query(7), query(8), key(9), value(9), optional(10), optional(11),
                               optional(12));
  }
};

/// q, kv, pad_row, rel_h, rel_w, out, lse, dout, dq, dkv, dpad_row, drel_h, drel_w. Results hold numbers before.
template <class S>
std::vector<Tensor<S, Cpu>> tensors_of(const AttentionCase& c) {
  const auto& g = c.g;
  const Index cols = g.heads * g.head_dim, more = c.aligned ? 4 : 3;
  const Shape query{g.batch * g.queries, cols + more}, key{g.batch * g.keys, 2 * cols + more};
  const Shape pad = c.padding ? Shape{c.pad_first + 3 * cols} : Shape{0};
  const Shape rel_h = c.relative ? Shape{2 * g.table_h() - 1, g.head_dim} : Shape{0};
  const Shape rel_w = c.relative ? Shape{2 * g.table_w() - 1, g.head_dim} : Shape{0};
  const Shape dpad = c.optional && g.window > 0 ? Shape{3 * cols} : Shape{0};
  const Shape drel_h = c.optional ? rel_h : Shape{0}, drel_w = c.optional ? rel_w : Shape{0};
  std::vector<Tensor<S, Cpu>> tensors;
  std::uint64_t seed = 1;
  for (const Shape& shape : {query, key, pad, rel_h, rel_w, query, Shape{ops::attention_lse_size(g)}, query, query, key,
                             dpad, drel_h, drel_w}) {
    tensors.push_back(random_tensor<S>(shape, seed, seed == 4 || seed == 5 ? 0.3 : 1));
    ++seed;
  }
  return tensors;
}

/// On tensor cores staged rows and weights are rounded, to 8 or 11 significant bits.
template <class S, class D>
constexpr double attention_tolerance = std::is_same_v<S, double>               ? 1e-12
                                       : D::precision == MatmulPrecision::fp32 ? 2e-6
                                       : D::precision == MatmulPrecision::tf32 ? 3e-3
                                                                               : 1e-2;

template <class S, class D = Cuda>
void check_attention(const AttentionCase& c) {
  CAPTURE(c.g.head_dim);
  CAPTURE(c.g.queries);
  CAPTURE(c.g.keys);
  CAPTURE(c.g.window);
  CAPTURE(c.relative);
  CAPTURE(c.padding);
  CAPTURE(c.aligned);
  const auto run = [&]<class Device>(Context<Device>& context, std::vector<Tensor<S, Device>>& t) {
    AttentionTensors<S, Device> tensors{c, t};
    tensors.forward(context);
    tensors.backward(context);
  };
  check_parity<S, D>(tensors_of<S>(c), run, attention_tolerance<S, D>);
}

template <class S, class D = Cuda>
void check_both_alignments(AttentionCase c) {
  check_attention<S, D>(c);
  c.aligned = false;
  check_attention<S, D>(c);
}

inline ops::AttentionGeometry tokens(Index batch, Index heads, Index head_dim, Index queries, Index keys) {
  return {.batch = batch, .heads = heads, .head_dim = head_dim, .queries = queries, .keys = keys};
}

inline ops::AttentionGeometry grid(Index batch, Index heads, Index head_dim, Index height, Index width, Index window) {
  return {.batch = batch,
          .heads = heads,
          .head_dim = head_dim,
          .queries = height * width,
          .keys = height * width,
          .grid_h = height,
          .grid_w = width,
          .window = window};
}

}  // namespace ssam::testing
