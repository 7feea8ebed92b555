#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <span>
#include <ssam/core/error.hpp>
#include <ssam/eval/intervals.hpp>
#include <ssam/eval/paired_scores.hpp>
#include <ssam/eval/significance.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// One label of a comparison of two runs, A and B, or all labels together. Differences are B less A.
struct ComparedLabel {
  std::string label;                          ///< its name; "all" for all labels together
  Index pairs = 0;                            ///< images for which the metric is defined in both runs
  Index left_out = 0;                         ///< images for which it is not
  Index higher = 0;                           ///< pairs in which B's value is the higher one
  Index lower = 0;                            ///< pairs in which B's value is the lower one
  Index ties = 0;                             ///< pairs without a difference
  double mean_a = std::nan("");               ///< of run A over the pairs; NaN without any, as the next two
  double mean_b = std::nan("");               ///< of run B
  double difference = std::nan("");           ///< of the means
  std::optional<MeanInterval> interval = {};  ///< of the difference; where there are two images or groups
  std::optional<PairedTTest> t_test = {};     ///< where there are two pairs, and one that differs
  std::optional<WilcoxonTest> wilcoxon = {};  ///< where there are two pairs, and one that differs
  std::optional<double> t_test_holm = {};     ///< p of the t test, corrected over the labels; not for "all"
  std::optional<double> wilcoxon_holm = {};   ///< the same of the signed-rank test
};

/// Two runs over the same images, compared by one metric.
struct Comparison {
  Metric metric = Metric::dice;            ///< which
  Measures measures = {};                  ///< of both runs, as far as the metric depends on them
  Cases cases = Cases::all;                ///< which images
  BootstrapOptions options = {};           ///< of the intervals
  bool grouped = false;                    ///< groups were drawn for the intervals, not images
  std::vector<ComparedLabel> labels = {};  ///< in the order of run A
  ComparedLabel all = {};                  ///< all labels, see compare_methods()
};

namespace detail {

/// Values of run A and of run B, pair by pair.
struct PairedValues {
  std::vector<double> a = {}, b = {};

  void add(double of_a, double of_b) {
    a.push_back(of_a);
    b.push_back(of_b);
  }
};

/// The pairs of a comparison, by label and by image.
class CollectedPairs {
 public:
  explicit CollectedPairs(std::size_t labels) : of_label(labels), left_out(labels), label_differences(labels) {}

  /// One image and label; `unit`: what the bootstrap draws it with.
  void add(std::size_t label, const std::string& image, Index unit, std::optional<double> a, std::optional<double> b) {
    const std::size_t place = places_.emplace(image, places_.size()).first->second;
    sums_.resize(places_.size());
    if (!a || !b) {
      ++left_out[label];
      return;
    }
    of_label[label].add(*a, *b);
    label_differences[label].add(*b - *a, static_cast<Index>(label), unit);
    differences.add(*b - *a, static_cast<Index>(label), unit);
    sums_[place].a += *a;
    sums_[place].b += *b;
    sums_[place].n += 1;
  }

  Index images() const { return static_cast<Index>(places_.size()); }
  /// Of each image with a pair, the mean over its labels.
  PairedValues image_means() const {
    PairedValues means;
    for (const Sums& sums : sums_) {
      if (sums.n > 0) means.add(sums.a / sums.n, sums.b / sums.n);
    }
    return means;
  }

  std::vector<PairedValues> of_label;
  std::vector<Index> left_out;
  std::vector<LabelledValues> label_differences;
  LabelledValues differences;  // of all labels

 private:
  struct Sums {
    double a = 0, b = 0, n = 0;
  };
  std::map<std::string, std::size_t> places_;
  std::vector<Sums> sums_;
};

/// Means, counts and tests of `values`, of which there are two methods each.
inline ComparedLabel compared(const std::string& label, const PairedValues& values) {
  ComparedLabel result{.label = label, .pairs = static_cast<Index>(values.a.size())};
  double sum_a = 0, sum_b = 0;
  for (std::size_t i = 0; i < values.a.size(); ++i) {
    sum_a += values.a[i];
    sum_b += values.b[i];
    ++(values.b[i] > values.a[i] ? result.higher : values.b[i] < values.a[i] ? result.lower : result.ties);
  }
  if (result.pairs == 0) return result;
  result.mean_a = sum_a / static_cast<double>(result.pairs);
  result.mean_b = sum_b / static_cast<double>(result.pairs);
  result.difference = result.mean_b - result.mean_a;
  if (result.pairs < 2 || result.ties == result.pairs) return result;
  result.t_test = paired_t_test(values.b, values.a);
  result.wilcoxon = wilcoxon_signed_rank(values.b, values.a);
  return result;
}

/// The mean of the labels' means, which `mean` names; NaN without any.
inline double mean_over(const std::vector<ComparedLabel>& labels, double ComparedLabel::*mean) {
  double sum = 0, count = 0;
  for (const ComparedLabel& label : labels) {
    if (label.pairs == 0) continue;
    sum += label.*mean;
    count += 1;
  }
  return count == 0 ? std::nan("") : sum / count;
}

/// Holm's correction of the p value `test` over `labels`, to `corrected`; labels without the test are no test.
template <class Test>
void correct(std::vector<ComparedLabel>& labels, std::optional<Test> ComparedLabel::*test,
             std::optional<double> ComparedLabel::*corrected) {
  std::vector<double> p_values;
  for (const ComparedLabel& label : labels) {
    if (label.*test) p_values.push_back((label.*test)->p);
  }
  const std::vector<double> adjusted = holm(p_values);
  std::size_t next = 0;
  for (ComparedLabel& label : labels) {
    if (label.*test) label.*corrected = adjusted[next++];
  }
}

/// Throws ConfigError where a run has not measured `metric`, MismatchError where the two did it in different ways.
inline void require_metric(const Scores& a, const Scores& b, Metric metric) {
  for (const auto& [scores, run] : {std::pair{&a, "run A"}, {&b, "run B"}}) {
    if (is_measured(metric, scores->measures)) continue;
    throw ConfigError(ErrorText{.what = std::string("the scores have no ") + to_string(metric),
                                .where = run,
                                .advice = "measure it in the evaluation"});
  }
  const std::string first = metric_key(metric, a.measures), second = metric_key(metric, b.measures);
  if (first == second) return;
  throw MismatchError(ErrorText{.what = "the two runs were measured in different ways",
                                .expected = first + " as in run A",
                                .found = second + " in run B",
                                .advice = "evaluate both in the same unit and with the same tolerance"});
}

}  // namespace detail

