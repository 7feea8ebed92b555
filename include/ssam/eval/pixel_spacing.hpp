#pragma once

#include <cmath>
#include <ssam/core/error.hpp>
#include <ssam/core/shape.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

/// Distances between the centres of neighbouring pixels. What is computed with it has its unit: millimetres where these
/// are millimetres, pixels where they are 1.
struct PixelSpacing {
  double y = 1;                                          ///< from row to row
  double x = 1;                                          ///< from column to column
  bool operator==(const PixelSpacing&) const = default;  ///< member by member
};

namespace detail {

/// Throws ConfigError where a step of `spacing` is not finite and above 0.
inline void check_spacing(const PixelSpacing& spacing) {
  for (const double step : {spacing.y, spacing.x}) {
    if (std::isfinite(step) && step > 0) continue;
    throw ConfigError(ErrorText{
        .what = "a pixel spacing is not usable", .expected = "a finite number above 0", .found = std::to_string(step)});
  }
}

/// Throws ShapeError where `pixels` are not `height` x `width`, ConfigError where `spacing` is no distance.
inline void check_mask(std::size_t pixels, Index height, Index width, const PixelSpacing& spacing = {}) {
  if (height < 0 || width < 0 || Shape{height, width}.elements() != static_cast<Index>(pixels)) {
    throw ShapeError(ErrorText{.what = "a mask has not the size that is said of it",
                               .expected = std::to_string(height) + " x " + std::to_string(width) + " pixels",
                               .found = std::to_string(pixels)});
  }
  check_spacing(spacing);
}

}  // namespace detail

}  // namespace ssam::inline SSAM_ABI
