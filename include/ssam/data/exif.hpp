#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <ssam/core/version.hpp>

namespace ssam::inline SSAM_ABI::detail {

/// The orientation (1..8) that an EXIF block asks for; 1 where it says none, or is damaged: viewers then show the
/// picture as it is stored. `tiff` is the block behind "Exif\0\0" (JPEG), or all of a PNG's eXIf chunk.
inline int exif_orientation(std::span<const std::uint8_t> tiff) {
  if (tiff.size() < 8) return 1;
  const bool little = tiff[0] == 'I' && tiff[1] == 'I';
  if (!little && !(tiff[0] == 'M' && tiff[1] == 'M')) return 1;
  const auto number = [&](std::size_t offset, std::size_t bytes) -> std::size_t {
    if (offset > tiff.size() || bytes > tiff.size() - offset) return 0;
    std::size_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value |= std::size_t{tiff[offset + i]} << 8 * (little ? i : bytes - 1 - i);
    return value;
  };
  const std::size_t directory = number(4, 4), entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (entry >= tiff.size()) return 1;
    constexpr std::size_t orientation = 0x0112, short_type = 3;
    if (number(entry, 2) != orientation) continue;
    const std::size_t value = number(entry + 8, 2);
    return number(entry + 2, 2) == short_type && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

/// Whether an orientation exchanges height and width.
inline bool exchanges_sides(int orientation) { return orientation >= 5; }

}  // namespace ssam::inline SSAM_ABI::detail
