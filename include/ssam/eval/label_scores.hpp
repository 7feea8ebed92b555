#pragma once

#include <array>
#include <limits>
#include <ssam/eval/scores.hpp>

namespace ssam::inline SSAM_ABI {

/// Scores of one label over many images. Sums, so that those of several processes can be added.
struct LabelScores {
  /// A sum, and of how many.
  struct Sum {
    double sum = 0;  ///< of the values
    Index n = 0;     ///< how many values
    /// Their mean; NaN without any.
    double mean() const { return n == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(n); }
    /// Adds the values of another sum.
    Sum& operator+=(const Sum& other) {
      sum += other.sum;
      n += other.n;
      return *this;
    }
  };

  std::array<Sum, all_metrics.size()> all = {};       ///< of each metric, over the images for which it is defined
  std::array<Sum, all_metrics.size()> nonblank = {};  ///< of each metric, over those of them that have the label
  Index n = 0;                                        ///< images
  Index n_blank = 0;                                  ///< of them without the label
  Index n_blank_right = 0;                            ///< of those, answered with a blank mask
  Index n_false_blank = 0;                            ///< images with the label, answered with a blank mask

  /// Adds one image by its `score`.
  void add(const MaskScore& score) {
    const bool blank = score.blank_truth();
    for (const Metric metric : all_metrics) {
      const std::optional<double> value = score.value(metric);
      if (!value) continue;
      all[static_cast<std::size_t>(metric)] += {*value, 1};
      if (!blank) nonblank[static_cast<std::size_t>(metric)] += {*value, 1};
    }
    ++n;
    if (blank) ++n_blank;
    if (blank && score.blank_answer()) ++n_blank_right;
    if (!blank && score.blank_answer()) ++n_false_blank;
  }
  /// Adds the scores of other images.
  LabelScores& operator+=(const LabelScores& other) {
    for (std::size_t k = 0; k < all.size(); ++k) {
      all[k] += other.all[k];
      nonblank[k] += other.nonblank[k];
    }
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
  /// The part of the images with the label that is answered blank; NaN without any, as the next.
  double false_blank_rate() const { return Sum{static_cast<double>(n_false_blank), n_nonblank()}.mean(); }
  /// The part of the images without the label that is answered with a mask.
  double false_alarm_rate() const { return Sum{static_cast<double>(n_false_alarm()), n_blank}.mean(); }

  /// The sum of `metric` over `cases`.
  const Sum& sum(Metric metric, Cases cases = Cases::all) const {
    return (cases == Cases::all ? all : nonblank)[static_cast<std::size_t>(metric)];
  }
  /// The mean of `metric` over `cases`; NaN without any.
  double mean(Metric metric, Cases cases = Cases::all) const { return sum(metric, cases).mean(); }
  /// Mean DSC over the images, by the blank rule.
  double mean_dice() const { return mean(Metric::dice); }
  /// Mean DSC over the images that have the label: what blank answers to blank questions cannot lift.
  double mean_nonblank_dice() const { return mean(Metric::dice, Cases::nonblank); }
};

}  // namespace ssam::inline SSAM_ABI
