#include <span>
#include <ssam/adapt/bottleneck.hpp>
#include <ssam/adapt/lora_linear.hpp>
#include <ssam/adapt/qv_lora_linear.hpp>
#include <ssam/adapt/ssf.hpp>
#include <ssam/adapt/svd_linear.hpp>
#include <ssam/nn/convolution.hpp>

#include "../gradient_check.hpp"

using namespace ssam;
using namespace ssam::gradient_test;

namespace {

using Svd = SVDLinear<double, Cpu, Trained>;
using LoRA = LoRALinear<double, Cpu, 3, Trained>;

template <class Layer>
std::vector<double> answer(Layer& layer, const Tensor<double, Cpu>& x, Index out) {
  Context<Cpu> context(1);
  typename Layer::Record record;
  Tensor<double, Cpu> y({x.dim(0), out});
  layer.forward(context, x.view().matrix(), y.view().matrix(), record);
  return y.to_host();
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

Svd trained_svd(const Shape& shape) {
  Context<Cpu> context(1);
  Svd layer(shape);
  randomize_parameters(layer, 3);
  for (double& value : std::span(layer.scale.value.data(), static_cast<std::size_t>(layer.scale.value.size())))
    value += 0.5;
  layer.prepare(context);
  return layer;
}

}  // namespace

TEST_CASE("both forms of the SVD layer have the gradients of central differences") {
  for (const Shape& shape : {Shape{9, 5}, Shape{5, 9}, Shape{6, 6}}) {
    for (const auto form : {Svd::Form::factored, Svd::Form::merged}) {
      Svd layer = trained_svd(shape);
      layer.form = form;
      check_layer(layer, {7, shape[1]}, {7, shape[0]}, 3);
    }
  }
}

TEST_CASE("factored, merged and the plain merged weight give one answer; the untrained layer answers as its weight") {
  Context<Cpu> context(1);
  const Tensor<double, Cpu> x = random_tensor({7, 5}, 21);
  Svd layer = trained_svd({9, 5});
  layer.form = Svd::Form::factored;
  const auto factored = answer(layer, x, 9);
  layer.form = Svd::Form::merged;
  CHECK(distance(answer(layer, x, 9), factored) < 1e-12);
  layer.merge(context);
  CHECK_FALSE(layer.prepared());
  CHECK(distance(answer(layer, x, 9), factored) < 1e-12);

  Linear<double, Cpu, Frozen, Frozen> plain(Shape{9, 5});
  randomize_parameters(plain, 8);
  Svd fresh(Shape{9, 5});
  fresh.weight.value = plain.weight.value;
  fresh.bias.value = plain.bias.value;
  Random random(1);
  fresh.initialize(random);
  fresh.prepare(context);
  CHECK(fresh.weight.value.empty());
  CHECK(distance(answer(fresh, x, 9), answer(plain, x, 9)) < 1e-12);
}

namespace {

/// Gradients of both forms, and that merging keeps the answers.
template <class Layer>
void check_restricted(int trained, Index scaled) {
  for (const auto form : {Layer::Form::factored, Layer::Form::merged}) {
    Context<Cpu> context(1);
    Layer layer(Shape{9, 5});
    CHECK(layer.scale.value.size() == scaled);
    CHECK(layer.shift.value.size() == scaled);
    randomize_parameters(layer, 3);
    for (double& value : std::span(layer.scale.value.data(), static_cast<std::size_t>(scaled))) value += 0.5;
    layer.prepare(context);
    layer.form = form;
    check_layer(layer, {7, 5}, {7, 9}, trained);
    const Tensor<double, Cpu> x = random_tensor({7, 5}, 21);
    const auto before = answer(layer, x, 9);
    layer.merge(context);
    CHECK(distance(answer(layer, x, 9), before) < 1e-12);
  }
}

}  // namespace

TEST_CASE("scales or shifts alone, or those of the largest singular values: gradients and merging") {
  check_restricted<SVDLinear<double, Cpu, Trained, Trained, Frozen>>(2, 5);
  check_restricted<SVDLinear<double, Cpu, Trained, Frozen, Trained>>(2, 5);
  check_restricted<SVDLinear<double, Cpu, Trained, Trained, Trained, 3>>(3, 3);
}

TEST_CASE("the singular values behind the largest are left alone") {
  Context<Cpu> context(1);
  SVDLinear<double, Cpu, Frozen, Trained, Trained, 2> layer(Shape{9, 5});
  randomize_parameters(layer, 3);
  Random random(1);
  layer.initialize(random);
  layer.prepare(context);
  const auto before = layer.factors.s.to_host();
  for (double& value : std::span(layer.scale.value.data(), 2)) value = 3;
  decltype(layer)::Record record;
  WorkspaceScope<Cpu> scope(context);
  const Tensor<double, Cpu> x = random_tensor({7, 5}, 21);
  Tensor<double, Cpu> y({7, 9});
  layer.forward(context, x.view().matrix(), y.view().matrix(), record);
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK(record.singular.data()[i] == doctest::Approx(i < 2 ? 3 * before[i] : before[i]).epsilon(1e-15));
  }
}

