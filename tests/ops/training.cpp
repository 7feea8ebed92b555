#include <filesystem>
#include <ssam/io/safetensors.hpp>
#include <ssam/ops/cpu/loss.hpp>
#include <ssam/ops/cpu/optimizer.hpp>

#include "../loss_value.hpp"
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

/// A table for the optimiser's ops, with its chunks counted.
template <class S>
struct Table {
  Tensor<ops::AdamWTensor<S>, Cpu> tensors;
  Index chunks = 0;
};
template <class S>
Table<S> table_of(std::vector<ops::AdamWTensor<S>> tensors) {
  Table<S> table;
  for (auto& tensor : tensors) {
    tensor.first_chunk = table.chunks;
    table.chunks += ops::adamw_chunks(tensor.size);
  }
  table.tensors = Tensor<ops::AdamWTensor<S>, Cpu>({static_cast<Index>(tensors.size())}, tensors);
  return table;
}

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
    return testing::loss_value<double>(context, p, t, {.dice_weight = 0.7, .focal_weight = 1.3, .form = form}, {});
  };
  CHECK(loss(ops::FocalForm::reference) == doctest::Approx(0.7 * dice + 1.3 * reference).epsilon(1e-12));
  CHECK(loss(ops::FocalForm::corrected) == doctest::Approx(0.7 * dice + 1.3 * corrected).epsilon(1e-12));
  Double wrong({3});
  CHECK_THROWS_AS(testing::loss_value<double>(context, p, wrong, {}, {}), ShapeError);
  CHECK_THROWS_AS(testing::loss_value<double>(context, {}, {}, {}, {}), ShapeError);
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
      testing::loss_value<double>(context, p, t, options, dp.view(), 2.5);
      check_gradient([&] { return testing::loss_value<double>(context, p, t, options, {}, 2.5); }, p, dp);
    }
  }
}

TEST_CASE("mask loss stays finite at certain probabilities") {
  Context<Cpu> context(1);
  const Double p({4}, {0, 1, 0, 1}), t({4}, {0, 0, 1, 1});
  for (const auto form : {ops::FocalForm::reference, ops::FocalForm::corrected}) {
    Double dp({4});
    CHECK(std::isfinite(testing::loss_value<double>(context, p, t, {.form = form}, dp.view())));
    for (const double value : dp.to_host()) CHECK(std::isfinite(value));
  }
}

TEST_CASE("mask loss adds to what is there") {
  Context<Cpu> context(1);
  const auto p = probabilities(100), t = masks(100);
  Double sum(Shape{1}, {5});
  ops::mask_loss<double>(context, p, t, {}, {}, 0.5, sum.view());
  CHECK(sum.data()[0] == doctest::Approx(5 + 0.5 * testing::loss_value<double>(context, p, t, {})).epsilon(1e-14));
  Double two(Shape{2});
  CHECK_THROWS_AS(ops::mask_loss<double>(context, p, t, {}, {}, 1, two.view()), ShapeError);
}

TEST_CASE("mask loss and squared norm do not depend on the thread count") {
  const auto p = probabilities(50001), t = masks(50001);
  check_threads([&](Context<Cpu>& context) {
    Double result({2});
    result.data()[0] = testing::loss_value<double>(context, p, t, {}, {});
    auto grad = p;
    const auto table = table_of<double>({{nullptr, grad.data(), nullptr, nullptr, grad.size()}});
    ops::squared_norm<double>(context, table.tensors, table.chunks, TensorView<double, Cpu>(result.data() + 1, {1}));
    CHECK(result.data()[1] == doctest::Approx(dot(p, p)).epsilon(1e-12));
    return result;
  });
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
    CHECK(testing::loss_value<float>(context, p, t, {.form = form}, {}) ==
          doctest::Approx(recorded.at("losses").to<double>()[0]).epsilon(1e-6));
  }
}

