#include "experiment_cells.hpp"

#include <algorithm>
#include <fstream>
#include <ssam/core/decimal.hpp>
#include <ssam/experiment/gallery.hpp>
#include <ssam/io/folder_lock.hpp>
#include <ssam/train/options.hpp>
#include <ssam/train/run_folder.hpp>
#include <thread>

#include "usage.hpp"

namespace ssam::cli {

namespace {

using Arguments = std::vector<std::string>;

Arguments joined(Arguments arguments, const Arguments& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

Arguments train_arguments(const Cell& cell) {
  const CellSettings& settings = cell.settings;
  return joined({"train", "--checkpoint", settings.checkpoint, "--data", settings.data, "--recipe", settings.recipe,
                 "--seed", std::to_string(settings.seed), "--out", cell.run().string()},
                settings.train);
}

Arguments eval_arguments(const Cell& cell, const std::filesystem::path& out, const Arguments& options) {
  Arguments arguments{"eval",  "--checkpoint", cell.settings.checkpoint, "--data", cell.settings.data,
                      "--out", out.string()};
  if (cell.settings.trains) arguments = joined(arguments, {"--adapter", (cell.run() / "best").string()});
  return joined(arguments, options);
}

/// A run that was killed with its parent may take a moment to go.
void wait_until_free(const std::filesystem::path& folder) {
  using namespace std::chrono_literals;
  for (int i = 0; i < 50; ++i) {
    try {
      const FolderLock lock(folder);
      return;
    } catch (const IoError&) {
      std::this_thread::sleep_for(100ms);
    }
  }
}

/// Starts the program, and writes into the log what was started.
Child start_child(const CellStart& start, Arguments arguments, const std::filesystem::path& log) {
  arguments = joined(std::move(arguments), {"--threads", std::to_string(start.threads)});
  std::ofstream(log, std::ios::app) << "$ ssam " << shell_text(arguments) << "\n";
  return Child(arguments, log);
}

Index epochs_of(const Cell& cell) {
  const Arguments& options = cell.settings.train;
  const auto found = std::find(options.begin(), options.end(), "--epochs");
  const auto last = found == options.end() ? found : found + 1;
  return last == options.end() ? TrainOptions{}.epochs : parse_whole<Index>(*last).value_or(TrainOptions{}.epochs);
}

Index epochs_done(const Cell& cell) {
  std::ifstream stream(RunFolder(cell.run()).metrics());
  return static_cast<Index>(std::count(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>(), '\n'));
}

/// What a cell is to the bar of progress: its epochs, and the evaluation as one more.
Index steps_of(const Cell& cell) { return cell.settings.trains ? epochs_of(cell) + 1 : 1; }

void check_words(const Cell& cell, Arguments arguments, const std::string& where) {
  Program program;
  program.app.require_subcommand(1);
  add_train(program);
  add_eval(program);
  std::string message;
  try {
    std::reverse(arguments.begin(), arguments.end());
    program.app.parse(std::move(arguments));
    check_values(program.app);
    return;
  } catch (const CLI::ParseError& error) {
    message = usage_message(program.app, error);
  } catch (const UsageError& error) {
    message = error.what();
  }
  throw ConfigError(ErrorText{.what = "the options of a run cannot be used",
                              .where = where + ", " + cell.name(),
                              .found = message,
                              .advice = "options are named as those of ssam train and ssam eval, without --"});
}

}  // namespace

void check_cell_options(const Cell& cell, const std::string& where) {
  if (cell.settings.trains) check_words(cell, train_arguments(cell), where);
  check_words(cell, eval_arguments(cell, cell.scores(), cell.settings.eval), where);
}

Child CellRunner::start_training(const Cell& cell) const {
  const RunFolder run(cell.run());
  Arguments arguments = train_arguments(cell);
  if (std::filesystem::exists(run.path())) wait_until_free(run.path());
  if (std::filesystem::exists(run.state())) {
    arguments.push_back("--resume");
  } else {
    std::filesystem::remove_all(run.path());  // nothing that could be resumed
  }
  return start_child(start_, arguments, cell.folder / "train.log");
}

Child CellRunner::start_evaluation(const Cell& cell) const {
  if (std::filesystem::exists(cell.scores())) wait_until_free(cell.scores());
  std::filesystem::remove_all(cell.scores());
  return start_child(start_, eval_arguments(cell, cell.scores(), cell.settings.eval), cell.folder / "eval.log");
}

void CellRunner::begin(const Cell& cell) {
  std::filesystem::create_directories(cell.folder);
  CellRecord record{.settings = cell.settings, .versions = start_.versions};
  cell.save(record);
  const auto now = std::chrono::steady_clock::now();
  const bool trains = cell.settings.trains;
  tasks_.push_back({&cell, record, trains, trains ? start_training(cell) : start_evaluation(cell), now});
}

bool CellRunner::advance(Task& task, const std::function<void(const Cell&, const CellRecord&, double)>& ended) {
  const std::optional<ChildEnd> end = task.child.poll();
  if (!end) return false;
  const bool trained = task.training && end->good;
  // Of a method that trains, the evaluation is not what it costs.
  if (task.training || !task.cell->settings.trains) task.record.peak_bytes = end->peak_bytes;
  if (trained) {
    task.training = false;
    task.child = start_evaluation(*task.cell);
    return false;
  }
  task.record.state = end->good ? CellState::done : CellState::failed;
  task.record.error = end->good ? "" : (task.training ? "train: " : "eval: ") + end->error;
  task.cell->save(task.record);
  ended(*task.cell, task.record, std::chrono::duration<double>(std::chrono::steady_clock::now() - task.begin).count());
  return true;
}

void CellRunner::show(Progress& progress, std::size_t finished) const {
  Index done = 0, all = 0;
  for (const Cell& cell : cells_) {
    const Index steps = steps_of(cell);
    const auto index = static_cast<std::size_t>(&cell - cells_.data());
    const bool waits = index >= finished + tasks_.size();
    const bool runs = std::any_of(tasks_.begin(), tasks_.end(), [&](const Task& task) { return task.cell == &cell; });
    all += steps;
    if (runs && cell.settings.trains) {
      done += std::min(epochs_done(cell), steps - 1);
    } else if (!runs && !waits) {
      done += steps;
    }
  }
  progress.update(done, all,
                  std::to_string(finished) + " of " + std::to_string(cells_.size()) + " runs ended, " +
                      std::to_string(tasks_.size()) + " running");
}

void CellRunner::run(const std::function<void(const Cell&, const CellRecord&, double)>& ended) {
  using namespace std::chrono_literals;
  Progress progress("experiment: epoch");
  std::size_t next = 0, finished = 0;
  while (next < cells_.size() || !tasks_.empty()) {
    while (next < cells_.size() && tasks_.size() < static_cast<std::size_t>(start_.jobs)) begin(cells_[next++]);
    for (auto task = tasks_.begin(); task != tasks_.end();) {
      const bool over = advance(*task, [&](const Cell& cell, const CellRecord& record, double seconds) {
        progress.clear();
        ended(cell, record, seconds);
      });
      finished += over ? 1 : 0;
      task = over ? tasks_.erase(task) : std::next(task);
    }
    show(progress, finished);
    if (!tasks_.empty()) std::this_thread::sleep_for(50ms);
  }
}

std::vector<std::string> draw_gallery(const CellStart& start, const std::filesystem::path& folder,
                                      const ExperimentResults& results) {
  std::vector<std::string> problems;
  std::size_t all = 0, done = 0;
  for (const DataResults& data : results.data) all += data.rows.size();
  Progress progress("drawing the gallery");
  for (const DataResults& data : results.data) {
    const std::vector<GalleryCase> cases = choose_gallery(data);
    for (const RowResults& row : data.rows) {
      progress.update(static_cast<Index>(done++), static_cast<Index>(all));
      const std::filesystem::path out = gallery_folder(folder, data.name, row.name);
      if (cases.empty() || !load_gallery_row(out, row, cases).empty()) continue;
      std::filesystem::remove_all(out);
      std::filesystem::create_directories(out);
      const Cell& cell = row.cells.front().cell;
      Arguments options = cell.settings.eval;
      if (const auto worst = std::find(options.begin(), options.end(), "--worst"); worst != options.end()) {
        options.erase(worst, worst + 2);
      }
      for (const GalleryCase& shown : cases) options = joined(options, {"--image", shown.image});
      options = joined(options, {"--worst", "1000", "--worst-apart"});
      Child child = start_child(start, eval_arguments(cell, out, options), out / "eval.log");
      std::optional<ChildEnd> end;
      while (!(end = child.poll())) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (!end->good) problems.push_back("no pictures of " + cell.name() + ": " + end->error);
    }
  }
  return problems;
}

}  // namespace ssam::cli