TEST_CASE("negative singular values are cut off and get no gradient") {
  Context<Cpu> context(1);
  Svd layer = trained_svd({4, 4});
  Random random(1);
  layer.initialize(random);
  layer.shift.value.data()[1] = -1e3;
  Svd::Record record;
  Tensor<double, Cpu> x = random_tensor({3, 4}, 1), y({3, 4}), dx({3, 4});
  layer.forward(context, std::as_const(x).view().matrix(), y.view().matrix(), record);
  CHECK(record.singular.data()[1] == 0);
  layer.backward(context, record, std::as_const(y).view().matrix(), dx.view().matrix());
  CHECK(layer.shift.grad.data()[1] == 0);
  CHECK(layer.scale.grad.data()[1] == 0);
  CHECK(layer.shift.grad.data()[0] != 0);
}

TEST_CASE("the SVD layer takes the cheaper form and refuses to train when merged") {
  CHECK(Svd::cheaper_form(4096, 2304, 768) == Svd::Form::factored);
  CHECK(Svd::cheaper_form(4096, 768, 3072) == Svd::Form::factored);
  CHECK(Svd::cheaper_form(256, 768, 768) == Svd::Form::factored);
  CHECK(Svd::cheaper_form(4096, 768, 768) == Svd::Form::merged);
  Context<Cpu> context(1);
  Svd layer(Shape{4, 4});
  CHECK_THROWS_AS(layer.backward(context, {}, {}, {}), Error);
}

TEST_CASE("LoRA has the gradients of central differences, with and without dropout") {
  LoRA layer(Shape{6, 5});
  randomize_parameters(layer, 3);
  check_layer(layer, {7, 5}, {7, 6}, 3);

  Context<Cpu> context(1);
  context.training = true;
  Tensor<double, Cpu> x = random_tensor({7, 5}, 4), dx({7, 5}), y({7, 6});
  const Tensor<double, Cpu> r = random_tensor({7, 6}, 5);
  const Random::State start = context.random.state();
  LoRA::Record record;
  const auto run = [&](bool backward) {
    WorkspaceScope<Cpu> scope(context);
    context.random.set_state(start);
    layer.forward(context, std::as_const(x).view().matrix(), y.view().matrix(), record);
    if (backward) layer.backward(context, record, r.view().matrix(), dx.view().matrix());
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += y.data()[i] * r.data()[i];
    return sum;
  };
  walk(layer, [](const Path&, auto& parameter, Group, Layout) {
    if constexpr (requires { parameter.grad; }) parameter.grad = {};
  });
  run(true);
  CHECK(record.dropout_key != 0);
  const auto loss = [&] { return run(false); };
  testing::GradientReport report;
  testing::compare_gradient(report, "x", x, dx, loss);
  require_gradients(report, 1);
  check_parameters(layer, loss, 3);
}

TEST_CASE("LoRA starts as its weight and merges into one") {
  Context<Cpu> context(1);
  const Tensor<double, Cpu> x = random_tensor({7, 5}, 21);
  LoRA layer(Shape{6, 5});
  randomize_parameters(layer, 3);
  const auto trained = answer(layer, x, 6);
  layer.merge(context);
  CHECK(distance(answer(layer, x, 6), trained) < 1e-12);
  const auto merged = answer(layer, x, 6);
  Random random(1);
  layer.initialize(random);
  CHECK(distance(answer(layer, x, 6), merged) == 0);
}

TEST_CASE("adapters of convolutions have the gradients of central differences") {
  Context<Cpu> context(1);
  Convolution<double, Cpu, SVDLinear<double, Cpu, Absent>> svd(3, 4, 3, 1, 1);
  randomize_parameters(svd, 3);
  svd.linear.prepare(context);
  check_layer(svd, {2, 4, 5, 3}, {2, 4, 5, 4}, 2);
  Convolution<double, Cpu, LoRALinear<double, Cpu, 2, Absent>> lora(3, 4, 3, 1, 1);
  randomize_parameters(lora, 3);
  check_layer(lora, {2, 4, 5, 3}, {2, 4, 5, 4}, 2);
}

TEST_CASE("a bottleneck adds to its answer: gradients, and the published start") {
  Bottleneck<double, Cpu> layer(8);
  testing::randomize_parameters(layer, 4);
  check_layer(layer, {9, 8}, {9, 8}, 4);
  Bottleneck<double, Cpu, 2, std::ratio<1, 2>> half(8);
  testing::randomize_parameters(half, 5);
  check_layer(half, {9, 8}, {9, 8}, 4);
  Random random(1);
  layer.initialize(random);
  double largest = 0;
  for (const double value : layer.down.weight.value.to_host()) largest = std::max(largest, std::abs(value));
  CHECK(largest > 0.2);
  CHECK(largest < 1 / std::sqrt(8.0));
}

