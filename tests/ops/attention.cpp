#include <ssam/ops/ops.hpp>

#include "testing.hpp"

using namespace ssam;
using namespace ssam::testing;

namespace {

/// One attention with everything it needs; q, k, v are columns of wider matrices, so that strides are tested.
template <class S>
struct Problem {
  ops::AttentionGeometry g;
  Tensor<S, Cpu> q, kv, pad_row, rel_h, rel_w;
  Index cols;

  Problem(const ops::AttentionGeometry& geometry, bool relative, bool padding)
      : g(geometry), cols(g.heads * g.head_dim) {
    q = random_tensor<S>({g.batch * g.queries, cols + 3}, 1);
    kv = random_tensor<S>({g.batch * g.keys, 2 * cols + 1}, 2);
    if (padding) pad_row = random_tensor<S>({3 * cols}, 3);
    if (relative) {
      rel_h = random_tensor<S>({2 * g.table_h() - 1, g.head_dim}, 4, 0.3);
      rel_w = random_tensor<S>({2 * g.table_w() - 1, g.head_dim}, 5, 0.3);
    }
  }
  auto query() { return q.view().matrix().columns(2, cols); }
  auto key() { return kv.view().matrix().columns(0, cols); }
  auto value() { return kv.view().matrix().columns(cols, cols); }

  Tensor<S, Cpu> forward(Context<Cpu>& context, Tensor<S, Cpu>& lse) {
    Tensor<S, Cpu> out({g.batch * g.queries, cols});
    lse = Tensor<S, Cpu>({ops::attention_lse_size(g)});
    ops::attention_forward(context, g, query(), key(), value(), pad_row, rel_h, rel_w, out.view().matrix(), lse.view());
    return out;
  }

  /// dq, dk, dv, dpad_row, drel_h, drel_w of sum(out * dout), in the layout of q, kv (zero where nobody reads) and so
  /// on.
  std::vector<Tensor<S, Cpu>> backward(Context<Cpu>& context, const Tensor<S, Cpu>& dout) {
    Tensor<S, Cpu> lse;
    const auto out = forward(context, lse);
    Tensor<S, Cpu> dq(q.shape()), dkv(kv.shape()), dpad(pad_row.shape()), dh(rel_h.shape()), dw(rel_w.shape());
    ops::attention_backward(context, g, query(), key(), value(), pad_row, rel_h, rel_w, out.view().matrix(), lse,
                            dout.view().matrix(), dq.view().matrix().columns(2, cols),
                            dkv.view().matrix().columns(0, cols), dkv.view().matrix().columns(cols, cols), dpad.view(),
                            dh.view(), dw.view());
    return {dq, dkv, dpad, dh, dw};
  }

