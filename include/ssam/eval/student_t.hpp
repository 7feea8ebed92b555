#pragma once

#include <cmath>
#include <limits>
#include <numbers>
#include <ssam/core/error.hpp>
#include <ssam/core/version.hpp>
#include <string>
#include <utility>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// ln of the gamma function at `z` >= 10, less Stirling's (z - 1/2) ln z - z + ln(2 pi) / 2: NIST DLMF 5.11.1, whose
/// first term left out is below 1e-16 there.
inline double stirling_rest(double z) {
  const double s = 1 / (z * z);
  const double series =
      1.0 / 12 + s * (-1.0 / 360 + s * (1.0 / 1260 + s * (-1.0 / 1680 +
                                                          s * (1.0 / 1188 + s * (-691.0 / 360360 + s * (1.0 / 156))))));
  return series / z;
}

/// ln of the beta function of `a` and `b` above 0. Small arguments are raised to 10 by B(a, b) = B(a + 1, b) (a + b) /
/// a; from there the large terms of Stirling's formula cancel on paper.
inline double log_beta(double a, double b) {
  double raised = 0;
  for (; a < 10; a += 1) raised += std::log1p(b / a);
  for (; b < 10; b += 1) raised += std::log1p(a / b);
  return raised + std::log(2 * std::numbers::pi) / 2 - std::log(a + b) / 2 - (a - 0.5) * std::log1p(b / a) -
         (b - 0.5) * std::log1p(a / b) + stirling_rest(a) + stirling_rest(b) - stirling_rest(a + b);
}

/// The regularised incomplete beta function at `x`, given with `y` = 1 - x so that neither loses digits; `a`, `b` > 0.
/// By the continued fraction of DiDonato and Morris ("Algorithm 708", 1992, section 3), which is every second step of
/// NIST DLMF 8.17.22: no term of it is a small difference of large numbers. Evaluated from its front (Lentz's method).
inline double incomplete_beta(double a, double b, double x, double y) {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  const bool mirrored = a * y < b * x;  // the fraction converges fast on the other side of the mean
  if (mirrored) {
    std::swap(a, b);
    std::swap(x, y);
  }
  constexpr double tiny = 1e-300;
  const auto away = [](double value) { return std::abs(value) < tiny ? tiny : value; };
  const double beyond = a * y - b * x + 1;
  double fraction = away(a * beyond / (a + 1)), upper = fraction, lower = 0;
  for (double m = 1; m < 1e6; ++m) {
    const double odd = a + 2 * m - 1;
    const double over = (a + m - 1) / odd * (a + b + m - 1) / odd * m * (b - m) * x * x;
    const double under = m + m * (b - m) * x / odd + (a + m) * (beyond + m * (1 + y)) / (odd + 2);
    lower = 1 / away(under + over * lower);
    upper = away(under + over / upper);
    fraction *= upper * lower;
    if (std::abs(upper * lower - 1) <= 2 * std::numeric_limits<double>::epsilon()) break;
  }
  const double log_x = x > 0.5 ? std::log1p(-y) : std::log(x), log_y = y > 0.5 ? std::log1p(-x) : std::log(y);
  const double value = std::exp(a * log_x + b * log_y - log_beta(a, b)) / fraction;
  return mirrored ? 1 - value : value;
}

}  // namespace detail

/// The chance that Student's t of `degrees` of freedom is as far from 0 as `t` or farther, on both sides: the p value
/// of a two-sided test. 0 for an infinite `t`. Throws ConfigError where `t` is NaN, or `degrees` not finite and above
/// 0.
inline double student_t_two_sided(double t, double degrees) {
  if (std::isnan(t) || !(std::isfinite(degrees) && degrees > 0)) {
    throw ConfigError(ErrorText{.what = "Student's t distribution is not defined there",
                                .expected = "a number t, degrees of freedom finite and above 0",
                                .found = "t = " + std::to_string(t) + ", degrees = " + std::to_string(degrees)});
  }
  const double ratio = t / std::sqrt(degrees);
  const double square = ratio * ratio;
  return detail::incomplete_beta(degrees / 2, 0.5, 1 / (1 + square), 1 / (1 + 1 / square));
}

}  // namespace ssam::inline SSAM_ABI
