#pragma once

#include <array>
#include <ssam/core/version.hpp>

namespace ssam::inline SSAM_ABI {

/// Per-channel mean and standard deviation of RGB values in 0..255.
struct PixelStats {
  std::array<float, 3> mean;                                     ///< red, green, blue
  std::array<float, 3> std;                                      ///< red, green, blue
  constexpr bool operator==(const PixelStats&) const = default;  ///< member by member
};

/// SAM's own.
inline constexpr PixelStats sam_pixel_stats{{123.675f, 116.28f, 103.53f}, {58.395f, 57.12f, 57.375f}};
/// Those of the published S-SAM code (53.395 where SAM has 58.395).
inline constexpr PixelStats svdsam_release_pixel_stats{{123.675f, 116.28f, 103.53f}, {53.395f, 57.12f, 57.375f}};

}  // namespace ssam::inline SSAM_ABI
