#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <ssam/testing/gradient_check.hpp>
#include <vector>

/// What the tests of ops share.
namespace ssam::inline SSAM_ABI::testing {

/// The larger of two errors; NaN is infinitely large, where std::max would drop it.
inline double larger(double worst, double error) { return std::isnan(error) ? INFINITY : std::max(worst, error); }

/// Largest difference of `found` from `expected`, relative to the largest expected magnitude.
template <class S, class T>
double difference(const std::vector<S>& found, const std::vector<T>& expected) {
  REQUIRE(found.size() == expected.size());
  double error = 0, magnitude = 1e-30;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double wanted = static_cast<double>(expected[i]);
    const double off = std::abs(static_cast<double>(found[i]) - wanted);
    error = larger(error, off);
    magnitude = std::max(magnitude, std::abs(wanted));
  }
  return error / magnitude;
}

/// sum(a * b)
inline double dot(const Tensor<double, Cpu>& a, const Tensor<double, Cpu>& b) {
  double sum = 0;
  for (Index i = 0; i < a.size(); ++i) sum += a.data()[i] * b.data()[i];
  return sum;
}

/// Compares the gradient of f() with respect to x with central differences.
template <class F>
void check_gradient(const F& f, Tensor<double, Cpu>& x, const Tensor<double, Cpu>& gradient) {
  REQUIRE(x.size() == gradient.size());
  GradientReport report;
  compare_gradient(report, "x", x, gradient, f);
  CAPTURE(report.where);
  CHECK(report.error < 1e-6);
}

/// f(context) returns a tensor: the same bits with 1, 2 and 3 threads.
template <class F>
void check_threads(const F& f) {
  Context<Cpu> one(1), two(2), three(3);
  const auto expected = f(one).to_host();
  CHECK(f(two).to_host() == expected);
  CHECK(f(three).to_host() == expected);
}

}  // namespace ssam::inline SSAM_ABI::testing
