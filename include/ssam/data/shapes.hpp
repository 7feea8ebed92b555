#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <ssam/core/error.hpp>
#include <ssam/data/picture.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// A mask as COCO writes it (RLE): lengths of runs down the columns, from the left column to the right one. The first
/// run is background (its length may be 0), the next one inside, and so on by turns.
struct RunLengths {
  Index height = 0;                                    ///< in pixels
  Index width = 0;                                     ///< in pixels
  std::vector<std::uint32_t> counts;                   ///< in pixels; they add up to height * width
  bool operator==(const RunLengths&) const = default;  ///< number by number
};

/// One part of a label's mask: a polygon, or else run lengths. The mask is the union of its parts.
struct MaskShape {
  std::vector<double> polygon;  ///< x, y of each corner, in pixels; (0, 0) is the picture's upper left corner, a
                                ///< pixel's centre lies at its number plus 0.5; empty: `runs` counts
  RunLengths runs;              ///< where there is no polygon
  bool operator==(const MaskShape&) const = default;  ///< number by number
};

/// The farthest that a corner of a polygon may lie from the picture's origin in x or y, in pixels.
inline constexpr double max_polygon_coordinate = 1 << 20;

/// Throws FormatError unless `polygon` has x and y of three corners at least, all finite and not absurdly far away.
/// `where` is its place in messages.
inline void check_polygon(const std::vector<double>& polygon, const std::string& where) {
  if (polygon.size() < 6 || polygon.size() % 2 != 0) {
    throw FormatError(ErrorText{.what = "this is no polygon",
                                .where = where,
                                .expected = "x and y of three corners at least",
                                .found = std::to_string(polygon.size()) + " numbers"});
  }
  for (const double value : polygon) {
    if (std::abs(value) <= max_polygon_coordinate) continue;
    throw FormatError(ErrorText{.what = "a corner of a polygon lies far outside any picture",
                                .where = where,
                                .expected = "pixels",
                                .found = std::to_string(value)});
  }
}

/// Throws FormatError unless the run lengths of `runs` fill their picture. `where` is their place in messages.
inline void check_runs(const RunLengths& runs, const std::string& where) {
  std::uint64_t sum = 0;
  for (const std::uint32_t count : runs.counts) sum += count;
  if (sum == static_cast<std::uint64_t>(runs.height) * static_cast<std::uint64_t>(runs.width)) return;
  throw FormatError(ErrorText{.what = "run lengths do not fill their mask",
                              .where = where,
                              .expected = std::to_string(runs.height) + " x " + std::to_string(runs.width) + " pixels",
                              .found = std::to_string(sum),
                              .advice = "export the masks again"});
}

/// Run lengths from COCO's compressed `text`: five bits a character from '0' on, the lowest first, the sixth bit says
/// that more follow; from the fourth number on each is the difference to the one two places before. Throws FormatError
/// for what is none; `where` is its place in messages.
inline std::vector<std::uint32_t> expand_counts(std::string_view text, const std::string& where) {
  const auto refuse = [&](const std::string& found) {
    throw FormatError(ErrorText{.what = "these are no compressed run lengths", .where = where, .found = found});
  };
  std::vector<std::uint32_t> counts;
  for (std::size_t at = 0; at < text.size();) {
    std::int64_t value = 0;
    for (int shift = 0;; shift += 5) {
      if (at == text.size()) refuse("an unfinished number at the end");
      const int code = text[at++] - '0';
      if (code < 0 || code > 63) refuse("the character '" + std::string(1, text[at - 1]) + "'");
      if (shift > 35) refuse("a number of more than 40 bits");
      value |= static_cast<std::int64_t>(code & 31) << shift;
      if ((code & 32) != 0) continue;
      if ((code & 16) != 0) value -= std::int64_t{32} << shift;  // the last group carries the sign
      break;
    }
    if (counts.size() > 2) value += counts[counts.size() - 2];
    if (value < 0 || value > UINT32_MAX) refuse("the run length " + std::to_string(value));
    counts.push_back(static_cast<std::uint32_t>(value));
  }
  return counts;
}

namespace detail {

/// Sets the pixels [from, to) of `mask` to 1, numbered down the columns.
inline void fill_down_columns(Mask& mask, Index from, Index to) {
  for (Index i = from; i < to; ++i) mask.at(i % mask.height, i / mask.height) = 1;
}

/// Follows the outline of a polygon on a grid five times as fine as the pixels and notes where it passes the middle of
/// a column of pixels: there the inside begins or ends.
class OutlineCrossings {
 public:
  OutlineCrossings(Index height, Index width) : height_(height), width_(width) {}

