#pragma once

#include <cstdint>
#include <limits>
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

/// Scores of one label over many images. Sums, so that those of several processes can be added.
struct LabelScores {
  double sum_dice = 0;            ///< of dice()
  double sum_published_dice = 0;  ///< of published_dice()
  double sum_iou = 0;             ///< of iou()
  double sum_nonblank_dice = 0;   ///< over the images that have the label
  Index n = 0;                    ///< images
  Index n_blank = 0;              ///< of them without the label
  Index n_blank_right = 0;        ///< of those, answered with a blank mask
  Index n_false_blank = 0;        ///< images with the label, answered with a blank mask

  /// Adds one image by its pixel counts.
  void add(const Counts& counts) {
    const bool blank = counts.truth == 0, blank_answer = counts.prediction == 0;
    sum_dice += dice(counts);
    sum_published_dice += published_dice(counts);
    sum_iou += iou(counts);
    if (!blank) sum_nonblank_dice += dice(counts);
    ++n;
    if (blank) ++n_blank;
    if (blank && blank_answer) ++n_blank_right;
    if (!blank && blank_answer) ++n_false_blank;
  }
  /// Adds the scores of other images.
  LabelScores& operator+=(const LabelScores& other) {
    sum_dice += other.sum_dice;
    sum_published_dice += other.sum_published_dice;
    sum_iou += other.sum_iou;
    sum_nonblank_dice += other.sum_nonblank_dice;
    n += other.n;
    n_blank += other.n_blank;
    n_blank_right += other.n_blank_right;
    n_false_blank += other.n_false_blank;
    return *this;
  }

  /// Images with the label.
  Index n_nonblank() const { return n - n_blank; }
  /// Images without the label, answered with a mask.
  Index n_false_alarm() const { return n_blank - n_blank_right; }

  /// Mean of dice() over the images; NaN without any, as the others.
  double mean_dice() const { return mean(sum_dice, n); }
  /// Mean of published_dice().
  double mean_published_dice() const { return mean(sum_published_dice, n); }
  /// Mean of iou().
  double mean_iou() const { return mean(sum_iou, n); }
  /// Mean over the images that have the label: what blank answers to blank questions cannot lift.
  double mean_nonblank_dice() const { return mean(sum_nonblank_dice, n_nonblank()); }

 private:
  static double mean(double sum, Index count) {
    return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count);
  }
};

}  // namespace ssam::inline SSAM_ABI
