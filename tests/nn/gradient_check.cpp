// The checker of gradients finds what is wrong: a check that cannot fail is none.

#include <doctest/doctest.h>

#include <cmath>
#include <ssam/nn/linear.hpp>
#include <ssam/testing/gradient_check.hpp>

using namespace ssam;

namespace {

/// Of f(x) = sum of squares at (1, 2, 3), compared with `claimed`.
testing::GradientReport report_of(const std::vector<double>& claimed) {
  Tensor<double, Cpu> x({3}, {1, 2, 3});
  testing::GradientReport report;
  testing::compare_gradient(report, "x", x, Tensor<double, Cpu>({3}, claimed), [&] {
    return x.data()[0] * x.data()[0] + x.data()[1] * x.data()[1] + x.data()[2] * x.data()[2];
  });
  return report;
}

/// A linear layer whose backward pass forgets the weight.
struct Forgetful : Linear<double, Cpu, Trained, Trained> {
  using Plain = Linear<double, Cpu, Trained, Trained>;
  using Plain::Plain;
  void backward(Context<Cpu>& context, const Record& record, ConstMatrix dy, Matrix dx) {
    const Tensor<double, Cpu> before = weight.grad;
    Plain::backward(context, record, dy, dx);
    weight.grad = before;
    weight.reached = !before.empty();
  }
};

}  // namespace

TEST_CASE("a wrong gradient fails, and so does one that is not a number, wherever it stands") {
  CHECK(report_of({2, 4, 6}).passed());
  CHECK_FALSE(report_of({2, 4, 6.001}).passed());
  CHECK_FALSE(report_of({-2, 4, 6}).passed());
  for (const double bad : {NAN, INFINITY}) {
    CHECK_FALSE(report_of({bad, 4, 6}).passed());
    CHECK_FALSE(report_of({2, bad, 6}).passed());
    CHECK_FALSE(report_of({2, 4, bad}).passed());
    CHECK_FALSE(report_of({200, bad, 6}).passed());
  }
  CHECK_THROWS_AS(report_of({2, 4}), ShapeError);
  CHECK_FALSE(testing::GradientReport{}.passed());  // nothing was compared

  testing::GradientReport both = report_of({2, NAN, 6});
  Tensor<double, Cpu> x({1}, {1});
  testing::compare_gradient(both, "fine", x, Tensor<double, Cpu>({1}, {2}), [&] { return x.data()[0] * x.data()[0]; });
  CHECK_FALSE(both.passed());
  CHECK(both.where == "x[1]");
}

TEST_CASE("a parameter that backward forgets fails, and a layer can be checked again") {
  Linear<double, Cpu, Trained, Trained> whole(Shape{4, 3});
  Forgetful forgetful(Shape{4, 3});
  for (auto* layer : {&whole, static_cast<Linear<double, Cpu, Trained, Trained>*>(&forgetful)}) {
    testing::randomize_parameters(*layer, 1);
  }
  for (int again = 0; again < 2; ++again) {
    const testing::GradientReport report = testing::check_layer(whole, {5, 3}, {5, 4});
    CHECK(report.passed());
    CHECK(report.tensors == 3);
  }
  const testing::GradientReport report = testing::check_layer(forgetful, {5, 3}, {5, 4});
  CHECK_FALSE(report.passed());
  CHECK(report.where.find("weight") != std::string::npos);
}
