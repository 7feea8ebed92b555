#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <numbers>
#include <numeric>
#include <span>
#include <ssam/core/error.hpp>
#include <ssam/core/finite.hpp>
#include <ssam/core/random.hpp>
#include <ssam/core/shape.hpp>
#include <ssam/eval/quantile.hpp>
#include <ssam/eval/student_t.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// Throws ConfigError where `values` are fewer than `least` or not all finite; `what` names them.
inline void check_sample(std::span<const double> values, const std::string& what, std::size_t least = 2) {
  if (values.size() < least) {
    throw ConfigError(ErrorText{.what = what + " are too few for a statement",
                                .expected = std::to_string(least) + " or more",
                                .found = std::to_string(values.size())});
  }
  const std::size_t nonfinite = count_nonfinite(values);
  if (nonfinite == 0) return;
  throw ConfigError(
      ErrorText{.what = what + " are not all finite",
                .expected = "finite numbers",
                .found = std::to_string(nonfinite) + " of " + std::to_string(values.size()) + " are NaN or infinite"});
}

/// `first` less `second`, pair by pair, both checked.
inline std::vector<double> differences(std::span<const double> first, std::span<const double> second) {
  if (first.size() != second.size()) {
    throw ShapeError(ErrorText{.what = "paired samples differ in length",
                               .expected = std::to_string(first.size()) + " values in both",
                               .found = std::to_string(second.size())});
  }
  check_sample(first, "paired values");
  check_sample(second, "paired values");
  std::vector<double> result(first.size());
  std::transform(first.begin(), first.end(), second.begin(), result.begin(), std::minus<>{});
  check_sample(result, "differences of paired values");
  return result;
}

}  // namespace detail

/// What paired_t_test() found.
struct PairedTTest {
  double t = 0;           ///< mean difference, first less second, over its standard error
  double p = 0;           ///< two-sided
  double degrees = 0;     ///< of freedom: pairs less 1
  double difference = 0;  ///< mean of first less second
};

/// Student's t test of paired samples, two-sided, as `scipy.stats.ttest_rel`: are the means of `first` and `second`,
/// two methods on the same images, the same? Where all differences are one number other than 0, `t` is infinite and `p`
/// 0, as there. Throws ShapeError where the lengths differ; ConfigError on fewer than 2 pairs, a value that is not
/// finite, and where all differences are 0 (SciPy: NaN).
inline PairedTTest paired_t_test(std::span<const double> first, std::span<const double> second) {
  const std::vector<double> d = detail::differences(first, second);
  const double n = static_cast<double>(d.size());
  PairedTTest test;
  test.degrees = n - 1;
  test.difference = std::accumulate(d.begin(), d.end(), 0.0) / n;
  double squares = 0;
  for (const double value : d) squares += (value - test.difference) * (value - test.difference);
  if (squares == 0 && test.difference == 0) {
    throw ConfigError(ErrorText{.what = "a t test of pairs that are all equal is not defined",
                                .expected = "a difference other than 0",
                                .found = std::to_string(d.size()) + " pairs without one"});
  }
  test.t = test.difference / std::sqrt(squares / (n - 1) / n);
  test.p = student_t_two_sided(test.t, test.degrees);
  return test;
}

/// How wilcoxon_signed_rank() came to its p value.
enum class WilcoxonMethod {
  exact,   ///< by the distribution over all signs of the ranks
  normal,  ///< by the normal distribution, its variance corrected for ties
};

/// What wilcoxon_signed_rank() found.
struct WilcoxonTest {
  double statistic = 0;                           ///< the smaller of the two rank sums
  double p = 0;                                   ///< two-sided
  double positive_ranks = 0;                      ///< rank sum of the pairs whose first value is larger
  double negative_ranks = 0;                      ///< rank sum of the pairs whose second value is larger
  Index used = 0;                                 ///< pairs that differ; the others are left out
  WilcoxonMethod method = WilcoxonMethod::exact;  ///< how `p` was computed
};

