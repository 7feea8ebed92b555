#pragma once

#include <cstdint>
#include <ssam/core/shape.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// An 8-bit RGB image, [height, width, 3].
struct Image {
  Index height = 0;               ///< in pixels
  Index width = 0;                ///< in pixels
  std::vector<std::uint8_t> rgb;  ///< row by row

  Image() = default;  ///< of no pixels
  /// A black image of `rows` x `columns` pixels.
  Image(Index rows, Index columns) : height(rows), width(columns), rgb(static_cast<std::size_t>(rows * columns * 3)) {}
  /// Red, green and blue in row `y`, column `x`.
  std::uint8_t* pixel(Index y, Index x) { return rgb.data() + (y * width + x) * 3; }
  /// The same of `y`, `x` to read.
  const std::uint8_t* pixel(Index y, Index x) const { return rgb.data() + (y * width + x) * 3; }
  bool operator==(const Image&) const = default;  ///< pixel by pixel
};

/// One byte per pixel, [height, width]: a class number, or 0 / not 0 where a binary mask is asked for.
struct Mask {
  Index height = 0;                  ///< in pixels
  Index width = 0;                   ///< in pixels
  std::vector<std::uint8_t> values;  ///< row by row

  Mask() = default;  ///< of no pixels
  /// A blank mask of `rows` x `columns` pixels.
  Mask(Index rows, Index columns) : height(rows), width(columns), values(static_cast<std::size_t>(rows * columns)) {}
  /// The pixel in row `y`, column `x`.
  std::uint8_t& at(Index y, Index x) { return values[static_cast<std::size_t>(y * width + x)]; }
  /// The same of `y`, `x` to read.
  std::uint8_t at(Index y, Index x) const { return values[static_cast<std::size_t>(y * width + x)]; }
  bool operator==(const Mask&) const = default;  ///< pixel by pixel
};

}  // namespace ssam::inline SSAM_ABI
