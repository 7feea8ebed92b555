#pragma once

#include <cstdint>
#include <ssam/core/shape.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// An 8-bit RGB image, [height, width, 3].
struct Image {
  Index height = 0;
  Index width = 0;
  std::vector<std::uint8_t> rgb;

  Image() = default;
  /// A black image.
  Image(Index rows, Index columns) : height(rows), width(columns), rgb(static_cast<std::size_t>(rows * columns * 3)) {}
  std::uint8_t* pixel(Index y, Index x) { return rgb.data() + (y * width + x) * 3; }
  const std::uint8_t* pixel(Index y, Index x) const { return rgb.data() + (y * width + x) * 3; }
  bool operator==(const Image&) const = default;
};

/// One byte per pixel, [height, width]: a class number, or 0 / not 0 where a binary mask is asked for.
struct Mask {
  Index height = 0;
  Index width = 0;
  std::vector<std::uint8_t> values;

  Mask() = default;
  /// A blank mask.
  Mask(Index rows, Index columns) : height(rows), width(columns), values(static_cast<std::size_t>(rows * columns)) {}
  std::uint8_t& at(Index y, Index x) { return values[static_cast<std::size_t>(y * width + x)]; }
  std::uint8_t at(Index y, Index x) const { return values[static_cast<std::size_t>(y * width + x)]; }
  bool operator==(const Mask&) const = default;
};

}  // namespace ssam::inline SSAM_ABI
