#include <ssam/ops/cpu/attention.hpp>
#include <ssam/ops/cuda/attention.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

namespace {

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

template <class S>
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
  check_parity<S>(tensors_of<S>(c), run, std::is_same_v<S, float> ? 2e-6 : 1e-12);
}

template <class S>
void check_both_alignments(AttentionCase c) {
  check_attention<S>(c);
  c.aligned = false;
  check_attention<S>(c);
}

ops::AttentionGeometry tokens(Index batch, Index heads, Index head_dim, Index queries, Index keys) {
  return {.batch = batch, .heads = heads, .head_dim = head_dim, .queries = queries, .keys = keys};
}

ops::AttentionGeometry grid(Index batch, Index heads, Index head_dim, Index height, Index width, Index window) {
  return {.batch = batch,
          .heads = heads,
          .head_dim = head_dim,
          .queries = height * width,
          .keys = height * width,
          .grid_h = height,
          .grid_w = width,
          .window = window};
}

}  // namespace

TEST_CASE_TEMPLATE("CUDA attention of tokens without a grid", S, float, double) {
  check_both_alignments<S>({tokens(1, 1, 4, 1, 1)});
  check_both_alignments<S>({tokens(2, 3, 4, 1, 5)});
  check_both_alignments<S>({tokens(1, 2, 20, 70, 130)});  // several tiles of both, none of them full at the end
  check_both_alignments<S>({tokens(2, 2, 16, 7, 64)});    // whole tiles
  check_attention<S>({tokens(1, 1, 32, 64, 3)});
  check_attention<S>({tokens(1, 2, 64, 65, 33)});
  check_attention<S>({tokens(1, 1, 80, 33, 66)});
  check_attention<S>({tokens(1, 1, 128, 65, 97)});
  check_attention<S>({tokens(1, 2, 7, 5, 9)});  // rows of no multiple of 16 bytes
  check_attention<S>({tokens(1, 1, 50, 4, 5)});
  check_attention<S>({tokens(1, 1, 101, 3, 4)});
  check_attention<S>({tokens(2, 2, 8, 0, 5)});  // nobody asks: dk and dv become zero
}

TEST_CASE_TEMPLATE("CUDA global attention", S, float, double) {
  check_attention<S>({.g = grid(2, 2, 64, 9, 8, 0)});
  check_both_alignments<S>({.g = grid(2, 2, 64, 9, 8, 0), .relative = true});
  check_attention<S>({.g = grid(1, 1, 80, 5, 3, 0), .relative = true});
  check_attention<S>({.g = grid(1, 3, 6, 2, 70, 0), .relative = true});  // a grid row longer than a tile
  check_attention<S>({.g = grid(1, 1, 20, 70, 2, 0), .relative = true, .optional = false});
  check_attention<S>({.g = grid(1, 2, 4, 1, 1, 0), .relative = true});
}

TEST_CASE_TEMPLATE("CUDA attention in windows", S, float, double) {
  for (const bool relative : {false, true}) {
    for (const bool padding : {false, true}) {
      check_both_alignments<S>({.g = grid(2, 2, 4, 7, 5, 4), .relative = relative, .padding = padding});
    }
  }
  check_attention<S>({.g = grid(1, 2, 20, 11, 10, 9), .relative = true, .padding = true});  // two tiles of keys
  check_attention<S>({.g = grid(1, 1, 64, 14, 14, 14), .relative = true, .padding = true});
  check_attention<S>({.g = grid(1, 1, 80, 4, 9, 9), .relative = true, .padding = true});
  check_attention<S>({.g = grid(1, 2, 4, 3, 3, 1), .relative = true, .padding = true});
  check_attention<S>({.g = grid(1, 2, 4, 5, 6, 4), .relative = true, .padding = true, .optional = false});
  check_attention<S>({.g = grid(1, 2, 4, 5, 6, 4), .padding = true, .pad_first = 1});
}

TEST_CASE("CUDA attention survives large scores") {
  const AttentionCase c{tokens(1, 1, 8, 5, 70)};
  auto tensors = tensors_of<float>(c);
  for (Index i = 0; i < tensors[0].size(); ++i) tensors[0].data()[i] *= 1e4f;
  const auto run = [&]<class Device>(Context<Device>& context, std::vector<Tensor<float, Device>>& t) {
    AttentionTensors<float, Device>{c, t}.forward(context);
  };
  check_parity<float>(tensors, run, 2e-6);
}

TEST_CASE("CUDA attention gradients survive large log-sum-exps of both signs") {
  const AttentionCase c{tokens(1, 4, 8, 5, 1)};
  auto tensors = tensors_of<double>(c);
  for (Index i = 0; i < tensors[0].size(); ++i) tensors[0].data()[i] *= 1e4;
  const auto run = [&]<class Device>(Context<Device>& context, std::vector<Tensor<double, Device>>& t) {
    AttentionTensors<double, Device> views{c, t};
    views.forward(context);
    views.backward(context);
  };
  check_parity<double>(tensors, run, 1e-10);
}

TEST_CASE("CUDA attention refuses what does not fit and allocates nothing when warm") {
  Context<Cuda> context(1);
  AttentionCase c{.g = grid(1, 2, 4, 5, 6, 4), .relative = true, .padding = true};
  std::vector<Tensor<float, Cuda>> t;
  for (const auto& tensor : tensors_of<float>(c)) t.emplace_back(tensor.shape(), tensor.to_host());
  AttentionTensors<float, Cuda> tensors{c, t};
  tensors.forward(context);
  tensors.backward(context);
  const std::size_t before = context.workspace.allocations();
  tensors.backward(context);
  CHECK(context.workspace.allocations() == before);
  context.synchronize();
  c.g.grid_w = 7;
  CHECK_THROWS_AS(tensors.forward(context), ShapeError);
  CHECK_THROWS_AS(tensors.backward(context), ShapeError);

  AttentionCase wide{tokens(1, 1, 129, 2, 3)};
  std::vector<Tensor<float, Cuda>> w;
  for (const auto& tensor : tensors_of<float>(wide)) w.emplace_back(tensor.shape(), tensor.to_host());
  CHECK_THROWS_AS((AttentionTensors<float, Cuda>{wide, w}.forward(context)), ShapeError);
}
