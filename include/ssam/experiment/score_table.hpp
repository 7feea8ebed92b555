#pragma once

#include <cmath>
#include <optional>
#include <set>
#include <ssam/eval/compare.hpp>
#include <ssam/eval/report.hpp>
#include <ssam/experiment/results.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// The mean DSC of a row for one object, or over the objects.
struct TableCell {
  double mean = std::nan("");             ///< over the seeds; NaN where no image counts
  double deviation = std::nan("");        ///< standard deviation over the seeds (n - 1); NaN for fewer than two
  std::optional<double> t_test_p = {};    ///< paired t test against the chosen row; by Holm over the objects
  std::optional<double> wilcoxon_p = {};  ///< the same of the signed-rank test
  bool best = false;  ///< none of the column is better, and not all are as good, by the table's digits
};

/// A line of a table.
struct TableRow {
  std::string name;              ///< of the row
  std::size_t seeds = 0;         ///< finished
  std::vector<TableCell> cells;  ///< in the order of the columns
};

/// DSC by object: a line for each row of one group on one data set.
struct ScoreTable {
  std::string data;                  ///< name of the data set
  std::string group;                 ///< of the rows; "" is the main one
  Cases cases = Cases::all;          ///< over which images
  std::string against;               ///< the row of the tests; "" where it has no finished cell
  std::vector<std::string> columns;  ///< the objects, then "mean"
  std::vector<TableRow> rows;        ///< in the order of the plan
};

namespace detail {

/// "0.812"; "-" for NaN: what the tables print.
inline std::string table_digits(double value) {
  if (std::isnan(value)) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

inline Report report_of(const Scores& scores, const std::vector<std::string>& labels) {
  Report report(labels, scores.measures);
  for (const ImageScore& row : scores.rows) {
    const auto place = std::find(labels.begin(), labels.end(), row.label);
    report.add(static_cast<Index>(place - labels.begin()), row.score);
  }
  return report;
}

/// Mean and standard deviation of `values`, NaNs left out.
inline TableCell cell_of(const std::vector<double>& values) {
  TableCell cell;
  double sum = 0, squares = 0, n = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    n += 1;
  }
  if (n == 0) return cell;
  cell.mean = sum / n;
  for (const double value : values) {
    if (!std::isnan(value)) squares += (value - cell.mean) * (value - cell.mean);
  }
  if (n > 1) cell.deviation = std::sqrt(squares / (n - 1));
  return cell;
}

inline TableRow table_row(const RowResults& row, const std::vector<std::string>& labels, Cases cases) {
  std::vector<std::vector<double>> values(labels.size() + 1);
  for (const FinishedCell& cell : row.cells) {
    const Report report = report_of(cell.scores, labels);
    for (std::size_t k = 0; k < labels.size(); ++k) values[k].push_back(report.scores()[k].mean(Metric::dice, cases));
    values.back().push_back(report.mean(Metric::dice, cases));
  }
  TableRow line{.name = row.name, .seeds = row.cells.size(), .cells = {}};
  for (const std::vector<double>& column : values) line.cells.push_back(cell_of(column));
  return line;
}

/// Tests every other row against `chosen`.
inline void add_tests(TableRow& line, const RowResults& row, const RowResults& chosen, Cases cases) {
  const std::vector<Scores> a = chosen.scores(), b = row.scores();
  const BootstrapOptions quick{.resamples = 1};  // the tables show no interval
  const Comparison comparison = compare_methods(a, b, Metric::dice, cases, quick);
  for (std::size_t k = 0; k < comparison.labels.size(); ++k) {
    line.cells[k].t_test_p = comparison.labels[k].t_test_holm;
    line.cells[k].wilcoxon_p = comparison.labels[k].wilcoxon_holm;
  }
  if (comparison.all.t_test) line.cells.back().t_test_p = comparison.all.t_test->p;
  if (comparison.all.wilcoxon) line.cells.back().wilcoxon_p = comparison.all.wilcoxon->p;
}

inline void mark_best(ScoreTable& table) {
  if (table.rows.size() < 2) return;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    double best = std::nan("");
    for (const TableRow& row : table.rows) best = std::fmax(best, row.cells[c].mean);
    if (std::isnan(best)) continue;
    const auto is_best = [&](const TableRow& row) { return table_digits(row.cells[c].mean) == table_digits(best); };
    if (std::all_of(table.rows.begin(), table.rows.end(), is_best)) continue;
    for (TableRow& row : table.rows) row.cells[c].best = is_best(row);
  }
}

}  // namespace detail

/// DSC over `cases` of the rows of `group` on one data set: mean and deviation over the seeds, tests against the row
/// `against` (an image's value is the mean over the seeds, so that no image is counted twice). Throws MismatchError
/// where rows were scored over different images.
inline ScoreTable score_table(const DataResults& data, Cases cases, const std::string& against,
                              const std::string& group = {}) {
  ScoreTable table{
      .data = data.name, .group = group, .cases = cases, .against = {}, .columns = data.labels, .rows = {}};
  table.columns.push_back("mean");
  const auto chosen =
      std::find_if(data.rows.begin(), data.rows.end(), [&](const RowResults& row) { return row.name == against; });
  if (chosen != data.rows.end()) table.against = against;
  for (const RowResults& row : data.rows) {
    if (row.group != group) continue;
    table.rows.push_back(detail::table_row(row, data.labels, cases));
    if (chosen != data.rows.end() && row.name != against) {
      detail::add_tests(table.rows.back(), row, *chosen, cases);
    }
  }
  detail::mark_best(table);
  return table;
}

/// All tables of an experiment, tested against the row `against`: of each data set and group of rows one over all
/// images, and one over those that have the object. Throws as score_table().
inline std::vector<ScoreTable> score_tables(const ExperimentResults& results, const std::string& against) {
  std::vector<ScoreTable> tables;
  for (const DataResults& data : results.data) {
    std::vector<std::string> groups;
    for (const RowResults& row : data.rows) {
      if (std::find(groups.begin(), groups.end(), row.group) == groups.end()) groups.push_back(row.group);
    }
    for (const std::string& group : groups) {
      for (const Cases cases : {Cases::all, Cases::nonblank}) {
        tables.push_back(score_table(data, cases, against, group));
      }
    }
  }
  return tables;
}

}  // namespace ssam::inline SSAM_ABI
