#pragma once

#include <cstdint>
#include <span>
#include <ssam/core/error.hpp>
#include <ssam/core/shape.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

/// Pixels of two binary masks; sums that can be added over images and processes.
struct Counts {
  double intersection = 0;  ///< in both masks
  double prediction = 0;    ///< in the predicted mask
  double truth = 0;         ///< in the true mask

  /// Adds the counts of other pixels.
  Counts& operator+=(const Counts& other) {
    intersection += other.intersection;
    prediction += other.prediction;
    truth += other.truth;
    return *this;
  }
  bool operator==(const Counts&) const = default;  ///< member by member
};

/// Counts the pixels that are not 0 in `prediction`, `truth` and both. Throws ShapeError when the two masks differ in
/// size.
inline Counts count_pixels(std::span<const std::uint8_t> prediction, std::span<const std::uint8_t> truth) {
  if (prediction.size() != truth.size()) {
    throw ShapeError(ErrorText{.what = "a predicted mask has another size than the true one",
                               .expected = std::to_string(truth.size()) + " pixels",
                               .found = std::to_string(prediction.size())});
  }
  Index intersection = 0, predicted = 0, actual = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    intersection += prediction[i] != 0 && truth[i] != 0;
    predicted += prediction[i] != 0;
    actual += truth[i] != 0;
  }
  return {static_cast<double>(intersection), static_cast<double>(predicted), static_cast<double>(actual)};
}

/// Dice similarity 2I / (P + T); 1 when both masks are empty: a blank answer to a blank question is right (S-SAM
/// paper).
inline double dice(const Counts& counts) {
  const double sum = counts.prediction + counts.truth;
  return sum == 0 ? 1.0 : 2 * counts.intersection / sum;
}

/// The form of the published S-SAM code, (2I + 1) / (P + T + 1): a little higher, never 0.
inline double published_dice(const Counts& counts) {
  return (2 * counts.intersection + 1) / (counts.prediction + counts.truth + 1);
}

/// Intersection over union; 1 when both masks are empty.
inline double iou(const Counts& counts) {
  const double all = counts.prediction + counts.truth - counts.intersection;
  return all == 0 ? 1.0 : counts.intersection / all;
}

/// The part of the predicted pixels that is right, I / P. Blank masks as in dice(): 1 when both are empty, 0 when only
/// the prediction is.
inline double precision(const Counts& counts) {
  if (counts.prediction == 0) return counts.truth == 0 ? 1.0 : 0.0;
  return counts.intersection / counts.prediction;
}

/// The part of the true pixels that is found, I / T: the sensitivity. Blank masks as in dice(): 1 when both are empty,
/// 0 when only the truth is.
inline double recall(const Counts& counts) {
  if (counts.truth == 0) return counts.prediction == 0 ? 1.0 : 0.0;
  return counts.intersection / counts.truth;
}

}  // namespace ssam::inline SSAM_ABI
