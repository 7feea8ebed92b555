#include <ssam/ops/cpu/activation.hpp>

#include "testing.hpp"

using namespace ssam;
using namespace ssam::testing;

namespace {
double gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
}  // namespace

TEST_CASE("gelu in float is accurate in both tails") {
  Context<Cpu> context(2);
  std::vector<float> points;
  for (int i = -1500; i <= 4000; ++i) points.push_back(static_cast<float>(i) * 0.00937f);
  const Index count = static_cast<Index>(points.size());
  const Tensor<float, Cpu> x({count}, points), ones({count}, std::vector<float>(points.size(), 1.0f));
  Tensor<float, Cpu> y({count}), dx({count});
  ops::gelu_forward(context, x, y.view());
  ops::gelu_backward(context, x, ones, dx.view());
  double worst = 0, worst_slope = 0;
  for (Index i = 0; i < count; ++i) {
    const double at = static_cast<double>(x.data()[i]), exact = gelu(at);
    const double slope = 0.5 * std::erfc(-at / std::sqrt(2.0)) + at * std::exp(-0.5 * at * at) / std::sqrt(2 * M_PI);
    if (at != 0 && at > -13) worst = larger(worst, std::abs(static_cast<double>(y.data()[i]) / exact - 1));
    worst_slope = larger(worst_slope, std::abs(static_cast<double>(dx.data()[i]) - slope));
  }
  CHECK(worst < 7e-7);
  CHECK(worst_slope < 3e-7);
  const Tensor<float, Cpu> extremes({4}, {-1e30f, -40.0f, 40.0f, 1e30f});
  Tensor<float, Cpu> far({4});
  ops::gelu_forward(context, extremes, far.view());
  CHECK(far.to_host() == std::vector<float>{0.0f, 0.0f, 40.0f, 1e30f});
}

TEST_CASE("activations and their gradients in double") {
  Context<Cpu> context(2);
  const Shape shape{13, 101};
  auto x = random_tensor<double>(shape, 1, 2.0);
  const auto weights = random_tensor<double>(shape, 2);
  Tensor<double, Cpu> y(shape);
  const auto check = [&](const auto& forward, const auto& expected, const Tensor<double, Cpu>& dx) {
    const auto loss = [&] {
      forward();
      return dot(y, weights);
    };
    loss();
    std::vector<double> values;
    for (Index i = 0; i < x.size(); ++i) values.push_back(expected(x.data()[i]));
    CHECK(difference(y.to_host(), values) < 1e-15);
    check_gradient(loss, x, dx);
  };
  auto dx = weights;  // in place
  ops::gelu_backward(context, x, dx, dx.view());
  check([&] { ops::gelu_forward(context, x, y.view()); }, gelu, dx);

  dx = weights;
  ops::relu_backward(context, x, dx, dx.view());
  check([&] { ops::relu_forward(context, x, y.view()); }, [](double v) { return v > 0 ? v : 0; }, dx);

  dx = weights;
  ops::sigmoid_forward(context, x, y.view());
  ops::sigmoid_backward(context, y, dx, dx.view());
  check([&] { ops::sigmoid_forward(context, x, y.view()); }, [](double v) { return 1 / (1 + std::exp(-v)); }, dx);
}

TEST_CASE("activations in float follow double") {
  Context<Cpu> context(2);
  const auto x = random_tensor<float>({40000}, 1, 4.0);
  Tensor<float, Cpu> y({40000});
  ops::sigmoid_forward(context, x, y.view());
  std::vector<double> expected;
  for (const float v : x.to_host()) expected.push_back(1 / (1 + std::exp(-static_cast<double>(v))));
  CHECK(difference(y.to_host(), expected) < 2e-7);
  const Tensor<float, Cpu> special({3}, {-1000.0f, 1000.0f, NAN});
  Tensor<float, Cpu> out({3});
  ops::sigmoid_forward(context, special, out.view());
  CHECK(out.data()[0] >= 0.0f);
  CHECK(out.data()[0] < 1e-30f);
  CHECK(out.data()[1] == 1.0f);
  ops::relu_forward(context, special, out.view());
  CHECK(out.data()[0] == 0.0f);
  CHECK(out.data()[1] == 1000.0f);
  CHECK(std::isnan(out.data()[2]));
  CHECK_THROWS_AS(ops::gelu_forward(context, x, out.view()), ShapeError);
  check_threads([&](Context<Cpu>& pool) {
    Tensor<float, Cpu> result({40000});
    ops::gelu_forward(pool, x, result.view());
    return result;
  });
}
