#include <ssam/nn/attention.hpp>
#include <ssam/nn/batch_norm.hpp>
#include <ssam/nn/convolution.hpp>
#include <ssam/nn/mlp.hpp>
#include <ssam/nn/norm.hpp>
#include <ssam/text/text_affine.hpp>

#include "../gradient_check.hpp"

using namespace ssam;
using namespace ssam::gradient_test;

namespace {
using Trainable = Linear<double, Cpu, Trained, Trained>;
template <class Layer>
Layer randomized(Layer layer) {
  randomize_parameters(layer, 3);
  return layer;
}
}  // namespace

TEST_CASE("gradients of linear layers, plain and as convolutions") {
  auto linear = randomized(Trainable(Shape{5, 7}));
  check_layer(linear, {9, 7}, {9, 5}, 2);
  auto padded = randomized(Convolution<double, Cpu, Trainable>(3, 4, 3, 1, 1));
  check_layer(padded, {2, 5, 6, 3}, {2, 5, 6, 4}, 2);
  auto unpadded = randomized(Convolution<double, Cpu, Trainable>(3, 4, 3, 1, 0));
  check_layer(unpadded, {2, 5, 6, 3}, {2, 3, 4, 4}, 2);
  auto strided = randomized(Convolution<double, Cpu, Trainable>(3, 4, 2, 2, 0));
  check_layer(strided, {2, 6, 4, 3}, {2, 3, 2, 4}, 2);
  auto pointwise = randomized(Convolution<double, Cpu, Linear<double, Cpu, Trained, Absent>>(3, 4, 1, 1, 0));
  check_layer(pointwise, {2, 3, 4, 3}, {2, 3, 4, 4}, 1);
  auto transposed = randomized(ConvTranspose2x2<double, Cpu, Trained>(6, 3));
  check_layer(transposed, {2, 3, 4, 6}, {2, 6, 8, 3}, 2);
}

TEST_CASE("gradients of norms and MLPs") {
  auto norm = randomized(LayerNorm<double, Cpu, Trained>(7, 1e-6));
  check_layer(norm, {2, 5, 7}, {2, 5, 7}, 2);
  auto bias_only = randomized(LayerNorm<double, Cpu, Frozen, Trained>(7, 1e-6));
  check_layer(bias_only, {2, 5, 7}, {2, 5, 7}, 1);
  auto gelu = randomized(Mlp<double, Cpu, Trainable, Activation::gelu>(5, 9));
  check_layer(gelu, {6, 5}, {6, 5}, 4);
  auto relu = randomized(Mlp<double, Cpu, Trainable, Activation::relu>(5, 9));
  check_layer(relu, {6, 5}, {6, 5}, 4);
  auto head = randomized(HeadMlp<double, Cpu, Trained>(5, 8, 3));
  check_layer(head, {6, 5}, {6, 3}, 6);
}

TEST_CASE("gradients of window attention: global, and windows that pad") {
  auto global = randomized(WindowAttention<double, Cpu, Trainable, Trainable, Trained>(8, 2, 0, 4, true));
  check_layer(global, {2, 4, 4, 8}, {2, 4, 4, 8}, 6);
  auto windows = randomized(WindowAttention<double, Cpu, Trainable, Trainable, Trained>(8, 2, 3, 3, true));
  check_layer(windows, {2, 5, 4, 8}, {2, 5, 4, 8}, 6);
  auto plain = randomized(WindowAttention<double, Cpu, Trainable, Trainable, Frozen>(8, 2, 3, 3, false));
  check_layer(plain, {1, 4, 4, 8}, {1, 4, 4, 8}, 4);
}

