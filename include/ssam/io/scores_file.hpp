#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>
#include <ssam/core/decimal.hpp>
#include <ssam/eval/scores.hpp>
#include <ssam/io/atomic_file.hpp>
#include <ssam/io/byte_source.hpp>
#include <ssam/io/csv.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

inline const std::vector<std::string>& score_columns() {
  static const std::vector<std::string> names{"image",        "split",         "group",
                                              "label",        "blank_truth",   "blank_answer",
                                              "intersection", "answer_pixels", "truth_pixels"};
  return names;
}

/// All columns of scores measured in that way.
inline std::vector<std::string> score_columns(const Measures& measures) {
  std::vector<std::string> names = score_columns();
  for (const Metric metric : all_metrics) {
    if (is_measured(metric, measures)) names.push_back(metric_key(metric, measures));
  }
  return names;
}

}  // namespace detail

/// Scores as CSV: a line of the columns' names, then one per image and label. "blank_truth" and "blank_answer" are 0 or
/// 1, the next three are numbers of pixels, then come the metrics by metric_key(), in full precision; a cell is empty
/// where a metric is not defined.
inline std::string scores_csv(const Scores& scores) {
  const auto joined = [](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) line += (i == 0 ? "" : ",") + csv_cell(cells[i]);
    return line + "\n";
  };
  std::string text = joined(detail::score_columns(scores.measures));
  for (const ImageScore& row : scores.rows) {
    const Counts& counts = row.score.counts;
    std::vector<std::string> cells{row.image,
                                   row.split,
                                   row.group,
                                   row.label,
                                   row.score.blank_truth() ? "1" : "0",
                                   row.score.blank_answer() ? "1" : "0",
                                   detail::whole(counts.intersection),
                                   detail::whole(counts.prediction),
                                   detail::whole(counts.truth)};
    for (const Metric metric : all_metrics) {
      if (!is_measured(metric, scores.measures)) continue;
      const std::optional<double> value = row.score.value(metric);
      cells.push_back(value ? detail::shortest(*value) : "");
    }
    text += joined(cells);
  }
  return text;
}

/// Writes scores_csv() of `scores` to the file `path`, whole or not at all. Throws IoError.
inline void save_scores(const std::filesystem::path& path, const Scores& scores) {
  atomic_write(path, scores_csv(scores));
}

namespace detail {

/// Reads what scores_csv() writes, and checks that it is consistent.
class ScoresReader {
 public:
  ScoresReader(std::string_view text, const std::string& where)
      : where_(where), whole_(text.empty() || text.ends_with('\n')), rows_(parse_csv(text, where)) {}

  Scores read() {
    if (rows_.empty()) fail("the file of scores is empty", "a line of column names", "");
    if (!whole_) {  // its last number could be half of one
      throw FormatError(ErrorText{.what = "the file of scores ends in the middle of a line",
                                  .where = where_,
                                  .advice = "use a whole copy of it, or evaluate again"});
    }
    read_header();
    if (rows_.size() == 1) fail("the file has no scores", "a line per image and label", "");
    Scores scores{.measures = measures_};
    std::set<std::pair<std::string, std::string>> seen;
    for (row_ = 1; row_ < rows_.size(); ++row_) {
      scores.rows.push_back(read_row());
      const ImageScore& row = scores.rows.back();
      if (seen.emplace(row.image, row.label).second) continue;
      column_ = 0;
      fail("an image has two scores for one label", "", "'" + row.image + "', '" + row.label + "'", "keep one of them");
    }
    return scores;
  }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& expected, const std::string& found,
                         const std::string& advice = {}) const {
    std::string where = where_;
    if (row_ < rows_.size()) {
      where += ", line " + std::to_string(rows_[row_].line);
      if (row_ > 0) where += ", column '" + rows_[0].cells[column_] + "'";
    }
    throw FormatError(ErrorText{.what = what, .where = where, .expected = expected, .found = found, .advice = advice});
  }