namespace detail {

/// The mean of `metric` for row `i` of runs' first over all `runs`, `rows[k]` being the row of run k for each of its
/// rows; nothing where a run has no value.
inline std::optional<double> mean_value(std::span<const Scores> runs, const std::vector<std::vector<std::size_t>>& rows,
                                        std::size_t i, Metric metric) {
  double sum = 0;
  for (std::size_t k = 0; k < runs.size(); ++k) {
    const std::optional<double> value = runs[k].rows[rows[k][i]].score.value(metric);
    if (!value) return std::nullopt;
    sum += *value;
  }
  return sum / static_cast<double>(runs.size());
}

}  // namespace detail

/// Compares two methods over the same images by `metric`, label by label: means, the bootstrap's interval of the mean
/// difference (whole groups are drawn where groups are known, else images), paired_t_test() and
/// wilcoxon_signed_rank(), both by holm() over the labels too. Of `cases`, those images count for which the metric is
/// defined in all runs. Over all labels, the means and the interval are of the labels' means; the tests are over
/// images, each with the mean over its labels. A method may have several runs (seeds), which need not be as many as the
/// other's: the value of an image and label is then the mean over its runs, so that no image is counted twice.
///
/// Throws MismatchError, which says what differs, where the runs of `a` and `b` are not over the same images, labels,
/// true masks or groups, an image is there twice for one label, or distances have another unit or tolerance;
/// ConfigError where the metric was not measured, there are no scores, or `options` of the bootstrap are out of range.
inline Comparison compare_methods(std::span<const Scores> a, std::span<const Scores> b, Metric metric = Metric::dice,
                                  Cases cases = Cases::all, const BootstrapOptions& options = {}) {
  if (a.empty() || b.empty() || (a[0].rows.empty() && b[0].rows.empty())) {
    throw ConfigError("there are no scores to compare");
  }
  detail::check_bootstrap(options);
  const Scores& first = a[0];
  std::vector<std::vector<std::size_t>> in_a, in_b;
  for (const Scores& run : b) detail::require_metric(first, run, metric);
  for (const Scores& run : a) detail::require_metric(run, b[0], metric);
  for (const Scores& run : a) in_a.push_back(detail::paired_rows(first, run));
  for (const Scores& run : b) in_b.push_back(detail::paired_rows(first, run));
  const detail::ScoreUnits units = detail::score_units(first);
  Comparison comparison{
      .metric = metric, .measures = first.measures, .cases = cases, .options = options, .grouped = units.grouped};

  const std::vector<std::string> labels = first.labels();
  std::map<std::string, std::size_t> numbers;
  for (const std::string& label : labels) numbers.emplace(label, numbers.size());
  detail::CollectedPairs pairs(labels.size());
  for (std::size_t i = 0; i < first.rows.size(); ++i) {
    const ImageScore& row = first.rows[i];
    if (cases == Cases::nonblank && row.score.blank_truth()) continue;
    pairs.add(numbers.at(row.label), row.image, units.of_row[i], detail::mean_value(a, in_a, i, metric),
              detail::mean_value(b, in_b, i, metric));
  }
  for (std::size_t k = 0; k < labels.size(); ++k) {
    comparison.labels.push_back(detail::compared(labels[k], pairs.of_label[k]));
    comparison.labels[k].left_out = pairs.left_out[k];
    comparison.labels[k].interval = pairs.label_differences[k].interval(options);
  }
  detail::correct(comparison.labels, &ComparedLabel::t_test, &ComparedLabel::t_test_holm);
  detail::correct(comparison.labels, &ComparedLabel::wilcoxon, &ComparedLabel::wilcoxon_holm);

  comparison.all = detail::compared("all", pairs.image_means());
  comparison.all.left_out = pairs.images() - comparison.all.pairs;
  comparison.all.interval = pairs.differences.interval(options);
  comparison.all.mean_a = detail::mean_over(comparison.labels, &ComparedLabel::mean_a);
  comparison.all.mean_b = detail::mean_over(comparison.labels, &ComparedLabel::mean_b);
  comparison.all.difference = comparison.all.mean_b - comparison.all.mean_a;
  return comparison;
}

/// compare_methods() of two methods with one run each, `a` and `b`.
inline Comparison compare_scores(const Scores& a, const Scores& b, Metric metric = Metric::dice,
                                 Cases cases = Cases::all, const BootstrapOptions& options = {}) {
  return compare_methods(std::span(&a, 1), std::span(&b, 1), metric, cases, options);
}

}  // namespace ssam::inline SSAM_ABI
