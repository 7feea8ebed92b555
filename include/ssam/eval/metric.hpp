#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <ssam/core/decimal.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

/// What a predicted mask is scored by against the true one; metric_definition() says each exactly.
enum class Metric {
  dice,             ///< dice(): DSC by the blank rule
  published_dice,   ///< published_dice()
  iou,              ///< iou()
  precision,        ///< precision()
  recall,           ///< recall()
  hd,               ///< hausdorff() at 100
  hd95,             ///< hausdorff() at 95
  nsd,              ///< surface_dice()
  centerline_dice,  ///< centerline_dice(): clDice
};

/// In the order of Metric, for loops over them.
inline constexpr std::array all_metrics{
    Metric::dice, Metric::published_dice, Metric::iou, Metric::precision,      Metric::recall,
    Metric::hd,   Metric::hd95,           Metric::nsd, Metric::centerline_dice};

/// The metric's name without unit: "hd95".
inline const char* to_string(Metric metric) {
  static constexpr std::array<const char*, all_metrics.size()> names{
      "dice", "published_dice", "iou", "precision", "recall", "hd", "hd95", "nsd", "centerline_dice"};
  return names[static_cast<std::size_t>(metric)];
}

/// Whether a lower value is the better one, as of a distance.
inline bool lower_is_better(Metric metric) { return metric == Metric::hd || metric == Metric::hd95; }

/// What distances between masks are measured in.
enum class DistanceUnit {
  pixels,       ///< of the picture's own grid
  millimetres,  ///< by the pixel spacing that the source of the pictures knows
};

/// "px" or "mm".
inline const char* to_string(DistanceUnit unit) { return unit == DistanceUnit::pixels ? "px" : "mm"; }

/// What masks are scored by beside their overlap.
struct Measures {
  std::optional<DistanceUnit> unit = {};             ///< of HD, HD95 and NSD; none: they are not measured
  double tolerance = 1;                              ///< of the NSD, in that unit
  bool centerlines = false;                          ///< whether clDice is measured
  bool operator==(const Measures&) const = default;  ///< member by member
};

/// Whether `measures` include `metric`.
inline bool is_measured(Metric metric, const Measures& measures) {
  if (metric == Metric::centerline_dice) return measures.centerlines;
  return metric < Metric::hd || measures.unit.has_value();
}

/// The metric's name with its unit, and an NSD's tolerance, as columns and keys have it: "iou", "hd95_mm", "nsd_2px"
/// (at a tolerance of 2 pixels).
inline std::string metric_key(Metric metric, const Measures& measures) {
  const std::string name = to_string(metric);
  if (!measures.unit || metric < Metric::hd || metric == Metric::centerline_dice) return name;
  return name + "_" + (metric == Metric::nsd ? detail::shortest(measures.tolerance) : "") + to_string(*measures.unit);
}

/// What the figure is, exactly: said beside it, because papers and programs differ. Each metric is one of an image and
/// a label; its mean is that over images, then over labels.
inline std::string metric_definition(Metric metric, const Measures& measures) {
  const std::string unit = measures.unit ? to_string(*measures.unit) : "the unit of the pixel spacing";
  switch (metric) {
    case Metric::dice:
      return "DSC = 2I / (P + T), pixels in both masks, in the answer, in the truth; 1 when both are empty";
    case Metric::published_dice:
      return "published DSC = (2I + 1) / (P + T + 1), of the S-SAM authors' code";
    case Metric::iou:
      return "IoU = I / (P + T - I); 1 when both are empty";
    case Metric::precision:
      return "precision = I / P; both empty 1, only the answer empty 0";
    case Metric::recall:
      return "recall = I / T; both empty 1, only the truth empty 0";
    case Metric::hd:
      return "HD = the larger of the two greatest distances from one boundary to the other, in " + unit +
             "; only where neither mask is empty";
    case Metric::hd95:
      return "HD95 = as HD, of the 95th percentiles (linearly interpolated), in " + unit;
    case Metric::nsd:
      return "NSD = part of both boundaries' pixels within " + detail::shortest(measures.tolerance) + " " + unit +
             " of the other; both empty 1, one empty 0";
    case Metric::centerline_dice:
      return "clDice = harmonic mean of the parts of each mask's centre line inside the other; both empty 1, one 0";
  }
  return {};
}

/// What "boundary" means in the definitions of distances.
inline constexpr const char* boundary_definition =
    "boundary = pixels of a mask with one of their 4 neighbours outside of it or of the image";

/// What "non-blank", "false blank" and "false alarm" mean.
inline constexpr const char* cases_definition =
    "non-blank = over the images that have the label; false blank = they have it, the answer is empty; false alarm = "
    "they lack it, the answer is not empty";

}  // namespace ssam::inline SSAM_ABI