TEST_CASE("LoRA on q and v: k is untouched, gradients, and merging keeps the answers") {
  QvLoRALinear<double, Cpu, 2> layer(Shape{12, 4});
  testing::randomize_parameters(layer, 4);
  check_layer(layer, {7, 4}, {7, 12}, 4);
  Context<Cpu> context(1);
  const Tensor<double, Cpu> x = random_tensor({5, 4}, 3);
  const auto answer = [&] {
    Tensor<double, Cpu> y({5, 12});
    WorkspaceScope<Cpu> scope(context);
    decltype(layer)::Record record;
    layer.forward(context, x.view().matrix(), y.view().matrix(), record);
    return y;
  };
  const Tensor<double, Cpu> before = answer();
  const auto up = layer.up[0].value;
  layer.up[0].value = Tensor<double, Cpu>(up.shape());
  const Tensor<double, Cpu> without_q = answer();
  layer.up[0].value = up;
  for (Index r = 0; r < 5; ++r) {
    for (Index c = 0; c < 12; ++c) {
      const double change = std::abs(before.data()[12 * r + c] - without_q.data()[12 * r + c]);
      CHECK((c < 4 ? change > 1e-6 : change == 0));
    }
  }
  layer.merge(context);
  const Tensor<double, Cpu> merged = answer();
  for (Index i = 0; i < merged.size(); ++i) CHECK(merged.data()[i] == doctest::Approx(before.data()[i]).epsilon(1e-12));
}

namespace {

/// The gradients of an answer to a row of zeros, against central differences.
template <class Layer>
void check_zero_answer(Layer& layer, Index out) {
  Context<Cpu> context(1);
  const Tensor<double, Cpu> slope = random_tensor({out}, 9);
  walk(layer, [](const Path&, auto& parameter, Group, Layout) {
    if constexpr (requires { parameter.grad; }) parameter.grad = {};
  });
  layer.zero_backward(context, slope.view());
  const auto loss = [&] {
    WorkspaceScope<Cpu> scope(context);
    const TensorView<const double, Cpu> zero = layer.zero_answer(context);
    double sum = 0;
    for (Index i = 0; i < out; ++i) sum += zero.data()[i] * slope.data()[i];
    return sum;
  };
  check_parameters(layer, loss, 2);
}

}  // namespace

TEST_CASE("SSF behind a linear layer: gradients, its answer to zeros, merging, and a start near the layer's own") {
  Context<Cpu> context(1);
  SSFLinear<double, Cpu> layer(Shape{6, 5});
  randomize_parameters(layer, 3);
  check_layer(layer, {7, 5}, {7, 6}, 2);
  check_zero_answer(layer, 6);
  const Tensor<double, Cpu> x = random_tensor({7, 5}, 21), zero({1, 5});
  {
    WorkspaceScope<Cpu> scope(context);
    const auto view = layer.zero_answer(context);
    CHECK(distance(answer(layer, zero, 6), std::vector<double>(view.data(), view.data() + 6)) < 1e-15);
  }
  const auto trained = answer(layer, x, 6);
  layer.merge(context);
  CHECK(distance(answer(layer, x, 6), trained) < 1e-12);
  CHECK(distance(answer(layer.linear, x, 6), trained) < 1e-12);

  Random random(1);
  layer.initialize(random);
  const double moved = distance(answer(layer, x, 6), trained);
  CHECK(moved > 0);
  CHECK(moved < 0.1 * distance(trained, std::vector<double>(trained.size())) + 0.1);
}

TEST_CASE("SSF behind a norm and behind a convolution: gradients and merging") {
  Context<Cpu> context(1);
  SSFNorm<double, Cpu> norm(5, 1e-6);
  randomize_parameters(norm, 3);
  check_layer(norm, {7, 5}, {7, 5}, 2);
  Tensor<double, Cpu> x = random_tensor({7, 5}, 4), y({7, 5}), merged({7, 5}), plain({7, 5});
  SSFNorm<double, Cpu>::Record record;
  LayerNorm<double, Cpu>::Record inner;
  norm.forward(context, x, y.view(), record);
  norm.merge(context);
  norm.forward(context, x, merged.view(), record);
  norm.norm.forward(context, x, plain.view(), inner);
  CHECK(distance(merged.to_host(), y.to_host()) < 1e-12);
  CHECK(distance(plain.to_host(), y.to_host()) < 1e-12);

  Convolution<double, Cpu, SSFLinear<double, Cpu>> convolution(3, 4, 3, 1, 1);
  randomize_parameters(convolution, 3);
  check_layer(convolution, {2, 4, 5, 3}, {2, 4, 5, 4}, 2);
}
