#pragma once

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ssam/eval/scores.hpp>
#include <ssam/eval/significance.hpp>
#include <ssam/eval/text_table.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Means of a metric and where they may lie, by a bootstrap over images or groups.
struct ScoreIntervals {
  /// Of one label, or of the mean over labels. Nothing where fewer than two images or groups have a value.
  struct Line {
    std::string label;                     ///< its name; "mean" for the mean over the labels' means
    std::optional<MeanInterval> all;       ///< over all images
    std::optional<MeanInterval> nonblank;  ///< over the images that have the label
  };
  Metric metric = Metric::dice;   ///< of which
  BootstrapOptions options;       ///< how it was drawn
  Index units = 0;                ///< images or groups that were drawn from
  bool grouped = false;           ///< groups were drawn (patients, videos), not images
  std::vector<Line> labels = {};  ///< in the order of the scores'
  Line mean = {};                 ///< of the labels' means

  /// How the intervals came about: "95 % bootstrap intervals: ...".
  std::string definition() const {
    return detail::shortest(100 * options.confidence) + " % intervals of the mean: percentile bootstrap, " +
           std::to_string(options.resamples) + " resamples of the " + std::to_string(units) +
           (grouped ? " groups, drawn whole" : " images");
  }

  /// An aligned table: label, mean and ends of its interval, the same over non-blank images; then definition().
  /// `name`: of the metric, "DSC".
  std::string text(const std::string& name) const {
    detail::TextTable table({"label", name, "from", "to", "non-blank", "from", "to"});
    const auto add = [&](const Line& line) {
      std::vector<std::string> row{line.label};
      for (const auto& interval : {line.all, line.nonblank}) {
        const MeanInterval shown = interval.value_or(MeanInterval{std::nan(""), std::nan(""), std::nan("")});
        for (const double value : {shown.mean, shown.low, shown.high}) row.push_back(detail::four_digits(value));
      }
      table.add(row);
    };
    for (const Line& line : labels) add(line);
    add(mean);
    return table.text() + definition() + ".\n";
  }

  /// {"definition", "labels": {name: {"all": [low, high], "nonblank": [low, high]}}, "mean": {...}}; null where there
  /// is none.
  nlohmann::ordered_json json() const {
    const auto ends = [](const std::optional<MeanInterval>& interval) {
      return interval ? nlohmann::ordered_json{interval->low, interval->high} : nlohmann::ordered_json();
    };
    const auto entry = [&](const Line& line) {
      return nlohmann::ordered_json{{"all", ends(line.all)}, {"nonblank", ends(line.nonblank)}};
    };
    nlohmann::ordered_json root{{"definition", definition()}, {"labels", nlohmann::ordered_json::object()}};
    for (const Line& line : labels) root["labels"][line.label] = entry(line);
    root["mean"] = entry(mean);
    return root;
  }
};

namespace detail {

/// Values with the number of their label, and of the image or group that a bootstrap draws as a whole.
struct LabelledValues {
  std::vector<double> values = {};
  std::vector<Index> labels = {}, units = {};

  void add(double value, Index label, Index unit) {
    values.push_back(value);
    labels.push_back(label);
    units.push_back(unit);
  }
  /// The interval of the mean over the labels' means; nothing where there are fewer than two units.
  std::optional<MeanInterval> interval(const BootstrapOptions& options) const {
    if (std::all_of(units.begin(), units.end(), [&](Index unit) { return unit == units.front(); })) return std::nullopt;
    return bootstrap_mean(values, options, units, labels);
  }
};

}  // namespace detail

/// The means of `metric` in `scores`, per label and over labels, with their bootstrap intervals: whole groups are drawn
/// where groups are known, else images. Throws ConfigError where `options` are out of range.
inline ScoreIntervals score_intervals(const Scores& scores, Metric metric, const BootstrapOptions& options = {}) {
  detail::check_bootstrap(options);
  const detail::ScoreUnits units = detail::score_units(scores);
  ScoreIntervals intervals{.metric = metric, .options = options, .units = units.count, .grouped = units.grouped};
  struct Values {
    detail::LabelledValues all, nonblank;
  };
  const std::vector<std::string> labels = scores.labels();
  std::map<std::string, Index> numbers;
  for (const std::string& label : labels) numbers.emplace(label, static_cast<Index>(numbers.size()));
  std::vector<Values> by_label(labels.size());
  Values together;
  for (std::size_t i = 0; i < scores.rows.size(); ++i) {
    const ImageScore& row = scores.rows[i];
    const std::optional<double> value = row.score.value(metric);
    if (!value) continue;
    const Index label = numbers.at(row.label);
    for (Values* values : {&by_label[static_cast<std::size_t>(label)], &together}) {
      values->all.add(*value, label, units.of_row[i]);
      if (!row.score.blank_truth()) values->nonblank.add(*value, label, units.of_row[i]);
    }
  }
  const auto line = [&](const std::string& name, const Values& values) {
    return ScoreIntervals::Line{name, values.all.interval(options), values.nonblank.interval(options)};
  };
  for (std::size_t k = 0; k < labels.size(); ++k) intervals.labels.push_back(line(labels[k], by_label[k]));
  intervals.mean = line("mean", together);
  return intervals;
}

}  // namespace ssam::inline SSAM_ABI
