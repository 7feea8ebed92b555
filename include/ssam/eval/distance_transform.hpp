#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <ssam/eval/pixel_spacing.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Distance of every pixel to the nearest one of `mask` [`height`, `width`] that is not 0, centre to centre, in the
/// unit of `spacing`; 0 on the mask itself, infinite everywhere when nothing is set. Exact but for rounding, in a time
/// proportional to the pixels: columns first, then the lower envelope of parabolas along each row (Felzenszwalb and
/// Huttenlocher, "Distance Transforms of Sampled Functions", 2012). `scipy.ndimage.distance_transform_edt` of the
/// inverted mask is the same. Throws ShapeError where `mask` has another size, ConfigError where a spacing is not
/// finite and above 0.
inline std::vector<double> distance_transform(std::span<const std::uint8_t> mask, Index height, Index width,
                                              const PixelSpacing& spacing = {}) {
  detail::check_mask(mask.size(), height, width, spacing);
  const auto at = [width](Index y, Index x) { return static_cast<std::size_t>(y * width + x); };
  std::vector<double> distance(mask.size());

  // Rows to the nearest set pixel of the same column: down, then up.
  for (Index x = 0; x < width; ++x) {
    double rows = std::numeric_limits<double>::infinity();
    for (Index y = 0; y < height; ++y) {
      rows = mask[at(y, x)] != 0 ? 0 : rows + 1;
      distance[at(y, x)] = rows;
    }
    rows = std::numeric_limits<double>::infinity();
    for (Index y = height - 1; y >= 0; --y) {
      rows = mask[at(y, x)] != 0 ? 0 : rows + 1;
      distance[at(y, x)] = std::min(distance[at(y, x)], rows);
    }
  }

  struct Parabola {
    double column;  // of its lowest point
    double square;  // its value there
    double from;    // the column where it becomes the lowest
  };
  std::vector<Parabola> envelope;
  const double infinity = std::numeric_limits<double>::infinity();
  for (Index y = 0; y < height; ++y) {
    envelope.clear();
    for (Index x = 0; x < width; ++x) {
      if (std::isinf(distance[at(y, x)])) continue;  // nothing in this column
      const double step = distance[at(y, x)] * spacing.y;
      Parabola next{static_cast<double>(x), step * step, -infinity};
      while (!envelope.empty()) {
        const Parabola& last = envelope.back();
        const double apart = next.column - last.column;
        const double meet =
            (next.column + last.column) / 2 + (next.square - last.square) / (2 * spacing.x * spacing.x * apart);
        if (meet > last.from) {
          next.from = meet;
          break;
        }
        envelope.pop_back();
      }
      envelope.push_back(next);
    }
    if (envelope.empty()) continue;  // the mask is empty: infinite as it stands
    std::size_t lowest = 0;
    for (Index x = 0; x < width; ++x) {
      const double column = static_cast<double>(x);
      while (lowest + 1 < envelope.size() && envelope[lowest + 1].from <= column) ++lowest;
      const double step = (column - envelope[lowest].column) * spacing.x;
      distance[at(y, x)] = std::sqrt(step * step + envelope[lowest].square);
    }
  }
  return distance;
}

}  // namespace ssam::inline SSAM_ABI
