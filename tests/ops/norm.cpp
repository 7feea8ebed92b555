#include <ssam/ops/cpu/elementwise.hpp>
#include <ssam/ops/cpu/norm.hpp>

#include "testing.hpp"

using namespace ssam;
using namespace ssam::testing;
using Double = Tensor<double, Cpu>;

namespace {
/// (x - mean) / sqrt(variance + eps) * weight + bias over `count` elements `step` apart, by the definition.
template <class S>
std::vector<double> normalised(const S* x, Index count, Index step, double eps) {
  double mean = 0, variance = 0;
  for (Index i = 0; i < count; ++i) mean += static_cast<double>(x[i * step]) / static_cast<double>(count);
  for (Index i = 0; i < count; ++i) {
    variance += std::pow(static_cast<double>(x[i * step]) - mean, 2) / static_cast<double>(count);
  }
  std::vector<double> values;
  for (Index i = 0; i < count; ++i)
    values.push_back((static_cast<double>(x[i * step]) - mean) / std::sqrt(variance + eps));
  return values;
}
}  // namespace

TEST_CASE_TEMPLATE("layer norm agrees with its definition", S, float, double) {
  Context<Cpu> context(2);
  const auto x = random_tensor<S>({3, 131, 45}, 1, 3.0), weight = random_tensor<S>({45}, 2),
             bias = random_tensor<S>({45}, 3);
  Tensor<S, Cpu> y(x.shape()), mean({393}), rstd({393});
  ops::layer_norm_forward(context, x, weight, bias, S(1e-3), y.view(), mean.view(), rstd.view());
  std::vector<double> expected;
  for (Index r = 0; r < 393; ++r) {
    const auto row = normalised(x.data() + r * 45, 45, 1, 1e-3);
    for (Index c = 0; c < 45; ++c) {
      expected.push_back(row[static_cast<std::size_t>(c)] * static_cast<double>(weight.data()[c]) +
                         static_cast<double>(bias.data()[c]));
    }
  }
  CHECK(difference(y.to_host(), expected) < (std::is_same_v<S, float> ? 1e-6 : 1e-14));
  CHECK_THROWS_AS(ops::layer_norm_forward(context, x, weight, mean, S(1e-3), y.view(), {}, {}), ShapeError);
}

TEST_CASE("layer norm gradients") {
  Context<Cpu> context(2);
  auto x = random_tensor<double>({300, 7}, 1, 2.0), weight = random_tensor<double>({7}, 2),
       bias = random_tensor<double>({7}, 3);
  const auto dy = random_tensor<double>({300, 7}, 4);
  Double y(x.shape()), mean({300}), rstd({300}), dx = dy, dweight({7}), dbias({7});
  const auto loss = [&] {
    ops::layer_norm_forward(context, x, weight, bias, 1e-5, y.view(), mean.view(), rstd.view());
    return dot(y, dy);
  };
  loss();
  ops::layer_norm_backward(context, x, weight, mean, rstd, dx, dx.view(), dweight.view(), dbias.view());
  check_gradient(loss, x, dx);
  check_gradient(loss, weight, dweight);
  check_gradient(loss, bias, dbias);
  const auto once = dweight.to_host();
  ops::layer_norm_backward<double>(context, x, weight, mean, rstd, dy, {}, dweight.view(), {});
  for (std::size_t i = 0; i < 7; ++i) CHECK(dweight.to_host()[i] == doctest::Approx(2 * once[i]));
  check_threads([&](Context<Cpu>& pool) {
    Double gradient({7});
    ops::layer_norm_backward<double>(pool, x, weight, mean, rstd, dy, {}, gradient.view(), {});
    return gradient;
  });
}

TEST_CASE("batch norm: values, running statistics, gradients") {
  Context<Cpu> context(2);
  const Index batch = 5, channels = 70;
  auto x = random_tensor<double>({batch, channels}, 1, 2.0), weight = random_tensor<double>({channels}, 2),
       bias = random_tensor<double>({channels}, 3);
  const auto dy = random_tensor<double>({batch, channels}, 4);
  Double y(x.shape()), mean({channels}), rstd({channels}), running_mean({channels}), running_var({channels});
  Double dx = dy, dweight({channels}), dbias({channels});
  const auto loss = [&] {
    ops::fill(context, running_mean.view(), 1.0);
    ops::fill(context, running_var.view(), 2.0);
    ops::batch_norm_forward_training(context, x, weight, bias, 1e-5, 0.1, running_mean.view(), running_var.view(),
                                     y.view(), mean.view(), rstd.view());
    return dot(y, dy);
  };
  loss();
  for (Index c = 0; c < channels; c += 13) {
    const auto column = normalised(x.data() + c, batch, channels, 1e-5);
    double average = 0, squares = 0;
    for (Index r = 0; r < batch; ++r) {
      CHECK(y.data()[r * channels + c] ==
            doctest::Approx(column[static_cast<std::size_t>(r)] * weight.data()[c] + bias.data()[c]).epsilon(1e-12));
      average += x.data()[r * channels + c] / static_cast<double>(batch);
    }
    for (Index r = 0; r < batch; ++r) squares += std::pow(x.data()[r * channels + c] - average, 2);
    CHECK(running_mean.data()[c] == doctest::Approx(0.9 + 0.1 * average).epsilon(1e-12));
    CHECK(running_var.data()[c] ==
          doctest::Approx(1.8 + 0.1 * squares / static_cast<double>(batch - 1)).epsilon(1e-12));
  }
  ops::batch_norm_backward(context, x, weight, mean, rstd, dx, dx.view(), dweight.view(), dbias.view());
  check_gradient(loss, x, dx);
  check_gradient(loss, weight, dweight);
  check_gradient(loss, bias, dbias);

  ops::batch_norm_forward_eval(context, x, weight, bias, running_mean, running_var, 1e-5, y.view());
  CHECK(y.data()[71] == doctest::Approx((x.data()[71] - running_mean.data()[1]) /
                                            std::sqrt(running_var.data()[1] + 1e-5) * weight.data()[1] +
                                        bias.data()[1])
                            .epsilon(1e-12));
  Double single({1, channels});
  CHECK_THROWS_AS(ops::batch_norm_forward_training(context, single, weight, bias, 1e-5, 0.1, running_mean.view(),
                                                   running_var.view(), single.view(), mean.view(), rstd.view()),
                  ConfigError);
}