  /// Straight from the definition: the whole grid padded, one window after the other, one query after the other.
  std::vector<double> naive() {
    const bool windows = g.window > 0;
    const Index wh = windows ? (g.grid_h + g.window - 1) / g.window : 1,
                ww = windows ? (g.grid_w + g.window - 1) / g.window : 1;
    const Index h = g.table_h(), w = g.table_w(), dim = g.head_dim;
    std::vector<double> out(static_cast<std::size_t>(g.batch * g.queries * cols));
    for (Index b = 0; b < g.batch; ++b) {
      for (Index window = 0; window < wh * ww; ++window) {
        // Rows of tokens of this window, -1: padded.
        std::vector<Index> queries, keys;
        if (windows) {
          for (Index y = 0; y < h; ++y) {
            for (Index x = 0; x < w; ++x) {
              const Index gy = window / ww * h + y, gx = window % ww * w + x;
              keys.push_back(gy < g.grid_h && gx < g.grid_w ? b * g.keys + gy * g.grid_w + gx : -1);
            }
          }
          queries = keys;
        } else {
          for (Index i = 0; i < g.queries; ++i) queries.push_back(b * g.queries + i);
          for (Index i = 0; i < g.keys; ++i) keys.push_back(b * g.keys + i);
        }
        for (Index head = 0; head < g.heads; ++head) {
          const auto element = [&](MatrixView<S, Cpu> m, Index row, Index c, Index part) {
            const Index column = head * dim + c;
            if (row >= 0) return static_cast<double>(m.data[row * m.stride + column]);
            return pad_row.empty() ? 0.0 : static_cast<double>(pad_row.data()[part * cols + column]);
          };
          for (std::size_t i = 0; i < queries.size(); ++i) {
            if (queries[i] < 0) continue;
            const Index qi = static_cast<Index>(i);
            std::vector<double> weights;
            double total = 0;
            for (std::size_t j = 0; j < keys.size(); ++j) {
              const Index ki = static_cast<Index>(j);
              double score = 0;
              for (Index c = 0; c < dim; ++c) {
                const double from = element(query(), queries[i], c, 0);
                score += from * element(key(), keys[j], c, 1) / std::sqrt(static_cast<double>(dim));
                if (!rel_h.empty()) {
                  score += from * static_cast<double>(rel_h.data()[(qi / w - ki / w + h - 1) * dim + c]);
                  score += from * static_cast<double>(rel_w.data()[(qi % w - ki % w + w - 1) * dim + c]);
                }
              }
              weights.push_back(std::exp(score));
              total += weights.back();
            }
            for (Index c = 0; c < dim; ++c) {
              double sum = 0;
              for (std::size_t j = 0; j < keys.size(); ++j) sum += weights[j] / total * element(value(), keys[j], c, 2);
              out[static_cast<std::size_t>(queries[i] * cols + head * dim + c)] = sum;
            }
          }
        }
      }
    }
    return out;
  }
};

const ops::AttentionGeometry plain{.batch = 2, .heads = 3, .head_dim = 8, .queries = 7, .keys = 300};
const ops::AttentionGeometry global{
    .batch = 1, .heads = 2, .head_dim = 5, .queries = 299, .keys = 299, .grid_h = 13, .grid_w = 23};
const ops::AttentionGeometry windowed{
    .batch = 2, .heads = 2, .head_dim = 4, .queries = 35, .keys = 35, .grid_h = 5, .grid_w = 7, .window = 3};
const ops::AttentionGeometry large_window{
    .batch = 1, .heads = 1, .head_dim = 3, .queries = 380, .keys = 380, .grid_h = 20, .grid_w = 19, .window = 17};

template <class S>
void check_forward(const ops::AttentionGeometry& g, bool relative, bool padding) {
  Context<Cpu> context(2);
  Problem<S> problem(g, relative, padding);
  Tensor<S, Cpu> lse;
  CHECK(difference(problem.forward(context, lse).to_host(), problem.naive()) <
        (std::is_same_v<S, float> ? 2e-6 : 1e-14));
}

void check_backward(const ops::AttentionGeometry& g, bool relative, bool padding) {
  Context<Cpu> context(2);
  Problem<double> problem(g, relative, padding);
  const auto dout = random_tensor<double>({g.batch * g.queries, problem.cols}, 9);
  const auto gradients = problem.backward(context, dout);
  const auto loss = [&] {
    Tensor<double, Cpu> lse;
    return dot(problem.forward(context, lse), dout);
  };
  check_gradient(loss, problem.q, gradients[0]);
  check_gradient(loss, problem.kv, gradients[1]);
  if (padding) check_gradient(loss, problem.pad_row, gradients[2]);
  if (relative) {
    check_gradient(loss, problem.rel_h, gradients[3]);
    check_gradient(loss, problem.rel_w, gradients[4]);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("attention agrees with its definition", S, float, double) {
  check_forward<S>(plain, false, false);
  check_forward<S>(global, false, false);
  check_forward<S>(global, true, false);
  check_forward<S>(windowed, false, false);
  check_forward<S>(windowed, true, false);
  check_forward<S>(windowed, true, true);
  check_forward<S>(large_window, true, true);
}

TEST_CASE("attention gradients") {
  check_backward(plain, false, false);
  check_backward(global, true, false);
  check_backward(windowed, true, false);
  check_backward(windowed, true, true);
  check_backward(large_window, true, true);
}

TEST_CASE("attention without the wish for table gradients, and adding to them") {
  Context<Cpu> context(2);
  Problem<double> problem(windowed, true, true);
  const auto dout = random_tensor<double>({70, problem.cols}, 9);
  const auto gradients = problem.backward(context, dout);
  Tensor<double, Cpu> lse, dq({70, problem.cols}), dk({70, problem.cols}), dv({70, problem.cols});
  const auto out = problem.forward(context, lse);
  auto twice = gradients[3];
  ops::attention_backward(context, problem.g, problem.query(), problem.key(), problem.value(), problem.pad_row,
                          problem.rel_h, problem.rel_w, out.view().matrix(), lse, dout.view().matrix(),
                          dq.view().matrix(), dk.view().matrix(), dv.view().matrix(), {}, twice.view(), {});
  for (Index i = 0; i < twice.size(); ++i) CHECK(twice.data()[i] == doctest::Approx(2 * gradients[3].data()[i]));
  for (Index i = 0; i < dq.size(); ++i) {
    CHECK(dq.data()[i] == gradients[0].data()[i / problem.cols * problem.q.dim(1) + 2 + i % problem.cols]);
  }
}

TEST_CASE("attention survives large scores") {
  Context<Cpu> context(2);
  Problem<float> problem(plain, false, false);
  for (Index i = 0; i < problem.q.size(); ++i) problem.q.data()[i] *= 1e4f;
  Tensor<float, Cpu> lse;
  for (const float value : problem.forward(context, lse).to_host()) REQUIRE(std::isfinite(value));
}

TEST_CASE("attention does not depend on the thread count") {
  for (const auto& g : {plain, global, windowed, large_window}) {
    const bool grid = g.grid_h > 0;
    Problem<float> problem(g, grid, g.window > 0);
    const auto dout = random_tensor<float>({g.batch * g.queries, problem.cols}, 9);
    check_threads([&](Context<Cpu>& context) {
      Tensor<float, Cpu> lse;
      return problem.forward(context, lse);
    });
    const std::size_t last = grid ? 5 : 2;
    for (std::size_t which = 0; which < last; ++which) {
      check_threads([&](Context<Cpu>& context) { return problem.backward(context, dout)[which]; });
    }
  }
}

TEST_CASE("attention refuses what does not fit and allocates nothing when warm") {
  Context<Cpu> context(2);
  Problem<float> problem(windowed, true, true);
  Tensor<float, Cpu> lse;
  problem.forward(context, lse);
  const auto dout = random_tensor<float>({70, problem.cols}, 9);
  problem.backward(context, dout);
  const std::size_t before = context.workspace.allocations();
  problem.backward(context, dout);
  CHECK(context.workspace.allocations() == before);
  problem.g.grid_w = 6;
  CHECK_THROWS_AS(problem.forward(context, lse), ShapeError);
  problem.g = windowed;
  problem.rel_w = {};
  CHECK_THROWS_AS(problem.forward(context, lse), ShapeError);
}
