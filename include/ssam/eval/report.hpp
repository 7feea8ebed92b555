#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <ssam/core/error.hpp>
#include <ssam/eval/dice.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Said beside every figure, because papers and programs differ.
inline constexpr const char* dice_definition =
    "DSC = 2I / (P + T) per image and label, 1 when both masks are empty; mean over images, then over labels. "
    "published DSC = (2I + 1) / (P + T + 1). IoU = I / (P + T - I), 1 when both are empty. "
    "non-blank: DSC over the images that have the label only. false blank: they have it, the answer is empty; "
    "false alarm: they lack it, the answer is not empty.";

/// Scores per label of one evaluation, as a table to read and as JSON.
class Report {
 public:
  /// No images yet; `labels` in the order of their indices.
  explicit Report(std::vector<std::string> labels) : labels_(std::move(labels)), scores_(labels_.size()) {}

  /// Adds one image's result for one label. Throws ShapeError for an unknown label.
  void add(Index label, const Counts& counts) {
    if (label < 0 || label >= static_cast<Index>(labels_.size())) {
      throw ShapeError(ErrorText{.what = "no such label in the report", .found = std::to_string(label)});
    }
    scores_[static_cast<std::size_t>(label)].add(counts);
  }
  /// Adds what another process or part counted. Throws ShapeError when its labels differ.
  Report& operator+=(const Report& other) {
    if (labels_ != other.labels_) throw ShapeError("reports about different labels cannot be added");
    for (std::size_t k = 0; k < scores_.size(); ++k) scores_[k] += other.scores_[k];
    return *this;
  }

  /// Names, in the order of their indices.
  const std::vector<std::string>& labels() const { return labels_; }
  /// One per label, in the order of labels().
  const std::vector<LabelScores>& scores() const { return scores_; }

  /// Mean of the labels' mean DSC, labels without images left out; NaN when there are none.
  double mean_dice() const { return mean(&LabelScores::mean_dice); }
  /// The same of published_dice().
  double mean_published_dice() const { return mean(&LabelScores::mean_published_dice); }
  /// The same of iou().
  double mean_iou() const { return mean(&LabelScores::mean_iou); }
  /// The same of the DSC over images that have the label; labels that no image has are left out.
  double mean_nonblank_dice() const { return mean(&LabelScores::mean_nonblank_dice); }

  /// All labels' scores added.
  LabelScores total() const {
    LabelScores all;
    for (const LabelScores& scores : scores_) all += scores;
    return all;
  }

  /// An aligned table: label, DSC, DSC of non-blank images, published DSC, IoU, images, blank ones, blank ones answered
  /// blank, false blanks, false alarms.
  std::string text() const {
    std::size_t width = 5;
    for (const std::string& label : labels_) width = std::max(width, letters(label));
    std::string table =
        row("label", width,
            {"DSC", "non-blank", "publ. DSC", "IoU", "images", "blank", "right", "false blank", "false alarm"});
    const auto counted = [](std::vector<double> means, const LabelScores& scores) {
      std::vector<std::string> cells;
      for (const double value : means) cells.push_back(number(value));
      for (const Index count :
           {scores.n, scores.n_blank, scores.n_blank_right, scores.n_false_blank, scores.n_false_alarm()}) {
        cells.push_back(std::to_string(count));
      }
      return cells;
    };
    for (std::size_t k = 0; k < labels_.size(); ++k) {
      const LabelScores& s = scores_[k];
      table += row(labels_[k], width,
                   counted({s.mean_dice(), s.mean_nonblank_dice(), s.mean_published_dice(), s.mean_iou()}, s));
    }
    table +=
        row("mean", width, counted({mean_dice(), mean_nonblank_dice(), mean_published_dice(), mean_iou()}, total()));
    return table + dice_definition + "\n";
  }

  /// {"definition", "labels": {name: {"dice", "nonblank_dice", "published_dice", "iou", "images", "blank",
  /// "blank_right", "false_blank", "false_alarm"}}, "mean": {...}}; a mean of nothing is null. The counts beside the
  /// means are sums over the labels.
  nlohmann::ordered_json json() const {
    const auto counts = [](nlohmann::ordered_json entry, const LabelScores& s) {
      entry.update({{"images", s.n},
                    {"blank", s.n_blank},
                    {"blank_right", s.n_blank_right},
                    {"false_blank", s.n_false_blank},
                    {"false_alarm", s.n_false_alarm()}});
      return entry;
    };
    nlohmann::ordered_json root{{"definition", dice_definition}, {"labels", nlohmann::ordered_json::object()}};
    for (std::size_t k = 0; k < labels_.size(); ++k) {
      const LabelScores& s = scores_[k];
      root["labels"][labels_[k]] = counts({{"dice", s.mean_dice()},
                                           {"nonblank_dice", s.mean_nonblank_dice()},
                                           {"published_dice", s.mean_published_dice()},
                                           {"iou", s.mean_iou()}},
                                          s);
    }
    root["mean"] = counts({{"dice", mean_dice()},
                           {"nonblank_dice", mean_nonblank_dice()},
                           {"published_dice", mean_published_dice()},
                           {"iou", mean_iou()}},
                          total());
    return root;
  }

 private:
  double mean(double (LabelScores::*score)() const) const {
    double sum = 0;
    Index count = 0;
    for (const LabelScores& scores : scores_) {
      const double value = (scores.*score)();
      if (std::isnan(value)) continue;  // of no images
      sum += value;
      ++count;
    }
    return count == 0 ? std::nan("") : sum / static_cast<double>(count);
  }

  /// Characters of a UTF-8 text, for alignment.
  static std::size_t letters(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
  }
  static std::string number(double value) {
    if (std::isnan(value)) return "-";
    char text[32];
    std::snprintf(text, sizeof text, "%.4f", value);
    return text;
  }
  static std::string row(const std::string& name, std::size_t width, const std::vector<std::string>& cells) {
    std::string line = name + std::string(width - letters(name), ' ');
    for (const std::string& cell : cells) line += std::string(12 - std::min<std::size_t>(cell.size(), 12), ' ') + cell;
    return line + "\n";
  }

  std::vector<std::string> labels_;
  std::vector<LabelScores> scores_;
};

}  // namespace ssam::inline SSAM_ABI
