#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <ssam/core/context.hpp>
#include <vector>

/// What the tests of ops share.
namespace ssam::testing {

/// Normal numbers; the same for the same seed.
template <class S>
Tensor<S, Cpu> random_tensor(const Shape& shape, std::uint64_t seed, double scale = 1) {
  Random random(seed);
  std::vector<S> values(static_cast<std::size_t>(shape.elements()));
  for (S& value : values) value = static_cast<S>(scale * random.normal());
  return Tensor<S, Cpu>(shape, values);
}

/// Largest difference of `found` from `expected`, relative to the largest expected magnitude.
template <class S, class T>
double difference(const std::vector<S>& found, const std::vector<T>& expected) {
  REQUIRE(found.size() == expected.size());
  double error = 0, magnitude = 1e-30;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double wanted = static_cast<double>(expected[i]);
    const double off = std::abs(static_cast<double>(found[i]) - wanted);
    if (!(off <= error)) error = off;  // NaN counts
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

/// Compares the gradient of f() with respect to x with central differences at up to 48 elements.
template <class F>
void check_gradient(const F& f, Tensor<double, Cpu>& x, const Tensor<double, Cpu>& gradient) {
  REQUIRE(x.size() == gradient.size());
  const Index step = std::max<Index>(1, x.size() / 48);
  constexpr double delta = 1e-4;
  std::vector<double> numeric, analytic;
  for (Index i = 0; i < x.size(); i += step) {
    const double value = x.data()[i];
    const auto at = [&](double offset) {
      x.data()[i] = value + offset;
      return f();
    };
    // Fourth order: the truncation error stays far below 1e-6.
    numeric.push_back((8 * (at(delta) - at(-delta)) - (at(2 * delta) - at(-2 * delta))) / (12 * delta));
    analytic.push_back(gradient.data()[i]);
    x.data()[i] = value;
  }
  CHECK(difference(analytic, numeric) < 1e-6);
}

/// f(context) returns a tensor: the same bits with 1, 2 and 3 threads.
template <class F>
void check_threads(const F& f) {
  Context<Cpu> one(1), two(2), three(3);
  const auto expected = f(one).to_host();
  CHECK(f(two).to_host() == expected);
  CHECK(f(three).to_host() == expected);
}

}  // namespace ssam::testing
