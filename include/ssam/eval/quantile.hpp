#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <ssam/core/error.hpp>
#include <ssam/core/version.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

/// The value below which the `fraction` (0 to 1) of `sorted` lies, ascending numbers: between two of them linearly
/// interpolated, as `numpy.percentile` does by default. Throws ShapeError where there are none, ConfigError where
/// `fraction` is not from 0 to 1.
inline double quantile(std::span<const double> sorted, double fraction) {
  if (sorted.empty()) throw ShapeError(ErrorText{.what = "a quantile of no numbers", .expected = "at least 1"});
  if (!(fraction >= 0 && fraction <= 1)) {
    throw ConfigError(ErrorText{
        .what = "a quantile's fraction is out of range", .expected = "0 to 1", .found = std::to_string(fraction)});
  }
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const std::size_t below = std::min(static_cast<std::size_t>(std::floor(place)), sorted.size() - 1);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double low = sorted[below], high = sorted[above], part = place - static_cast<double>(below);
  return part < 0.5 ? low + (high - low) * part : high - (high - low) * (1 - part);
}

}  // namespace ssam::inline SSAM_ABI