TEST_CASE("gradients of cross attention for queries, keys and values") {
  auto attention = randomized(CrossAttention<double, Cpu, Trainable>(8, 4, 2));
  Context<Cpu> context(1);
  Tensor<double, Cpu> q = random_tensor({2, 3, 8}, 1), k = random_tensor({2, 7, 8}, 2), v = random_tensor({2, 7, 8}, 3);
  Tensor<double, Cpu> dq(q.shape()), dk(k.shape()), dv(v.shape());
  const Tensor<double, Cpu> r = random_tensor(q.shape(), 4);
  decltype(attention)::Record record;
  const auto run = [&](bool backward) {
    WorkspaceScope<Cpu> scope(context);
    const TensorView<double, Cpu> y = allocate<double>(context, q.shape());
    attention.forward(context, std::as_const(q), std::as_const(k), std::as_const(v), y, record);
    if (backward) attention.backward(context, record, r, dq.view(), dk.view(), dv.view());
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += y.data()[i] * r.data()[i];
    return sum;
  };
  run(true);
  const auto loss = [&] { return run(false); };
  testing::GradientReport report;
  testing::compare_gradient(report, "q", q, dq, loss);
  testing::compare_gradient(report, "k", k, dk, loss);
  testing::compare_gradient(report, "v", v, dv, loss);
  require_gradients(report, 3);
  check_parameters(attention, loss, 8);
}

TEST_CASE("gradients of the text affine layer, on batch and on running statistics") {
  for (const Index batch : {4, 1}) {
    CAPTURE(batch);
    auto text_affine = randomized(TextAffine<double, Cpu, Trained>(6, 5));
    Context<Cpu> context(1);
    context.training = true;
    const Tensor<double, Cpu> text = random_tensor({batch, 6}, 5), r = random_tensor({batch, 5}, 6);
    decltype(text_affine)::Record record;
    const auto run = [&](bool backward) {
      WorkspaceScope<Cpu> scope(context);
      const TensorView<double, Cpu> token = allocate<double>(context, r.shape());
      text_affine.forward(context, text, token, record);
      if (backward) text_affine.backward(context, record, r);
      double sum = 0;
      for (Index i = 0; i < token.size(); ++i) sum += token.data()[i] * r.data()[i];
      return sum;
    };
    CHECK(record.batch_statistics == false);
    const double first = run(true);
    CHECK(record.batch_statistics == (batch > 1));
    // Running statistics move, the answer on this batch does not (but for how the compiler sums it up in the two
    // calls).
    CHECK(run(false) == doctest::Approx(first).epsilon(1e-14));
    check_parameters(
        text_affine, [&] { return run(false); }, 4);
    CHECK((text_affine.norm.num_batches_tracked.value.data()[0] > 0) == (batch > 1));
  }
}

TEST_CASE("gradients of batch norm over pixels, and its running statistics") {
  auto norm = randomized(BatchNorm<double, Cpu, Trained>(5));
  Context<Cpu> context(2);
  context.training = true;
  Tensor<double, Cpu> x = random_tensor({2, 6, 7, 5}, 1), dx(x.shape());
  const Tensor<double, Cpu> r = random_tensor(x.shape(), 2);
  decltype(norm)::Record record;
  const auto run = [&](bool backward) {
    WorkspaceScope<Cpu> scope(context);
    const TensorView<double, Cpu> y = allocate<double>(context, x.shape());
    norm.forward(context, std::as_const(x), y, record);
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += y.data()[i] * r.data()[i];
    if (backward) norm.backward(context, record, r, dx.view());
    return sum;
  };
  const double before = norm.running_mean.value.data()[0];
  run(true);
  double mean = 0;
  for (Index i = 0; i < 84; ++i) mean += x.data()[5 * i] / 84;
  CHECK(norm.running_mean.value.data()[0] == doctest::Approx(0.9 * before + 0.1 * mean));
  CHECK(norm.num_batches_tracked.value.data()[0] == 1);
  testing::GradientReport report;
  const auto loss = [&] { return run(false); };
  testing::compare_gradient(report, "x", x, dx, loss);
  testing::compare_parameters(report, norm, loss);
  require_gradients(report, 3);
}
