#pragma once

#include <algorithm>
#include <opencv2/imgproc.hpp>
#include <ssam/data/decode.hpp>
#include <ssam/data/picture.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// Clears regions of `mask` (8-connected, not 0) smaller than `area` pixels; the largest stays where all are smaller,
/// if `keep_largest`. Whether any was there.
inline bool clear_small_regions(Mask& mask, Index area, bool keep_largest) {
  cv::Mat labels, statistics, centres;
  const int count = cv::connectedComponentsWithStats(as_mat(mask), labels, statistics, centres, 8, CV_32S);
  std::vector<bool> cleared(static_cast<std::size_t>(count), false);
  int largest = 0, most = 0, left = 0;
  bool any = false;
  for (int region = 1; region < count; ++region) {
    const int size = statistics.at<int>(region, cv::CC_STAT_AREA);
    const bool small = size < area;
    cleared[static_cast<std::size_t>(region)] = small;
    any = any || small;
    left += small ? 0 : 1;
    if (size <= most) continue;
    most = size;
    largest = region;
  }
  if (!any) return false;
  if (keep_largest && left == 0) cleared[static_cast<std::size_t>(largest)] = false;
  for (int y = 0; y < labels.rows; ++y) {
    const int* row = labels.ptr<int>(y);
    for (int x = 0; x < labels.cols; ++x) {
      if (cleared[static_cast<std::size_t>(row[x])]) mask.at(y, x) = 0;
    }
  }
  return true;
}

}  // namespace detail

/// Removes islands of a mask (not 0) smaller than `area` pixels; where all are, the largest stays. Whether it changed.
inline bool remove_small_islands(Mask& mask, Index area) { return detail::clear_small_regions(mask, area, true); }

/// Fills holes of a mask (0) smaller than `area` pixels with 255. Whether it changed.
inline bool fill_small_holes(Mask& mask, Index area) {
  Mask outside(mask.height, mask.width);
  for (std::size_t i = 0; i < mask.values.size(); ++i) outside.values[i] = mask.values[i] != 0 ? 0 : 255;
  if (!detail::clear_small_regions(outside, area, false)) return false;
  for (std::size_t i = 0; i < mask.values.size(); ++i) {
    if (outside.values[i] == 0 && mask.values[i] == 0) mask.values[i] = 255;
  }
  return true;
}

}  // namespace ssam::inline SSAM_ABI
