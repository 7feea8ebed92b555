#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <ssam/core/error.hpp>
#include <ssam/eval/centerline_dice.hpp>
#include <ssam/eval/dice.hpp>
#include <ssam/eval/metric.hpp>
#include <ssam/eval/surface.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// How a predicted mask scored against the true one. What was not measured, or is not defined, is not there.
struct MaskScore {
  Counts counts;                                      ///< of pixels
  std::optional<double> hd = {};                      ///< Hausdorff distance, where both masks have pixels
  std::optional<double> hd95 = {};                    ///< HD95, where both masks have pixels
  std::optional<double> nsd = {};                     ///< surface Dice: both empty 1, one empty 0
  std::optional<double> centerline_dice = {};         ///< clDice: both empty 1, one empty 0
  bool operator==(const MaskScore&) const = default;  ///< member by member

  /// Whether the true mask is empty.
  bool blank_truth() const { return counts.truth == 0; }
  /// Whether the predicted mask is empty.
  bool blank_answer() const { return counts.prediction == 0; }

  /// The value of `metric`; nothing where it was not measured or is not defined.
  std::optional<double> value(Metric metric) const {
    switch (metric) {
      case Metric::dice:
        return dice(counts);
      case Metric::published_dice:
        return published_dice(counts);
      case Metric::iou:
        return iou(counts);
      case Metric::precision:
        return precision(counts);
      case Metric::recall:
        return recall(counts);
      case Metric::hd:
        return hd;
      case Metric::hd95:
        return hd95;
      case Metric::nsd:
        return nsd;
      case Metric::centerline_dice:
        return centerline_dice;
    }
    return std::nullopt;
  }
};

/// Scores the mask `prediction` against `truth`, both [`height`, `width`], in which what is not 0 is set: counts, and
/// what `measures` ask for. `spacing`: of the pixels, 1 where distances are to be in pixels. Throws ShapeError where a
/// mask has another size; where distances are measured, ConfigError for a spacing or tolerance that is none.
inline MaskScore score_masks(std::span<const std::uint8_t> prediction, std::span<const std::uint8_t> truth,
                             Index height, Index width, const Measures& measures = {},
                             const PixelSpacing& spacing = {}) {
  MaskScore score{.counts = count_pixels(prediction, truth)};
  detail::check_mask(truth.size(), height, width);
  if (measures.unit) {
    const SurfaceDistances distances = surface_distances(prediction, truth, height, width, spacing);
    score.nsd = surface_dice(distances, measures.tolerance);
    if (distances.empty == EmptyMasks::none) {
      score.hd = hausdorff(distances);
      score.hd95 = hausdorff(distances, 95);
    }
  }
  if (measures.centerlines) score.centerline_dice = centerline_dice(prediction, truth, height, width).dice;
  return score;
}

/// One image's answer for one label.
struct ImageScore {
  std::string image;     ///< its name in the data set
  std::string split;     ///< "test"; empty where it is not known
  std::string group;     ///< what belongs together: a patient, a video; empty where it is not known
  std::string label;     ///< what was asked for
  MaskScore score = {};  ///< how the answer scored
  bool operator==(const ImageScore&) const = default;  ///< member by member
};

/// The scores of an evaluation, image by image and label by label.
struct Scores {
  Measures measures = {};             ///< what was measured beside the overlap
  std::vector<ImageScore> rows = {};  ///< one per image and label

  /// Adds the scores of other images. Throws MismatchError where `other` was measured in another way.
  Scores& operator+=(const Scores& other) {
    if (measures != other.measures) throw MismatchError("scores that were measured in different ways cannot be added");
    rows.insert(rows.end(), other.rows.begin(), other.rows.end());
    return *this;
  }
  bool operator==(const Scores&) const = default;  ///< member by member

  /// The labels, in the order in which they first occur.
  std::vector<std::string> labels() const {
    std::vector<std::string> names;
    std::unordered_map<std::string, bool> seen;
    for (const ImageScore& row : rows) {
      if (seen.emplace(row.label, true).second) names.push_back(row.label);
    }
    return names;
  }
};

/// Which images a mean is taken over.
enum class Cases {
  all,       ///< all for which the metric is defined
  nonblank,  ///< of these, the ones that have the label: blank answers to blank questions cannot lift it
};

namespace detail {

/// What is drawn as a whole by a bootstrap of scores: the images of a group; an image alone where no group is known.
struct ScoreUnits {
  std::vector<Index> of_row = {};  ///< a number for each row
  Index count = 0;                 ///< how many units there are
  bool grouped = false;            ///< whether groups are known
};

inline ScoreUnits score_units(const Scores& scores) {
  ScoreUnits units;
  std::unordered_map<std::string, Index> numbers;
  for (const ImageScore& row : scores.rows) {
    units.grouped = units.grouped || !row.group.empty();
    const std::string name = row.group.empty() ? "image " + row.image : "group " + row.group;
    units.of_row.push_back(numbers.emplace(name, static_cast<Index>(numbers.size())).first->second);
  }
  units.count = static_cast<Index>(numbers.size());
  return units;
}

}  // namespace detail

}  // namespace ssam::inline SSAM_ABI
