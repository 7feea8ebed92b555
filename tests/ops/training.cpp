#include <filesystem>
#include <ssam/io/safetensors.hpp>
#include <ssam/ops/cpu/loss.hpp>
#include <ssam/ops/cpu/optimizer.hpp>

#include "testing.hpp"

using namespace ssam;
using namespace ssam::testing;
using Double = Tensor<double, Cpu>;

namespace {
/// Probabilities in (0, 1) and masks of 0 and 1.
Double probabilities(Index count) {
  auto p = random_tensor<double>({count}, 1, 2.0);
  for (Index i = 0; i < count; ++i) p.data()[i] = 1 / (1 + std::exp(-p.data()[i]));
  return p;
}
Double masks(Index count) {
  auto t = random_tensor<double>({count}, 2);
  for (Index i = 0; i < count; ++i) t.data()[i] = t.data()[i] > 0.3 ? 1 : 0;
  return t;
}
}  // namespace

TEST_CASE("mask loss agrees with its definition") {
  Context<Cpu> context(2);
  const Index count = 10007;
  const auto p = probabilities(count), t = masks(count);
  double overlap = 0, area = 0, reference = 0, corrected = 0;
  for (Index i = 0; i < count; ++i) {
    const double x = p.data()[i], y = t.data()[i], match = y > 0 ? x : 1 - x, alpha = y > 0 ? 0.75 : 0.25;
    const double again = 1 / (1 + std::exp(-x));
    overlap += x * y;
    area += x + y;
    reference += alpha * std::pow(1 - match, 3) * -std::log(y > 0 ? again : 1 - again) / static_cast<double>(count);
    corrected += alpha * std::pow(1 - match, 3) * -std::log(match) / static_cast<double>(count);
  }
  const double dice = 1 - (2 * overlap + 1) / (area + 1);
  const auto loss = [&](ops::FocalForm form) {
    return ops::mask_loss<double>(context, p, t, {.dice_weight = 0.7, .focal_weight = 1.3, .form = form}, {});
  };
  CHECK(loss(ops::FocalForm::reference) == doctest::Approx(0.7 * dice + 1.3 * reference).epsilon(1e-12));
  CHECK(loss(ops::FocalForm::corrected) == doctest::Approx(0.7 * dice + 1.3 * corrected).epsilon(1e-12));
  Double wrong({3});
  CHECK_THROWS_AS(ops::mask_loss<double>(context, p, wrong, {}, {}), ShapeError);
  CHECK_THROWS_AS(ops::mask_loss<double>(context, {}, {}, {}, {}), ShapeError);
}

TEST_CASE("mask loss gradients") {
  Context<Cpu> context(2);
  const Index count = 301;
  auto p = probabilities(count);
  const auto t = masks(count);
  for (const auto form : {ops::FocalForm::reference, ops::FocalForm::corrected}) {
    for (const double gamma : {3.0, 2.0, 1.0, 0.0}) {
      const ops::MaskLossOptions options{.dice_weight = 0.7, .focal_weight = 1.3, .gamma = gamma, .form = form};
      Double dp({count});
      ops::mask_loss(context, p, t, options, dp.view(), 2.5);
      check_gradient([&] { return 2.5 * ops::mask_loss<double>(context, p, t, options, {}); }, p, dp);
    }
  }
}

TEST_CASE("mask loss stays finite at certain probabilities") {
  Context<Cpu> context(1);
  const Double p({4}, {0, 1, 0, 1}), t({4}, {0, 0, 1, 1});
  for (const auto form : {ops::FocalForm::reference, ops::FocalForm::corrected}) {
    Double dp({4});
    CHECK(std::isfinite(ops::mask_loss(context, p, t, {.form = form}, dp.view())));
    for (const double value : dp.to_host()) CHECK(std::isfinite(value));
  }
}

TEST_CASE("mask loss and squared norm do not depend on the thread count") {
  const auto p = probabilities(50001), t = masks(50001);
  check_threads([&](Context<Cpu>& context) {
    Double result({2});
    result.data()[0] = ops::mask_loss<double>(context, p, t, {}, {});
    result.data()[1] = ops::squared_norm(context, p.view());
    return result;
  });
  Context<Cpu> context(2);
  CHECK(ops::squared_norm(context, p.view()) == doctest::Approx(dot(p, p)).epsilon(1e-12));
}

TEST_CASE("mask loss reproduces the first loss of recorded runs") {
  const std::filesystem::path folder = std::filesystem::path(SSAM_TEST_DIR) / "golden";
  const auto inputs = load_safetensors(folder / "train_inputs.safetensors");
  const auto batch = inputs.at("masks").to<float>();
  Context<Cpu> context(2);
  const Index count = 3 * 128 * 128;
  const Tensor<float, Cpu> t({count}, std::vector<float>(batch.begin(), batch.begin() + count));
  for (const std::string run : {"ssam_paper", "ssam_release"}) {
    CAPTURE(run);
    const auto recorded = load_safetensors(folder / (run + "_train.safetensors"));
    const Tensor<float, Cpu> p({count}, recorded.at("prob.0").to<float>());
    const auto form = run == "ssam_release" ? ops::FocalForm::reference : ops::FocalForm::corrected;
    CHECK(ops::mask_loss<float>(context, p, t, {.form = form}, {}) ==
          doctest::Approx(recorded.at("losses").to<double>()[0]).epsilon(1e-6));
  }
}

TEST_CASE_TEMPLATE("AdamW follows PyTorch's formulas", S, float, double) {
  Context<Cpu> context(2);
  const Index count = 101;
  const auto start = random_tensor<S>({count}, 1);
  auto value = start;
  Tensor<S, Cpu> m({count}), v({count});
  std::vector<double> x, first(101), second(101);
  for (const S element : start.to_host()) x.push_back(static_cast<double>(element));
  for (Index step = 1; step <= 5; ++step) {
    const auto grad = random_tensor<S>({count}, 10 + static_cast<std::uint64_t>(step));
    ops::adamw_step(context, grad, S(0.5),
                    {.lr = 1e-2, .beta1 = 0.8, .beta2 = 0.99, .eps = 1e-6, .weight_decay = 0.1, .step = step},
                    value.view(), m.view(), v.view());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double g = 0.5 * static_cast<double>(grad.data()[i]), t = static_cast<double>(step);
      x[i] *= 1 - 1e-2 * 0.1;
      first[i] = 0.8 * first[i] + (1 - 0.8) * g;
      second[i] = 0.99 * second[i] + (1 - 0.99) * g * g;
      const double first_hat = first[i] / (1 - std::pow(0.8, t)), second_hat = second[i] / (1 - std::pow(0.99, t));
      x[i] -= 1e-2 * first_hat / (std::sqrt(second_hat) + 1e-6);
    }
  }
  const double tolerance = std::is_same_v<S, float> ? 1e-6 : 1e-14;
  CHECK(difference(value.to_host(), x) < tolerance);
  CHECK(difference(m.to_host(), first) < tolerance);
  CHECK(difference(v.to_host(), second) < tolerance);
  CHECK_THROWS_AS(ops::adamw_step(context, start, 1, {.step = 0}, value.view(), m.view(), v.view()), ConfigError);
}