  /// The columns say what was measured.
  void read_header() {
    const std::vector<std::string>& cells = rows_[0].cells;
    for (const std::string& cell : cells) {
      for (const DistanceUnit unit : {DistanceUnit::pixels, DistanceUnit::millimetres}) {
        const std::string ending = to_string(unit);
        if (!cell.starts_with("nsd_") || !cell.ends_with(ending)) continue;
        const auto tolerance = parse_real(std::string_view(cell).substr(4, cell.size() - 4 - ending.size()));
        if (!tolerance || *tolerance < 0) fail("a tolerance of the NSD is not usable", "as in nsd_1px", cell);
        measures_.unit = unit;
        measures_.tolerance = *tolerance;
      }
      if (cell == to_string(Metric::centerline_dice)) measures_.centerlines = true;
    }
    const std::vector<std::string> expected = score_columns(measures_);
    for (std::size_t i = 0; i < std::max(cells.size(), expected.size()); ++i) {
      const std::string wanted = i < expected.size() ? "'" + expected[i] + "'" : "no more columns";
      const std::string found = i < cells.size() ? "'" + cells[i].substr(0, 40) + "'" : "the end of the line";
      if (wanted != "'" + (i < cells.size() ? cells[i] : "") + "'") {
        fail("column " + std::to_string(i + 1) + " of the scores has another name", wanted, found,
             "use a file that an evaluation wrote");
      }
    }
  }

  const std::string& cell() const { return rows_[row_].cells[column_]; }

  std::string take_name(bool needed) {
    if (needed && cell().empty()) fail("a cell is empty", "a name", "nothing");
    return rows_[row_].cells[column_++];
  }

  double take_count() {
    const auto value = parse_whole<Index>(cell());
    if (!value || *value < 0 || *value > (Index{1} << 53)) {  // more are not exact in a double
      fail("a cell is no number of pixels", "a whole number of 0 or more", shown());
    }
    ++column_;
    return static_cast<double>(*value);
  }

  /// The value of `metric`; where `needed` is not set, the cell must be empty.
  std::optional<double> take_value(Metric metric, bool needed) {
    std::optional<double> value;
    const bool distance = lower_is_better(metric);
    if (!needed) {
      if (!cell().empty()) fail("a metric has a value where it is not defined", "an empty cell", shown());
    } else {
      value = parse_real(cell());
      if (!value || *value < 0 || (!distance && *value > 1)) {
        fail("a cell is no value of the metric", distance ? "a number of 0 or more" : "a number from 0 to 1", shown());
      }
    }
    ++column_;
    return value;
  }

  void check_flag(bool expected) {
    const std::string wanted = expected ? "1" : "0";
    if (cell() != wanted) fail("a cell contradicts the numbers of pixels", wanted, shown());
    ++column_;
  }

  std::string shown() const { return cell().empty() ? "nothing" : "'" + cell().substr(0, 40) + "'"; }

  ImageScore read_row() {
    column_ = 0;
    ImageScore row;
    row.image = take_name(true);
    row.split = take_name(false);
    row.group = take_name(false);
    row.label = take_name(true);
    MaskScore& score = row.score;
    column_ += 2;
    score.counts.intersection = take_count();
    score.counts.prediction = take_count();
    score.counts.truth = take_count();
    if (score.counts.intersection > std::min(score.counts.prediction, score.counts.truth)) {
      column_ = 6;
      fail("two masks share more pixels than one of them has",
           whole(std::min(score.counts.prediction, score.counts.truth)) + " or fewer", shown());
    }
    column_ = 4;
    check_flag(score.blank_truth());
    check_flag(score.blank_answer());
    column_ = score_columns().size();
    const bool both = !score.blank_truth() && !score.blank_answer();
    for (const Metric metric : all_metrics) {
      if (!is_measured(metric, measures_)) continue;
      const std::optional<double> value = take_value(metric, both || !lower_is_better(metric));
      if (metric == Metric::hd) score.hd = value;
      if (metric == Metric::hd95) score.hd95 = value;
      if (metric == Metric::nsd) score.nsd = value;
      if (metric == Metric::centerline_dice) score.centerline_dice = value;
      const std::optional<double> computed = score.value(metric);
      if (!computed || std::abs(*computed - *value) <= 1e-9) continue;
      --column_;
      fail("a metric contradicts the numbers of pixels", shortest(*computed), shown());
    }
    return row;
  }

  const std::string& where_;
  bool whole_;
  std::vector<CsvRow> rows_;
  std::size_t row_ = 0, column_ = 0;
  Measures measures_;
};

}  // namespace detail

/// Reads scores from CSV `text` as scores_csv() writes it; `where` stands for the file in messages. Throws FormatError,
/// which names line and column, for anything else: other columns, a cell that is no number or out of range, a metric
/// that contradicts the numbers of pixels, an image that is there twice for one label, no scores at all.
inline Scores parse_scores(std::string_view text, const std::string& where) {
  return detail::ScoresReader(text, where).read();
}

/// parse_scores() of the file `path`, of at most 1 GiB. Throws IoError too.
inline Scores load_scores(const std::filesystem::path& path) {
  return parse_scores(read_file(path, std::size_t{1} << 30), path.string());
}

}  // namespace ssam::inline SSAM_ABI
