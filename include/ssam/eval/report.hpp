#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <ssam/core/error.hpp>
#include <ssam/eval/label_scores.hpp>
#include <ssam/eval/text_table.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Scores per label of one evaluation, as tables to read and as JSON.
class Report {
 public:
  /// No images yet; `labels` in the order of their indices, `measures`: what is measured beside the overlap.
  explicit Report(std::vector<std::string> labels, const Measures& measures = {})
      : labels_(std::move(labels)), measures_(measures), scores_(labels_.size()) {}

  /// Adds one image's `score` for one label. Throws ShapeError for an unknown label.
  void add(Index label, const MaskScore& score) {
    if (label < 0 || label >= static_cast<Index>(labels_.size())) {
      throw ShapeError(ErrorText{.what = "no such label in the report", .found = std::to_string(label)});
    }
    scores_[static_cast<std::size_t>(label)].add(score);
  }
  /// Adds what another process or part counted. Throws ShapeError when its labels differ, MismatchError when it was
  /// measured in another way.
  Report& operator+=(const Report& other) {
    if (labels_ != other.labels_) throw ShapeError("reports about different labels cannot be added");
    if (measures_ != other.measures_) {
      throw MismatchError("reports that were measured in different ways cannot be added");
    }
    for (std::size_t k = 0; k < scores_.size(); ++k) scores_[k] += other.scores_[k];
    return *this;
  }

  /// Names, in the order of their indices.
  const std::vector<std::string>& labels() const { return labels_; }
  /// What is measured beside the overlap.
  const Measures& measures() const { return measures_; }
  /// One per label, in the order of labels().
  const std::vector<LabelScores>& scores() const { return scores_; }

  /// Mean of the labels' means of `metric` over `cases`, labels without such images left out; NaN when there are none.
  double mean(Metric metric, Cases cases = Cases::all) const {
    LabelScores::Sum means;
    for (const LabelScores& scores : scores_) {
      if (const double value = scores.mean(metric, cases); !std::isnan(value)) means += {value, 1};
    }
    return means.mean();
  }
  /// Mean of the labels' mean DSC.
  double mean_dice() const { return mean(Metric::dice); }
  /// The same over the images that have the label; labels that no image has are left out.
  double mean_nonblank_dice() const { return mean(Metric::dice, Cases::nonblank); }

  /// All labels' scores added.
  LabelScores total() const {
    LabelScores all;
    for (const LabelScores& scores : scores_) all += scores;
    return all;
  }

  /// Aligned tables and what the figures mean: overlap (DSC, that of non-blank images, published DSC, IoU, precision,
  /// recall), the distances and clDice where they were measured, images (all, without the label, those answered blank,
  /// false blanks, false alarms, with their rates).
  std::string text() const {
    std::string text = means_text({{"DSC", Metric::dice, Cases::all},
                                   {"non-blank", Metric::dice, Cases::nonblank},
                                   {"publ. DSC", Metric::published_dice, Cases::all},
                                   {"IoU", Metric::iou, Cases::all},
                                   {"precision", Metric::precision, Cases::all},
                                   {"recall", Metric::recall, Cases::all}},
                                  false);
    std::vector<Column> columns;
    if (measures_.unit) {
      const std::string unit = to_string(*measures_.unit);
      columns = {{"HD " + unit, Metric::hd, Cases::all},
                 {"HD95 " + unit, Metric::hd95, Cases::all},
                 {"NSD " + detail::shortest(measures_.tolerance) + unit, Metric::nsd, Cases::all},
                 {"non-blank", Metric::nsd, Cases::nonblank}};
    }
    if (measures_.centerlines) {
      columns.push_back({"clDice", Metric::centerline_dice, Cases::all});
      columns.push_back({"non-blank", Metric::centerline_dice, Cases::nonblank});
    }
    if (!columns.empty()) text += "\n" + means_text(columns, measures_.unit.has_value());
    text += "\n" + cases_text() + "\n";
    for (const auto& [key, definition] : definitions()) text += definition + ".\n";
    return text;
  }