  /// The side from (x0, y0) to (x1, y1), on the fine grid: all its points, in this order. Those between the ends are
  /// reckoned from the end that is lower along the longer axis, so that a side is the same walked either way.
  void side(int x0, int y0, int x1, int y1) {
    const int steps = std::max(std::abs(x1 - x0), std::abs(y1 - y0));
    if (steps == 0) return;
    const bool along_x = std::abs(x1 - x0) >= std::abs(y1 - y0);
    const auto walk = [&](int major0, int minor0, int major1, int minor1) {
      const bool reversed = major0 > major1;
      const int low = reversed ? major1 : major0, start = reversed ? minor1 : minor0;
      const double slope = static_cast<double>((reversed ? minor0 : minor1) - start) / steps;
      for (int step = 0; step <= steps; ++step) {
        const int t = reversed ? steps - step : step;
        const int major = low + t, minor = static_cast<int>(start + slope * t + 0.5);
        along_x ? point(major, minor) : point(minor, major);
      }
    };
    along_x ? walk(x0, y0, x1, y1) : walk(y0, x0, y1, x1);
  }

  /// Numbers of pixels, down the columns, at which inside and outside change; sorted.
  std::vector<Index> sorted() {
    std::sort(found_.begin(), found_.end());
    return std::move(found_);
  }

 private:
  void point(int x, int y) {
    const int left = x < x_ ? x : x - 1;  // the step is from there to its right, or back
    if (any_ && x != x_ && left >= 0 && left % 5 == 2 && left / 5 < width_) {
      const int upper = std::min(y, y_);
      const Index row = upper <= 2 ? 0 : (upper + 2) / 5;  // the first whose middle is not above
      found_.push_back(left / 5 * height_ + std::min(row, height_));
    }
    any_ = true;
    x_ = x;
    y_ = y;
  }

  Index height_, width_;
  std::vector<Index> found_;
  int x_ = 0, y_ = 0;
  bool any_ = false;
};

}  // namespace detail

/// Sets the pixels inside `polygon` (x and y by turns, in pixels) to 1 in `mask`, bit for bit as pycocotools rasterises
/// it; other pixels stay. What lies outside the picture is cut off; where the outline crosses itself, what is inside
/// twice is outside. Throws FormatError for what is no polygon.
inline void fill_polygon(const std::vector<double>& polygon, Mask& mask) {
  check_polygon(polygon, "");
  const auto fine = [](double value) { return static_cast<int>(5 * value + 0.5); };
  detail::OutlineCrossings crossings(mask.height, mask.width);
  for (std::size_t i = 0; i < polygon.size(); i += 2) {
    const std::size_t next = (i + 2) % polygon.size();
    crossings.side(fine(polygon[i]), fine(polygon[i + 1]), fine(polygon[next]), fine(polygon[next + 1]));
  }
  const std::vector<Index> changes = crossings.sorted();
  for (std::size_t i = 0; i + 1 < changes.size(); i += 2) detail::fill_down_columns(mask, changes[i], changes[i + 1]);
}

/// Sets the pixels inside `runs` to 1 in `mask`; other pixels stay. Throws FormatError unless the run lengths fill the
/// mask and it has their size.
inline void fill_runs(const RunLengths& runs, Mask& mask) {
  check_runs(runs, "");
  if (runs.height != mask.height || runs.width != mask.width) {
    throw FormatError(ErrorText{.what = "run lengths of another size than the picture",
                                .expected = std::to_string(mask.height) + " x " + std::to_string(mask.width),
                                .found = std::to_string(runs.height) + " x " + std::to_string(runs.width)});
  }
  Index at = 0;
  bool inside = false;
  for (const std::uint32_t count : runs.counts) {
    if (inside) detail::fill_down_columns(mask, at, at + count);
    at += count;
    inside = !inside;
  }
}

/// The union of `shapes` as a mask of 0 and 1 of `height` x `width` pixels. Throws as fill_polygon() and fill_runs().
inline Mask rasterize(const std::vector<MaskShape>& shapes, Index height, Index width) {
  Mask mask(height, width);
  for (const MaskShape& shape : shapes) {
    if (shape.polygon.empty()) {
      fill_runs(shape.runs, mask);
    } else {
      fill_polygon(shape.polygon, mask);
    }
  }
  return mask;
}

}  // namespace ssam::inline SSAM_ABI
