#pragma once

#include <algorithm>
#include <cmath>
#include <fstream>
#include <ssam/eval/scores.hpp>
#include <ssam/experiment/cell.hpp>
#include <ssam/io/scores_file.hpp>
#include <ssam/sam/adapter_info.hpp>
#include <ssam/train/run_folder.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// One epoch of a run's metrics.jsonl; NaN for what was not measured.
struct EpochFigures {
  double epoch = 0;                  ///< counted from 1
  double train_loss = std::nan("");  ///< mean over its steps
  double val_loss = std::nan("");    ///< of the validation
  double val_dice = std::nan("");    ///< mean DSC of the validation
  double seconds = 0;                ///< that it took
};

/// A cell that is done: its scores and what it cost.
struct FinishedCell {
  Cell cell;                           ///< which
  CellRecord record;                   ///< what is known about it
  Scores scores;                       ///< image by image
  Index trained = 0;                   ///< parameters
  Index total = 0;                     ///< parameters of the whole model; 0 where not known
  Index adapter_bytes = 0;             ///< the tensors of its adapter on disk
  std::vector<EpochFigures> epochs{};  ///< of the training

  /// Seconds of the training.
  double seconds() const {
    double sum = 0;
    for (const EpochFigures& epoch : epochs) sum += epoch.seconds;
    return sum;
  }
};

/// A row on one data set, over its finished seeds.
struct RowResults {
  std::string name;                      ///< of the row
  std::string group;                     ///< of the row
  std::vector<FinishedCell> cells = {};  ///< in the order of the seeds

  /// The scores of each seed.
  std::vector<Scores> scores() const {
    std::vector<Scores> all;
    for (const FinishedCell& cell : cells) all.push_back(cell.scores);
    return all;
  }
  /// Mean of `value(cell)` over the seeds; NaN without any.
  template <class Value>
  double mean(const Value& value) const {
    double sum = 0;
    for (const FinishedCell& cell : cells) sum += static_cast<double>(value(cell));
    return cells.empty() ? std::nan("") : sum / static_cast<double>(cells.size());
  }
};

/// All rows on one data set.
struct DataResults {
  std::string name;                      ///< of the data set
  std::vector<std::string> labels = {};  ///< in the order of the scores
  std::vector<RowResults> rows = {};     ///< those with a finished cell, in the order of the plan
};

/// A cell that is not done.
struct UnfinishedCell {
  Cell cell;                             ///< which
  CellState state = CellState::pending;  ///< how far it is
  std::string error;                     ///< where it failed, why
};

/// What an experiment's folder holds.
struct ExperimentResults {
  std::string name;                             ///< of the folder
  nlohmann::ordered_json plan;                  ///< as it was given
  std::string plan_folder;                      ///< relative paths of the plan begin here
  std::string against;                          ///< the row that others are tested against
  std::vector<DataResults> data = {};           ///< those with a finished cell
  std::vector<UnfinishedCell> unfinished = {};  ///< what is missing
  std::size_t cells = 0;                        ///< of the whole grid
};

namespace detail {

inline std::vector<EpochFigures> load_epochs(const std::filesystem::path& metrics) {
  std::vector<EpochFigures> epochs;
  std::ifstream stream(metrics);
  std::string line;
  for (std::size_t number = 1; std::getline(stream, line); ++number) {
    const nlohmann::json json = parse_json(line, metrics.string() + ", line " + std::to_string(number));
    const auto figure = [&](const char* key) {
      return json.contains(key) && json[key].is_number() ? json[key].get<double>() : std::nan("");
    };
    epochs.push_back({figure("epoch"), figure("train_loss"), figure("val_loss"), figure("val_dsc_mean"), 0});
    if (const double seconds = figure("seconds"); !std::isnan(seconds)) epochs.back().seconds = seconds;
  }
  return epochs;
}

inline FinishedCell load_cell(const Cell& cell, const CellRecord& record) {
  FinishedCell finished{.cell = cell, .record = record, .scores = load_scores(cell.scores() / "scores.csv")};
  if (!cell.settings.trains) return finished;
  const RunFolder run(cell.run());
  const std::filesystem::path info = run.best() / adapter_info_file;
  const AdapterInfo adapter = AdapterInfo::from_json(load_json(info), info.string());
  finished.trained = adapter.count.trained;
  finished.total = adapter.count.total;
  std::error_code failure;
  const auto bytes = std::filesystem::file_size(run.best() / adapter_weights_file, failure);
  if (!failure) finished.adapter_bytes = static_cast<Index>(bytes);
  finished.epochs = load_epochs(run.metrics());
  return finished;
}

}  // namespace detail

