#include <numbers>
#include <ssam/ops/cpu/fourier.hpp>
#include <ssam/ops/cpu/pool.hpp>

#include "testing.hpp"

using namespace ssam;
using namespace ssam::testing;

TEST_CASE("max pooling takes the largest of four, its gradient goes to the first of the largest") {
  Context<Cpu> context(2);
  Tensor<double, Cpu> x = random_tensor<double>({2, 6, 4, 3}, 1), y({2, 3, 2, 3}), dx(x.shape());
  ops::max_pool_forward<double>(context, x, y.view());
  const auto at = [&](Index b, Index h, Index w, Index c) -> double& {
    return x.data()[((b * 6 + h) * 4 + w) * 3 + c];
  };
  for (Index b = 0; b < 2; ++b) {
    for (Index h = 0; h < 3; ++h) {
      for (Index w = 0; w < 2; ++w) {
        for (Index c = 0; c < 3; ++c) {
          const double largest = std::max({at(b, 2 * h, 2 * w, c), at(b, 2 * h, 2 * w + 1, c),
                                           at(b, 2 * h + 1, 2 * w, c), at(b, 2 * h + 1, 2 * w + 1, c)});
          CHECK(y.data()[((b * 3 + h) * 2 + w) * 3 + c] == largest);
        }
      }
    }
  }
  check_threads([&](Context<Cpu>& threads) {
    Tensor<double, Cpu> pooled(y.shape());
    ops::max_pool_forward<double>(threads, x, pooled.view());
    return pooled;
  });
  const Tensor<double, Cpu> dy = random_tensor<double>(y.shape(), 2);
  check_threads([&](Context<Cpu>& threads) {
    Tensor<double, Cpu> back(x.shape());
    ops::max_pool_backward<double>(threads, x, dy, back.view());
    return back;
  });
  ops::max_pool_backward<double>(context, x, dy, dx.view());
  const auto loss = [&] {
    ops::max_pool_forward<double>(context, x, y.view());
    return dot(y, dy);
  };
  check_gradient(loss, x, dx);

  Tensor<double, Cpu> equal({1, 2, 2, 1}, {7, 7, 7, 7}), dequal({1, 2, 2, 1});
  ops::max_pool_backward<double>(context, equal, Tensor<double, Cpu>({1, 1, 1, 1}, {3}), dequal.view());
  CHECK(dequal.to_host() == std::vector<double>{3, 0, 0, 0});
  CHECK_THROWS_AS(ops::max_pool_forward<double>(context, random_tensor<double>({1, 3, 2, 1}, 1), y.view()), ShapeError);
}

TEST_CASE("random-Fourier positions are sines and cosines of the coordinates, on a grid and of points") {
  Context<Cpu> context(2);
  const Tensor<double, Cpu> gaussian = random_tensor<double>({2, 5}, 1), kinds = random_tensor<double>({4, 10}, 2),
                            nothing = random_tensor<double>({10}, 3);
  Tensor<double, Cpu> grid({3 * 4, 10}), tokens({3, 10});
  ops::fourier_grid<double>(context, gaussian, 3, 4, grid.view());
  const auto expected = [&](double x, double y, Index c) {
    const double angle =
        2 * std::numbers::pi * ((2 * x - 1) * gaussian.data()[c % 5] + (2 * y - 1) * gaussian.data()[5 + c % 5]);
    return c < 5 ? std::sin(angle) : std::cos(angle);
  };
  for (Index i = 0; i < 12; ++i) {
    for (Index c = 0; c < 10; ++c) {
      const double x = (static_cast<double>(i % 4) + 0.5) / 4, y = (static_cast<double>(i / 4) + 0.5) / 3;
      CHECK(grid.data()[10 * i + c] == doctest::Approx(expected(x, y, c)).epsilon(1e-12));
    }
  }
  const std::vector<ops::FourierToken> points{{0.25, 0.75, 1}, {}, {1.5, -0.5, 3}};
  ops::fourier_tokens<double>(context, gaussian, kinds, nothing, {points.data(), {3}}, tokens.view());
  for (Index c = 0; c < 10; ++c) {
    CHECK(tokens.data()[c] == doctest::Approx(expected(0.25, 0.75, c) + kinds.data()[10 + c]));
    CHECK(tokens.data()[10 + c] == nothing.data()[c]);
    CHECK(tokens.data()[20 + c] == doctest::Approx(expected(1.5, -0.5, c) + kinds.data()[30 + c]));
  }
  CHECK_THROWS_AS(ops::fourier_grid<double>(context, gaussian, 3, 3, grid.view()), ShapeError);
}
