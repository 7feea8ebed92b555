#pragma once

#include <cmath>
#include <ssam/core/error.hpp>
#include <ssam/eval/dice.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

/// The counts of a table of confusion: `tp` pixels in both masks, `fp` in the prediction alone, `fn` in the truth
/// alone. dice() and iou() take them. Throws ConfigError where one is negative or not finite.
inline Counts counts_of_confusion(double tp, double fp, double fn) {
  for (const double count : {tp, fp, fn}) {
    if (std::isfinite(count) && count >= 0) continue;
    throw ConfigError(ErrorText{.what = "a count of pixels is not usable",
                                .expected = "a finite number of 0 or more",
                                .found = std::to_string(count)});
  }
  return {tp, tp + fp, tp + fn};
}

/// The part of the predicted pixels that is right, I / P, tp / (tp + fp). Blank masks as in dice(): 1 when both are
/// empty, 0 when only the prediction is.
inline double precision(const Counts& counts) {
  if (counts.prediction == 0) return counts.truth == 0 ? 1.0 : 0.0;
  return counts.intersection / counts.prediction;
}

/// The part of the true pixels that is found, I / T, tp / (tp + fn): the sensitivity. Blank masks as in dice(): 1 when
/// both are empty, 0 when only the truth is.
inline double recall(const Counts& counts) {
  if (counts.truth == 0) return counts.prediction == 0 ? 1.0 : 0.0;
  return counts.intersection / counts.truth;
}

/// The part of the pixels outside of the true mask that the prediction leaves out, tn / (tn + fp), where the masks have
/// `pixels` in all; 1 when none lie outside. Throws ConfigError where `pixels` are fewer than those of both masks.
inline double specificity(const Counts& counts, double pixels) {
  const double set = counts.prediction + counts.truth - counts.intersection;
  if (!(std::isfinite(pixels) && pixels >= set)) {
    throw ConfigError(ErrorText{.what = "two masks have more pixels set than there are",
                                .expected = std::to_string(set) + " pixels or more",
                                .found = std::to_string(pixels)});
  }
  const double outside = pixels - counts.truth;
  return outside == 0 ? 1.0 : (pixels - set) / outside;
}

/// All overlaps of two masks, 0 to 1.
struct Overlap {
  double dice = 0;       ///< of dice()
  double iou = 0;        ///< of iou()
  double precision = 0;  ///< of precision()
  double recall = 0;     ///< of recall()
};

/// The overlaps of the masks that `counts` were taken of.
inline Overlap overlap(const Counts& counts) { return {dice(counts), iou(counts), precision(counts), recall(counts)}; }

}  // namespace ssam::inline SSAM_ABI
