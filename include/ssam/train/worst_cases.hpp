#pragma once

#include <algorithm>
#include <ssam/data/picture.hpp>
#include <ssam/eval/scores.hpp>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// An answer to look at: its score and its masks.
struct WorstCase {
  ImageScore score;  ///< as in the scores of the evaluation
  Index item = 0;    ///< place of the image in its source
  Index label = 0;   ///< place of the label
  Mask answer;       ///< 0 and 1, at the picture's own size
  Mask truth;        ///< the same of the true mask
};

/// The answers of the lowest DSC among the images that have the label, up to a number of them; of equals the ones with
/// more true pixels, then the first ones.
class WorstCases {
 public:
  /// Keeps up to `count`.
  explicit WorstCases(Index count = 0) : count_(static_cast<std::size_t>(count)) {}

  /// The worst first.
  const std::vector<WorstCase>& cases() const { return cases_; }

  /// Whether an answer of that `score` is among the worst so far.
  bool takes(const MaskScore& score) const {
    if (count_ == 0 || score.blank_truth()) return false;
    return cases_.size() < count_ || worse(score, cases_.back().score.score);
  }
  /// Keeps `found` if it is among the worst so far.
  void add(WorstCase found) {
    if (!takes(found.score.score)) return;
    const auto place = std::find_if(cases_.begin(), cases_.end(), [&](const WorstCase& other) {
      return worse(found.score.score, other.score.score);
    });
    cases_.insert(place, std::move(found));
    if (cases_.size() > count_) cases_.pop_back();
  }
  /// Adds those of other images; as many are kept as the larger of the two numbers.
  WorstCases& operator+=(const WorstCases& other) {
    count_ = std::max(count_, other.count_);
    for (const WorstCase& found : other.cases_) add(found);
    return *this;
  }

 private:
  static bool worse(const MaskScore& a, const MaskScore& b) {
    const double first = dice(a.counts), second = dice(b.counts);
    return first != second ? first < second : a.counts.truth > b.counts.truth;
  }

  std::size_t count_;
  std::vector<WorstCase> cases_;
};

}  // namespace ssam::inline SSAM_ABI
