#include <ssam/ops/cpu/elementwise.hpp>
#include <ssam/ops/cpu/gemm.hpp>

#include "testing.hpp"

using namespace ssam;
using namespace ssam::testing;

TEST_CASE_TEMPLATE("linear agrees with plain loops on columns of wider matrices", S, float, double) {
  constexpr Index n = 211, in = 37, out = 19, wide = 50;
  Context<Cpu> context(2);
  const auto x = random_tensor<S>({n, wide}, 1), w = random_tensor<S>({out, wide}, 2),
             bias = random_tensor<S>({out}, 3);
  const auto from = x.view().matrix().columns(5, in), weight = w.view().matrix().columns(11, in);
  for (const bool with_bias : {true, false}) {
    CAPTURE(with_bias);
    auto y = random_tensor<S>({n, wide}, 4);
    std::vector<double> expected;
    for (const S value : y.to_host()) expected.push_back(static_cast<double>(value));  // what is beside y stays
    for (Index r = 0; r < n; ++r) {
      for (Index c = 0; c < out; ++c) {
        double sum = with_bias ? static_cast<double>(bias.data()[c]) : 0;
        for (Index k = 0; k < in; ++k) {
          sum += static_cast<double>(from.data[r * wide + k]) * static_cast<double>(weight.data[c * wide + k]);
        }
        expected[static_cast<std::size_t>(r * wide + 7 + c)] = sum;
      }
    }
    ops::linear<S>(context, from, weight, with_bias ? bias.view() : TensorView<const S, Cpu>{},
                   y.view().matrix().columns(7, out));
    CHECK(difference(y.to_host(), expected) < (std::is_same_v<S, float> ? 1e-6 : 1e-14));
  }
}

TEST_CASE("linear is a product and add_row, bit for bit, whatever the threads") {
  const auto x = random_tensor<float>({300, 65}, 1), w = random_tensor<float>({33, 65}, 2),
             bias = random_tensor<float>({33}, 3);
  Context<Cpu> context(1);
  Tensor<float, Cpu> y({300, 33});
  ops::matmul<float>(context, ops::Transpose::no, ops::Transpose::yes, x.view().matrix(), w.view().matrix(),
                     y.view().matrix());
  ops::add_row<float>(context, bias, y.view().matrix());
  check_threads([&](Context<Cpu>& threads) {
    Tensor<float, Cpu> found({300, 33});
    ops::linear<float>(threads, x.view().matrix(), w.view().matrix(), bias, found.view().matrix());
    CHECK(found.to_host() == y.to_host());
    return found;
  });
}

TEST_CASE("a linear with nothing to sum over is its bias; one that does not fit throws") {
  Context<Cpu> context(1);
  const Tensor<float, Cpu> x({3, 4}), w({5, 4}), bias({5}, {1, 2, 3, 4, 5});
  Tensor<float, Cpu> y({3, 5});
  ops::linear<float>(context, x.view().matrix().columns(0, 0), w.view().matrix().columns(0, 0), bias,
                     y.view().matrix());
  CHECK(y.to_host() == std::vector<float>{1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5});
  const auto throws = [&](auto from, auto weight, TensorView<const float, Cpu> row, auto to) {
    CHECK_THROWS_AS(ops::linear<float>(context, from, weight, row, to), ShapeError);
  };
  const auto from = x.view().matrix(), weight = w.view().matrix();
  throws(from.columns(0, 3), weight, bias, y.view().matrix());
  throws(from, weight, bias, y.view().matrix().columns(0, 4));
  throws(from, weight, {bias.data(), {4}}, y.view().matrix());
  throws(MatrixView<const float, Cpu>{x.data(), 2, 4, 4}, weight, bias, y.view().matrix());
}
