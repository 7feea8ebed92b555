#include <ssam/ops/cpu/activation.hpp>
#include <ssam/ops/cuda/activation.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

TEST_CASE_TEMPLATE("activations and their gradients, in place and not", S, float, double) {
  for (const Index size : {1, 3, 4, 1027}) {
    for (const Index first : {0, 1}) {
      CAPTURE(size);
      CAPTURE(first);
      const std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>({size + 1}, 1, 3), random_tensor<S>({size + 1}, 2),
                                                random_tensor<S>({size + 1}, 3)};
      const auto check = [&](const auto& op) {
        check_parity<S>(tensors, [&](auto& context, auto& t) {
          op(context, part(t[0], first, {size}), part(t[1], first, {size}), part(t[2], first, {size}));
        });
      };
      check([](auto& context, auto x, auto, auto out) { ops::gelu_forward<S>(context, x, out); });
      check([](auto& context, auto x, auto, auto) { ops::gelu_forward<S>(context, x, x); });
      check([](auto& context, auto x, auto dy, auto out) { ops::gelu_backward<S>(context, x, dy, out); });
      check([](auto& context, auto x, auto dy, auto) { ops::gelu_backward<S>(context, x, dy, dy); });
      check([](auto& context, auto x, auto, auto out) { ops::relu_forward<S>(context, x, out); });
      check([](auto& context, auto x, auto dy, auto out) { ops::relu_backward<S>(context, x, dy, out); });
      check([](auto& context, auto x, auto, auto) { ops::sigmoid_forward<S>(context, x, x); });
      check([](auto& context, auto x, auto dy, auto out) { ops::sigmoid_backward<S>(context, x, dy, out); });
      check([](auto& context, auto x, auto dy, auto) { ops::sigmoid_backward<S>(context, x, dy, dy); });
    }
  }
}

TEST_CASE("gelu of the GPU in float is accurate in both tails") {
  std::vector<float> points;
  for (int i = -1380; i <= 1500; ++i) points.push_back(static_cast<float>(i) * 0.00937f);
  const Index count = static_cast<Index>(points.size());
  Context<Cuda> context(1);
  const Tensor<float, Cuda> x({count}, points), ones({count}, std::vector<float>(points.size(), 1.0f));
  Tensor<float, Cuda> y({count}), dx({count});
  ops::gelu_forward<float>(context, x, y);
  ops::gelu_backward<float>(context, x, ones, dx);
  context.synchronize();
  const auto values = y.to_host(), slopes = dx.to_host();
  double worst = 0, worst_slope = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double at = static_cast<double>(points[i]), cumulative = 0.5 * std::erfc(-at / std::sqrt(2.0));
    if (at != 0) worst = larger(worst, std::abs(static_cast<double>(values[i]) / (at * cumulative) - 1));
    const double slope = cumulative + at * std::exp(-0.5 * at * at) / std::sqrt(2 * M_PI);
    worst_slope = larger(worst_slope, std::abs(static_cast<double>(slopes[i]) - slope));
  }
  CHECK(worst < 7e-7);
  CHECK(worst_slope < 3e-7);
}

TEST_CASE("activations of the GPU at the ends of the numbers") {
  Context<Cuda> context(1);
  const Tensor<float, Cuda> x({6}, {-1e30f, -40, 40, 1e30f, 0, NAN});
  const Tensor<float, Cuda> dy({6}, std::vector<float>(6, 2.0f));
  Tensor<float, Cuda> y({6});
  const auto found = [&] {
    context.synchronize();
    auto values = y.to_host();
    CHECK(std::isnan(values.back()));
    values.pop_back();
    return values;
  };
  ops::gelu_forward<float>(context, x, y);
  CHECK(found() == std::vector<float>{0, 0, 40, 1e30f, 0});
  ops::relu_forward<float>(context, x, y);
  CHECK(found() == std::vector<float>{0, 0, 40, 1e30f, 0});
  ops::sigmoid_forward<float>(context, x, y);
  const auto probability = found();
  CHECK(probability[0] == 0);
  CHECK(probability[3] == 1);
  CHECK(probability[4] == 0.5f);
  ops::relu_backward<float>(context, x, dy, y);
  context.synchronize();
  CHECK(y.to_host() == std::vector<float>{0, 0, 2, 2, 0, 0});
  Tensor<float, Cuda> five({5});
  CHECK_THROWS_AS(ops::gelu_forward<float>(context, x, five), ShapeError);
  CHECK_THROWS_AS(ops::relu_backward<float>(context, x, five, y), ShapeError);
}
