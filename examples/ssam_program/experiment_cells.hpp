#pragma once

#include <functional>
#include <list>
#include <map>
#include <ssam/experiment/cell.hpp>
#include <ssam/experiment/results.hpp>
#include <string>
#include <vector>

#include "child.hpp"
#include "console.hpp"

namespace ssam::cli {

/// How the runs of an experiment are started.
struct CellStart {
  int jobs = 1;                                 ///< how many at a time
  int threads = 1;                              ///< of each
  std::map<std::string, std::string> versions;  ///< what runs, for the records
};

/// Throws ConfigError where `ssam train` or `ssam eval` would refuse the options of a cell.
void check_cell_options(const Cell& cell, const std::string& where);

/// Runs cells that are not done, each as `ssam train` and then `ssam eval`, several at a time. Whatever ends it, what
/// is done stays done, and a run that was interrupted is gone on with.
class CellRunner {
 public:
  CellRunner(const CellStart& start, std::vector<Cell> cells) : start_(start), cells_(std::move(cells)) {}

  /// Returns when every cell is done or failed. `ended(cell, record, seconds)` is called after each. Throws IoError.
  void run(const std::function<void(const Cell&, const CellRecord&, double)>& ended);

 private:
  struct Task {
    const Cell* cell;
    CellRecord record;
    bool training;
    Child child;
    std::chrono::steady_clock::time_point begin;
  };

  Child start_training(const Cell& cell) const;
  Child start_evaluation(const Cell& cell) const;
  void begin(const Cell& cell);
  /// Whether the task is over.
  bool advance(Task& task, const std::function<void(const Cell&, const CellRecord&, double)>& ended);
  void show(Progress& progress, std::size_t finished) const;

  const CellStart& start_;
  std::vector<Cell> cells_;
  std::list<Task> tasks_;
};

/// Draws the pictures of the gallery that are missing. Returns what went wrong, a line each.
std::vector<std::string> draw_gallery(const CellStart& start, const std::filesystem::path& folder,
                                      const ExperimentResults& results);

}  // namespace ssam::cli