/// Wilcoxon's signed-rank test, two-sided, of `first` and `second`, two methods on the same images. As
/// `scipy.stats.wilcoxon` by default (SciPy 1.17): pairs without a difference are left out ("wilcox"), equal absolute
/// differences share their mean rank. `p` is exact for up to 50 pairs without ties and zeros and for up to 13 pairs
/// with them, where all signs are counted out; else by the normal distribution, corrected for ties, without a
/// correction for continuity. Where no pair differs `p` is 1 (SciPy: 1 for up to 13 pairs, else NaN). Differences are
/// compared as they are, to the last bit: round scores that should be tied before. Throws ShapeError where the lengths
/// differ, ConfigError on fewer than 2 pairs and on a value that is not finite.
inline WilcoxonTest wilcoxon_signed_rank(std::span<const double> first, std::span<const double> second) {
  std::vector<double> d = detail::differences(first, second);
  const std::size_t pairs = d.size();
  std::erase(d, 0.0);
  std::sort(d.begin(), d.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });

  WilcoxonTest test;
  test.used = static_cast<Index>(d.size());
  const bool zeros = d.size() < pairs;
  double ties = 0;                           // the sum of t^3 - t over groups of t equal ones
  std::vector<std::size_t> twice(d.size());  // twice the rank: a whole number
  for (std::size_t begin = 0, end = 0; begin < d.size(); begin = end) {
    while (end < d.size() && std::abs(d[end]) == std::abs(d[begin])) ++end;
    const double size = static_cast<double>(end - begin);
    ties += size * size * size - size;
    for (std::size_t i = begin; i < end; ++i) {
      twice[i] = begin + 1 + end;
      (d[i] > 0 ? test.positive_ranks : test.negative_ranks) += static_cast<double>(twice[i]) / 2;
    }
  }
  test.statistic = std::min(test.positive_ranks, test.negative_ranks);
  if (d.empty()) {
    test.p = 1;
    return test;
  }
  test.method = pairs <= 13 || (pairs <= 50 && ties == 0 && !zeros) ? WilcoxonMethod::exact : WilcoxonMethod::normal;
  if (test.method == WilcoxonMethod::normal) {
    const double n = static_cast<double>(d.size());
    const double variance = (n * (n + 1) * (2 * n + 1) - ties / 2) / 24;
    const double z = (test.positive_ranks - n * (n + 1) / 4) / std::sqrt(variance);
    test.p = std::erfc(std::abs(z) / std::numbers::sqrt2);
    return test;
  }
  // chance[s]: that the positive ranks sum to s / 2 when every sign is a coin's. It is symmetric, so the lower tail
  // does.
  std::vector<double> chance(std::accumulate(twice.begin(), twice.end(), std::size_t{1}));
  chance[0] = 1;
  for (const std::size_t rank : twice) {
    for (std::size_t sum = chance.size(); sum-- > 0;) {
      chance[sum] = (chance[sum] + (sum >= rank ? chance[sum - rank] : 0)) / 2;
    }
  }
  const auto until = static_cast<std::ptrdiff_t>(2 * test.statistic) + 1;
  test.p = std::min(1.0, 2 * std::accumulate(chance.begin(), chance.begin() + until, 0.0));
  return test;
}

/// How a bootstrap is drawn.
struct BootstrapOptions {
  Index resamples = 10000;   ///< how many samples are drawn
  double confidence = 0.95;  ///< of the interval, between 0 and 1
  std::uint64_t seed = 0;    ///< of Random: the same one gives the same interval, on every machine
};

/// A mean and where it may lie.
struct MeanInterval {
  double mean = 0;  ///< of the values
  double low = 0;   ///< lower end of the interval
  double high = 0;  ///< upper end of it
};