  /// {"definitions", "labels": {name: {...}}, "mean": {...}}. An entry has every metric measured by its key (see
  /// metric_key()), the same with "nonblank_" before it over the images that have the label, then the counts "images",
  /// "blank", "blank_right", "false_blank", "false_alarm", the rates "false_blank_rate" and "false_alarm_rate", and
  /// where distances were measured "both_masks", the images that have them. A mean of nothing is null. Under "mean" the
  /// counts are sums over the labels.
  nlohmann::ordered_json json() const {
    nlohmann::ordered_json root{{"definitions", nlohmann::ordered_json::object()},
                                {"labels", nlohmann::ordered_json::object()}};
    for (const auto& [key, definition] : definitions()) root["definitions"][key] = definition;
    for (std::size_t k = 0; k < labels_.size(); ++k) root["labels"][labels_[k]] = entry(scores_[k], scores_[k]);
    root["mean"] = entry(*this, total());
    return root;
  }

 private:
  struct Column {
    std::string name;
    Metric metric;
    Cases cases;
  };

  /// A line per label and one of the means; with the number of images that have distances, if asked for.
  std::string means_text(const std::vector<Column>& columns, bool measured) const {
    std::vector<std::string> header{"label"};
    for (const Column& column : columns) header.push_back(column.name);
    if (measured) header.push_back("measured");
    detail::TextTable table(header);
    const auto add = [&](const std::string& name, const auto& means, const LabelScores& counts) {
      std::vector<std::string> row{name};
      for (const Column& column : columns) row.push_back(detail::four_digits(means.mean(column.metric, column.cases)));
      if (measured) row.push_back(std::to_string(counts.sum(Metric::hd).n));
      table.add(row);
    };
    for (std::size_t k = 0; k < labels_.size(); ++k) add(labels_[k], scores_[k], scores_[k]);
    add("mean", *this, total());
    return table.text();
  }

  std::string cases_text() const {
    detail::TextTable table({"label", "images", "blank", "right", "false blank", "rate", "false alarm", "rate"});
    const auto add = [&](const std::string& name, const LabelScores& scores) {
      table.add({name, std::to_string(scores.n), std::to_string(scores.n_blank), std::to_string(scores.n_blank_right),
                 std::to_string(scores.n_false_blank), detail::four_digits(scores.false_blank_rate()),
                 std::to_string(scores.n_false_alarm()), detail::four_digits(scores.false_alarm_rate())});
    };
    for (std::size_t k = 0; k < labels_.size(); ++k) add(labels_[k], scores_[k]);
    add("all", total());
    return table.text();
  }

  std::vector<std::pair<std::string, std::string>> definitions() const {
    std::vector<std::pair<std::string, std::string>> list;
    for (const Metric metric : all_metrics) {
      if (is_measured(metric, measures_)) {
        list.emplace_back(metric_key(metric, measures_), metric_definition(metric, measures_));
      }
    }
    if (measures_.unit) list.emplace_back("boundary", boundary_definition);
    list.emplace_back("mean", "mean = over the images of a label, then over the labels");
    list.emplace_back("cases", cases_definition);
    return list;
  }

  template <class Means>
  nlohmann::ordered_json entry(const Means& means, const LabelScores& counts) const {
    nlohmann::ordered_json entry;
    for (const Metric metric : all_metrics) {
      if (!is_measured(metric, measures_)) continue;
      const std::string key = metric_key(metric, measures_);
      entry[key] = means.mean(metric, Cases::all);  // NaN becomes null
      if (!lower_is_better(metric)) entry["nonblank_" + key] = means.mean(metric, Cases::nonblank);
    }
    entry["images"] = counts.n;
    entry["blank"] = counts.n_blank;
    entry["blank_right"] = counts.n_blank_right;
    entry["false_blank"] = counts.n_false_blank;
    entry["false_blank_rate"] = counts.false_blank_rate();
    entry["false_alarm"] = counts.n_false_alarm();
    entry["false_alarm_rate"] = counts.false_alarm_rate();
    if (measures_.unit) entry["both_masks"] = counts.sum(Metric::hd).n;
    return entry;
  }

  std::vector<std::string> labels_;
  Measures measures_;
  std::vector<LabelScores> scores_;
};

}  // namespace ssam::inline SSAM_ABI
