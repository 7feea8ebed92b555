#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <ssam/core/error.hpp>
#include <ssam/core/shape.hpp>
#include <ssam/eval/distance_transform.hpp>
#include <ssam/eval/quantile.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Which of two masks has no pixel set.
enum class EmptyMasks {
  none,        ///< both have pixels: every distance is defined
  both,        ///< a blank answer to a blank question
  prediction,  ///< the label was missed: a false blank
  truth,       ///< an answer where there is no label: a false alarm
};

/// The pixels of `mask` [`height`, `width`] that lie on its boundary, 1 each, others 0: set pixels of which one of the
/// four neighbours is not set or lies outside of the image. That is the mask without its erosion by a cross, outside
/// taken as 0, as in MONAI's `get_mask_edges`. Throws ShapeError where `mask` has another size.
inline std::vector<std::uint8_t> mask_boundary(std::span<const std::uint8_t> mask, Index height, Index width) {
  detail::check_mask(mask.size(), height, width);
  std::vector<std::uint8_t> boundary(mask.size());
  const auto set = [&](Index y, Index x) {
    return y >= 0 && y < height && x >= 0 && x < width && mask[static_cast<std::size_t>(y * width + x)] != 0;
  };
  for (Index y = 0; y < height; ++y) {
    for (Index x = 0; x < width; ++x) {
      const bool inner = set(y - 1, x) && set(y + 1, x) && set(y, x - 1) && set(y, x + 1);
      boundary[static_cast<std::size_t>(y * width + x)] = set(y, x) && !inner;
    }
  }
  return boundary;
}

/// Distances between the boundaries of a predicted and a true mask, in the unit of the pixel spacing that they were
/// computed with. Both lists are empty unless both masks have pixels.
struct SurfaceDistances {
  EmptyMasks empty = EmptyMasks::both;      ///< which mask has no pixels
  std::vector<double> prediction_to_truth;  ///< one per boundary pixel of the prediction, to the truth's; ascending
  std::vector<double> truth_to_prediction;  ///< one per boundary pixel of the truth, to the prediction's; ascending
};

/// Measures the boundaries of two masks [`height`, `width`], in which what is not 0 is set: `prediction` and `truth`
/// with pixels `spacing` apart, 1 where distances are to be in pixels. See mask_boundary(). Throws ShapeError where a
/// mask has another size, ConfigError where a spacing is not finite and above 0.
inline SurfaceDistances surface_distances(std::span<const std::uint8_t> prediction, std::span<const std::uint8_t> truth,
                                          Index height, Index width, const PixelSpacing& spacing = {}) {
  detail::check_mask(prediction.size(), height, width, spacing);
  detail::check_mask(truth.size(), height, width, spacing);
  const auto any = [](std::span<const std::uint8_t> mask) {
    return std::any_of(mask.begin(), mask.end(), [](std::uint8_t value) { return value != 0; });
  };
  const bool predicted = any(prediction), actual = any(truth);
  SurfaceDistances distances;
  distances.empty = predicted ? (actual ? EmptyMasks::none : EmptyMasks::truth)
                              : (actual ? EmptyMasks::prediction : EmptyMasks::both);
  if (distances.empty != EmptyMasks::none) return distances;

  const std::vector<std::uint8_t> edge = mask_boundary(prediction, height, width);
  const std::vector<std::uint8_t> true_edge = mask_boundary(truth, height, width);
  const auto from_to = [&](const std::vector<std::uint8_t>& from, const std::vector<std::uint8_t>& to) {
    const std::vector<double> all = distance_transform(to, height, width, spacing);
    std::vector<double> picked;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (from[i] != 0) picked.push_back(all[i]);
    }
    std::sort(picked.begin(), picked.end());
    return picked;
  };
  distances.prediction_to_truth = from_to(edge, true_edge);
  distances.truth_to_prediction = from_to(true_edge, edge);
  return distances;
}

/// The Hausdorff distance at a percentile: the larger of the two directed percentiles (`percent` of 0 to 100, see
/// quantile()) of `distances`, in their unit. HD95 at 95, HD, the greatest distance of all, at 100. As MONAI's
/// `HausdorffDistanceMetric`. Both masks empty: 0, a blank answer to a blank question is right (MONAI: NaN). One of
/// them empty: nothing, there is no distance (MONAI: infinite). Throws ConfigError where `percent` is out of range.
inline std::optional<double> hausdorff(const SurfaceDistances& distances, double percent = 100) {
  if (!(percent >= 0 && percent <= 100)) {
    throw ConfigError(ErrorText{
        .what = "a percentile of distances is out of range", .expected = "0 to 100", .found = std::to_string(percent)});
  }
  if (distances.empty == EmptyMasks::both) return 0.0;
  if (distances.empty != EmptyMasks::none) return std::nullopt;
  return std::max(quantile(distances.prediction_to_truth, percent / 100),
                  quantile(distances.truth_to_prediction, percent / 100));
}

namespace detail {

/// Throws ConfigError where the tolerance of a surface Dice is not finite or negative.
inline void check_tolerance(double tolerance) {
  if (std::isfinite(tolerance) && tolerance >= 0) return;
  throw ConfigError(ErrorText{.what = "a tolerance of the surface Dice is not usable",
                              .expected = "a finite number of 0 or more",
                              .found = std::to_string(tolerance)});
}

}  // namespace detail

/// The normalised surface Dice (NSD): how much of both boundaries lies within `tolerance` of the other, 0 to 1, counted
/// in boundary pixels; `tolerance` is in the unit of `distances`. As MONAI's `SurfaceDiceMetric` without subvoxels,
/// which compares as float: distance and tolerance are rounded to float here too, so that 3 steps of 0.1 are within
/// 0.3. Both masks empty: 1 (MONAI: NaN). One of them empty: 0. Throws ConfigError where `tolerance` is not finite or
/// negative.
inline double surface_dice(const SurfaceDistances& distances, double tolerance) {
  detail::check_tolerance(tolerance);
  if (distances.empty == EmptyMasks::both) return 1;
  if (distances.empty != EmptyMasks::none) return 0;
  const auto within = [limit = static_cast<float>(tolerance)](const std::vector<double>& sorted) {
    return std::count_if(sorted.begin(), sorted.end(),
                         [limit](double distance) { return static_cast<float>(distance) <= limit; });
  };
  return static_cast<double>(within(distances.prediction_to_truth) + within(distances.truth_to_prediction)) /
         static_cast<double>(distances.prediction_to_truth.size() + distances.truth_to_prediction.size());
}

}  // namespace ssam::inline SSAM_ABI