namespace detail {

/// Throws ConfigError where `options` are out of range.
inline void check_bootstrap(const BootstrapOptions& options) {
  if (options.resamples > 0 && options.confidence > 0 && options.confidence < 1) return;
  throw ConfigError(ErrorText{.what = "options of a bootstrap are not usable",
                              .expected = "1 resample or more, a confidence between 0 and 1",
                              .found = std::to_string(options.resamples) + " resamples, a confidence of " +
                                       std::to_string(options.confidence)});
}

/// A sum of values of one group and label, and of how many.
struct GroupSum {
  double sum = 0;
  double count = 0;
};

/// The interval of the mean over `labels` of values in groups, of which `sums` has [groups, labels]: whole groups are
/// drawn. Every group has a value.
inline MeanInterval bootstrap_groups(const std::vector<GroupSum>& sums, std::size_t labels,
                                     const BootstrapOptions& options) {
  check_bootstrap(options);
  const std::size_t groups = sums.size() / labels;
  std::vector<GroupSum> totals(labels);
  const auto add = [&](std::size_t group) {
    for (std::size_t label = 0; label < labels; ++label) {
      totals[label].sum += sums[group * labels + label].sum;
      totals[label].count += sums[group * labels + label].count;
    }
  };
  const auto mean = [&totals] {  // of the labels' means; a label without values is left out
    double means = 0, present = 0;
    for (const GroupSum& total : totals) {
      if (total.count == 0) continue;
      means += total.sum / total.count;
      present += 1;
    }
    return means / present;
  };
  Random random(options.seed);
  std::vector<double> means(static_cast<std::size_t>(options.resamples));
  for (double& drawn : means) {
    std::fill(totals.begin(), totals.end(), GroupSum{});
    for (std::size_t draw = 0; draw < groups; ++draw) {
      add(static_cast<std::size_t>(random.below(static_cast<std::int64_t>(groups))));
    }
    drawn = mean();
  }
  std::sort(means.begin(), means.end());
  std::fill(totals.begin(), totals.end(), GroupSum{});
  for (std::size_t group = 0; group < groups; ++group) add(group);
  const double outside = (1 - options.confidence) / 2;
  return {mean(), quantile(means, outside), quantile(means, 1 - outside)};
}

}  // namespace detail

/// The bootstrap's percentile interval of the mean of `values`, or of differences of two methods: as many values are
/// drawn, with replacement, as there are, again and again; the interval lies between the quantiles of their means
/// (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13).
///
/// That is for values which are independent. Several of one patient are not: `groups` then has a number for each of
/// `values`, one number per patient, and whole groups are drawn, as many as there are. Large groups weigh more, as they
/// do in the mean of `values`. With `labels`, a number for each value, one number per label, the mean is that over the
/// labels of their means; a label of which a draw has no value is left out of that draw.
///
/// Throws ShapeError where the lengths differ; ConfigError on fewer than 2 values or groups, a value that is not
/// finite, or `options` out of range.
inline MeanInterval bootstrap_mean(std::span<const double> values, const BootstrapOptions& options = {},
                                   std::span<const Index> groups = {}, std::span<const Index> labels = {}) {
  for (const std::span<const Index> numbers : {groups, labels}) {
    if (numbers.empty() || numbers.size() == values.size()) continue;
    throw ShapeError(ErrorText{.what = "a bootstrap by groups or labels needs a number for every value",
                               .expected = std::to_string(values.size()) + " numbers",
                               .found = std::to_string(numbers.size())});
  }
  detail::check_sample(values, "values of a bootstrap");
  // In the order in which they appear: the draws do not depend on the numbers.
  std::map<Index, std::size_t> group_places, label_places;
  std::vector<std::size_t> group(values.size()), label(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Index group_number = groups.empty() ? static_cast<Index>(i) : groups[i];
    group[i] = group_places.try_emplace(group_number, group_places.size()).first->second;
    label[i] = label_places.try_emplace(labels.empty() ? 0 : labels[i], label_places.size()).first->second;
  }
  if (group_places.size() < 2) {
    throw ConfigError(
        ErrorText{.what = "groups of a bootstrap are too few for a statement", .expected = "2 or more", .found = "1"});
  }
  std::vector<detail::GroupSum> sums(group_places.size() * label_places.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    detail::GroupSum& sum = sums[group[i] * label_places.size() + label[i]];
    sum.sum += values[i];
    sum.count += 1;
  }
  return detail::bootstrap_groups(sums, label_places.size(), options);
}

/// Holm's correction for several tests ("A simple sequentially rejective multiple test procedure", 1979): adjusted
/// p values in the order of `p_values`. Those below a level may be called significant together at that level. None for
/// none. Throws ConfigError where a p value is not from 0 to 1.
inline std::vector<double> holm(std::span<const double> p_values) {
  for (const double p : p_values) {
    if (p >= 0 && p <= 1) continue;
    throw ConfigError(ErrorText{.what = "a p value is out of range", .expected = "0 to 1", .found = std::to_string(p)});
  }
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double largest = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const double scaled = static_cast<double>(order.size() - rank) * p_values[order[rank]];
    largest = std::max(largest, std::min(1.0, scaled));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

}  // namespace ssam::inline SSAM_ABI
