#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <ssam/core/device.hpp>

namespace ssam::inline SSAM_ABI::ops::detail {

/// The standard normal distribution at one point.
template <class S>
struct NormalPoint {
  S density, cumulative;
};

SSAM_HOST_DEVICE inline NormalPoint<double> normal_point(double x) {
  constexpr double half_root = std::numbers::sqrt2 / 2;
  constexpr double peak = std::numbers::inv_sqrtpi * half_root;
  return {peak * std::exp(-0.5 * x * x), 0.5 * std::erfc(-half_root * x)};
}

/// Beyond it a float's density underflows.
inline constexpr float normal_limit = 13;

SSAM_HOST_DEVICE inline float normal_clamp(float x) {
  return x < -normal_limit ? -normal_limit : x > normal_limit ? normal_limit : x;
}

/// A part of `v` so short that its square is exact.
SSAM_HOST_DEVICE inline float normal_head(float v) {
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(v) & 0xfffff000u);
}

/// What normal_point(x, ...) wants the exponential of.
SSAM_HOST_DEVICE inline float normal_exponent(float x) {
  const float head = normal_head(normal_clamp(x));
  return -0.5f * head * head;
}

/// In float, relative error below 7e-7, in the tails too. The lower tail is exp(-x^2 / 2) * polynomial(t) with
/// t = 1 / (1 + 0.26 |x|), a minimax fit (5e-9) on |x| <= 13.5. `x` is split in a head and a rest, so that the rounding
/// of x^2 does not spoil the exponential. `exponential`: exp(normal_exponent(x)).
SSAM_HOST_DEVICE inline NormalPoint<float> normal_point(float x, float exponential) {
  const float v = normal_clamp(x);
  const float rest = 0.5f * (v - normal_head(v)) * (v + normal_head(v));
  const float bell = exponential * (1 - rest * (1 - rest * (0.5f - rest * (1 / 6.0f))));
  const float t = 1 / (1 + 0.26f * std::abs(v));
  float tail = 0.03391895431552628f;
  tail = tail * t - 0.17047797076086674f;
  tail = tail * t + 0.2908821228559879f;
  tail = tail * t - 0.20067120459336352f;
  tail = tail * t + 0.1999946845117181f;
  tail = tail * t + 0.03127757523958699f;
  tail = tail * t + 0.10945574175579804f;
  tail = tail * t + 0.1017213882465441f;
  tail = tail * t + 0.10390583421414959f;
  tail = (tail * t - 7.123072032583496e-06f) * bell;
  return {std::abs(x) > normal_limit ? 0 : 0.3989422804f * bell, x < -normal_limit ? 0 : x < 0 ? tail : 1 - tail};
}

SSAM_HOST_DEVICE inline NormalPoint<float> normal_point(float x) {
  return normal_point(x, std::exp(normal_exponent(x)));
}

}  // namespace ssam::inline SSAM_ABI::ops::detail