TEST_CASE_TEMPLATE("AdamW follows PyTorch's formulas over several tensors", S, float, double) {
  Context<Cpu> context(2);
  constexpr Index late = 3;  // the last tensor joins at the fourth step
  const Index sizes[] = {101, 1, 9001};
  for (const double clip : {0.0, 1e9, 7.0}) {
    CAPTURE(clip);
    std::vector<Tensor<S, Cpu>> value, grad, m, v;
    std::vector<std::vector<double>> x, first, second;
    for (const Index size : sizes) {
      value.push_back(random_tensor<S>({size}, static_cast<std::uint64_t>(size)));
      for (auto* zeros : {&grad, &m, &v}) zeros->emplace_back(Shape{size});
      x.emplace_back(value.back().data(), value.back().data() + size);
      first.emplace_back(static_cast<std::size_t>(size));
      second.emplace_back(static_cast<std::size_t>(size));
    }
    for (Index step = 1; step <= 5; ++step) {
      const std::size_t count = step > late ? 3 : 2;
      std::vector<ops::AdamWTensor<S>> tensors;
      double square = 0;
      std::vector<std::vector<double>> gradients;
      for (std::size_t k = 0; k < count; ++k) {
        grad[k] = random_tensor<S>({sizes[k]}, 10 + static_cast<std::uint64_t>(step));
        gradients.emplace_back(grad[k].data(), grad[k].data() + sizes[k]);
        for (const double g : gradients[k]) square += g * g;
        tensors.push_back(
            {value[k].data(), grad[k].data(), m[k].data(), v[k].data(), sizes[k], k == 2 ? late : Index{0}});
      }
      const auto table = table_of<S>(tensors);
      Tensor<double, Cpu> norm(Shape{1});
      ops::squared_norm<S>(context, table.tensors, table.chunks, norm.view());
      CHECK(norm.data()[0] == doctest::Approx(square).epsilon(1e-6));
      ops::adamw_step<S>(context, table.tensors, table.chunks,
                         {.lr = 1e-2, .beta1 = 0.8, .beta2 = 0.99, .eps = 1e-6, .weight_decay = 0.1, .step = step},
                         clip, norm);
      const double factor = clip > 0 && std::sqrt(square) > clip ? clip / std::sqrt(square) : 1;
      for (std::size_t k = 0; k < count; ++k) {
        const auto t = static_cast<double>(k == 2 ? step - late : step);
        for (std::size_t i = 0; i < x[k].size(); ++i) {
          const double g = factor * gradients[k][i];
          x[k][i] *= 1 - 1e-2 * 0.1;
          first[k][i] = 0.8 * first[k][i] + (1 - 0.8) * g;
          second[k][i] = 0.99 * second[k][i] + (1 - 0.99) * g * g;
          const double first_hat = first[k][i] / (1 - std::pow(0.8, t));
          const double second_hat = second[k][i] / (1 - std::pow(0.99, t));
          x[k][i] -= 1e-2 * first_hat / (std::sqrt(second_hat) + 1e-6);
        }
        for (const S left : grad[k].to_host()) CHECK(left == 0);
      }
    }
    const double tolerance = std::is_same_v<S, float> ? 2e-6 : 1e-13;
    for (std::size_t k = 0; k < 3; ++k) {
      CHECK(difference(value[k].to_host(), x[k]) < tolerance);
      CHECK(difference(m[k].to_host(), first[k]) < tolerance);
      CHECK(difference(v[k].to_host(), second[k]) < tolerance);
    }
  }
}

TEST_CASE("AdamW changes no parameter when the gradient is not finite, and counts from 1") {
  Context<Cpu> context(1);
  const auto start = random_tensor<double>({5}, 1);
  auto value = start;
  Double grad({5}, {1, 2, std::nan(""), 4, 5}), m({5}), v({5}), norm(Shape{1});
  const auto table = table_of<double>({{value.data(), grad.data(), m.data(), v.data(), 5}});
  ops::squared_norm<double>(context, table.tensors, table.chunks, norm.view());
  CHECK(std::isnan(norm.data()[0]));
  ops::adamw_step<double>(context, table.tensors, table.chunks, {.step = 1}, 0, norm);
  CHECK(value.to_host() == start.to_host());
  for (const auto* zeros : {&grad, &m, &v}) {
    for (const double element : zeros->to_host()) CHECK(element == 0);
  }
  CHECK_THROWS_AS(ops::adamw_step<double>(context, table.tensors, table.chunks, {.step = 0}, 0, norm), ConfigError);
}