/// The file of an experiment's folder that says what the experiment is.
inline constexpr const char* experiment_file = "experiment.json";

/// Writes experiment_file into `folder`: the plan as it stands in `json`, the `recipes` that a plan may name, and the
/// folder `plan_folder` where its relative paths begin. Throws IoError.
inline void save_experiment(const std::filesystem::path& folder, const nlohmann::ordered_json& json,
                            const std::vector<PlanRecipe>& recipes, const std::filesystem::path& plan_folder) {
  nlohmann::ordered_json file{{"format_version", 1}, {"plan_folder", plan_folder.string()}, {"plan", json}};
  file["recipes"] = nlohmann::ordered_json::array();
  for (const PlanRecipe& recipe : recipes)
    file["recipes"].push_back({{"name", recipe.name}, {"trains", recipe.trains}});
  atomic_write(folder / experiment_file, file.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

/// Collects what the folder of an experiment holds, finished or not. Throws IoError where there is no experiment;
/// FormatError, ConfigError where a file of it cannot be used.
inline ExperimentResults load_experiment(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / experiment_file;
  if (!std::filesystem::exists(file)) {
    throw IoError(ErrorText{.what = "this is no folder of an experiment",
                            .where = folder.string(),
                            .found = std::filesystem::exists(folder)
                                         ? std::string("a folder without ") + experiment_file
                                         : "no such folder",
                            .advice = "run the experiment into it first"});
  }
  const std::string where = file.string();
  const nlohmann::json json = load_json(file);
  const JsonObject object(json, where, {"format_version", "plan_folder", "plan", "recipes"});
  object.integer("format_version", 1, 1);
  std::vector<PlanRecipe> recipes;
  for (const nlohmann::json& entry : object.at("recipes")) {
    const JsonObject recipe(entry, where + ", key 'recipes'", {"name", "trains"});
    recipes.push_back({recipe.text("name"), recipe.boolean("trains")});
  }
  const Plan plan = parse_plan(object.at("plan"), where + ", key 'plan'", recipes);
  ExperimentResults results{
      .name = std::filesystem::absolute(folder / "").lexically_normal().parent_path().filename().string(),
      .plan = nlohmann::ordered_json::parse(read_file(file, std::size_t{16} << 20))["plan"],
      .plan_folder = object.text("plan_folder"),
      .against = plan.against};
  const std::vector<Cell> cells = cells_of(plan, folder);
  results.cells = cells.size();
  for (const PlanData& data : plan.data) {
    DataResults of_data{.name = data.name};
    for (const PlanRow& row : plan.rows) {
      RowResults of_row{.name = row.name, .group = row.group};
      for (const Cell& cell : cells) {
        if (cell.data != data.name || cell.row != row.name) continue;
        const std::optional<CellRecord> record = cell.load();
        if (record && record->state == CellState::done) {
          of_row.cells.push_back(detail::load_cell(cell, *record));
        } else {
          results.unfinished.push_back(
              {cell, record ? record->state : CellState::pending, record ? record->error : std::string()});
        }
      }
      if (of_row.cells.empty()) continue;
      if (of_data.rows.empty()) of_data.labels = of_row.cells.front().scores.labels();
      of_data.rows.push_back(std::move(of_row));
    }
    if (!of_data.rows.empty()) results.data.push_back(std::move(of_data));
  }
  return results;
}

/// The row of that name among the results, which others are tested against. Throws ConfigError with the nearest name.
inline std::string choose_row(const ExperimentResults& results, const std::string& name) {
  std::vector<std::string> names;
  for (const DataResults& data : results.data) {
    for (const RowResults& row : data.rows) {
      if (row.name == name) return name;
      if (std::find(names.begin(), names.end(), row.name) == names.end()) names.push_back(row.name);
    }
  }
  throw ConfigError(ErrorText{.what = "no finished cell has the row '" + name + "'",
                              .where = results.name,
                              .advice = suggest_name(name, names)});
}

}  // namespace ssam::inline SSAM_ABI
