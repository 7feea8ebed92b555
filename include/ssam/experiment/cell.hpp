#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ssam/experiment/plan.hpp>
#include <ssam/io/atomic_file.hpp>
#include <ssam/io/json_file.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// How far a cell is.
enum class CellState {
  pending,  ///< nothing of it is there
  begun,    ///< it runs, or was interrupted
  failed,   ///< it ended with an error
  done,     ///< its scores are there
};

/// As in cell.json: "pending", "begun", "failed", "done".
inline const char* to_string(CellState state) {
  static constexpr std::array<const char*, 4> names{"pending", "begun", "failed", "done"};
  return names[static_cast<std::size_t>(state)];
}

/// What one cell of the grid runs.
struct CellSettings {
  std::string checkpoint;                                ///< the model to start from
  std::string data;                                      ///< what the program opens
  std::string recipe;                                    ///< which one
  bool trains = true;                                    ///< false: it is evaluated only
  std::uint64_t seed = 0;                                ///< of the training
  std::vector<std::string> train;                        ///< options of the training, as a command line has them
  std::vector<std::string> eval;                         ///< options of the evaluation
  bool operator==(const CellSettings&) const = default;  ///< member by member

  /// An object of the members by their names.
  nlohmann::ordered_json to_json() const {
    return {{"checkpoint", checkpoint}, {"data", data}, {"recipe", recipe}, {"trains", trains}, {"seed", seed},
            {"train", train},           {"eval", eval}};
  }
  /// Reads to_json(); `where` is its place in messages. Throws ConfigError.
  static CellSettings from_json(const nlohmann::json& json, const std::string& where) {
    const JsonObject object(json, where, {"checkpoint", "data", "recipe", "trains", "seed", "train", "eval"});
    return {.checkpoint = object.text("checkpoint"),
            .data = object.text("data"),
            .recipe = object.text("recipe"),
            .trains = object.boolean("trains"),
            .seed = static_cast<std::uint64_t>(object.integer("seed", 0, std::numeric_limits<std::int64_t>::max())),
            .train = object.texts("train"),
            .eval = object.texts("eval")};
  }
};

/// What is known about a cell that was begun: its cell.json.
struct CellRecord {
  CellSettings settings;                             ///< what it runs
  CellState state = CellState::begun;                ///< how far it is
  std::string error = {};                            ///< where it failed, why
  std::map<std::string, std::string> versions = {};  ///< what ran it, by name: program, library of matrix products, ...
  std::int64_t peak_bytes = 0;                       ///< the most memory that a process of it held; 0 where not known

  /// An object of the members by their names.
  nlohmann::ordered_json to_json() const {
    nlohmann::ordered_json json{{"format_version", 1}, {"state", to_string(state)}, {"settings", settings.to_json()}};
    if (state == CellState::failed) json["error"] = error;
    json["versions"] = versions;
    json["peak_bytes"] = peak_bytes;
    return json;
  }
  /// Reads to_json(); `where` is its place in messages. Throws ConfigError.
  static CellRecord from_json(const nlohmann::json& json, const std::string& where) {
    const JsonObject object(json, where, {"format_version", "state", "settings", "error", "versions", "peak_bytes"});
    object.integer("format_version", 1, 1);
    CellRecord record{.settings = CellSettings::from_json(object.at("settings"), where + ", key 'settings'")};
    const std::string state = object.text("state");
    record.state = state == "done" ? CellState::done : state == "failed" ? CellState::failed : CellState::begun;
    if (object.has("error")) record.error = object.text("error");
    for (const auto& [name, value] : object.at("versions").items()) {
      record.versions[name] = value.is_string() ? value.get<std::string>() : value.dump();
    }
    record.peak_bytes = object.integer("peak_bytes", 0, std::int64_t{1} << 60);
    return record;
  }
};

/// One run of the grid and its files.
struct Cell {
  std::string data;              ///< name of the data set
  std::string row;               ///< name of the row
  CellSettings settings;         ///< what it runs
  std::filesystem::path folder;  ///< where its files are

  std::filesystem::path run() const { return folder / "run"; }           ///< of the training
  std::filesystem::path scores() const { return folder / "scores"; }     ///< of the evaluation
  std::filesystem::path record() const { return folder / "cell.json"; }  ///< what is known about it

  /// Its record; nothing where it was not begun. Throws IoError, FormatError, ConfigError.
  std::optional<CellRecord> load() const {
    if (!std::filesystem::exists(record())) return std::nullopt;
    return CellRecord::from_json(load_json(record()), record().string());
  }
  /// Writes its record `saved`, whole or not at all. Throws IoError.
  void save(const CellRecord& saved) const {
    atomic_write(record(), saved.to_json().dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }
  /// Its name in messages: "ultrasound, ssam, seed 0".
  std::string name() const { return data + ", " + row + ", seed " + std::to_string(settings.seed); }
};

/// The `options` of a plan as a command line has them, in the order of their names: "--epochs" "20"
/// "--labels-together".
inline std::vector<std::string> option_arguments(const nlohmann::json& options) {
  std::vector<std::string> arguments;
  const auto text = [](const nlohmann::json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
  };
  for (const auto& [name, value] : options.items()) {
    if (value.is_boolean() && !value.get<bool>()) continue;
    const nlohmann::json values = value.is_array() ? value : nlohmann::json::array({value});
    for (const nlohmann::json& one : values) {
      arguments.push_back("--" + name);
      if (!one.is_boolean()) arguments.push_back(text(one));
    }
  }
  return arguments;
}

/// The cells of `plan`, whose files go into `folder`: data set by data set, row by row, seed by seed. A row that trains
/// nothing has one cell, of the first seed.
inline std::vector<Cell> cells_of(const Plan& plan, const std::filesystem::path& folder) {
  std::vector<Cell> cells;
  for (const PlanData& data : plan.data) {
    for (const PlanRow& row : plan.rows) {
      const PlanOptions options = plan.options.with(data.options).with(row.options);
      nlohmann::json train = options.common, eval = options.common;
      train.update(options.train);
      eval.update(options.eval);
      for (const std::uint64_t seed : plan.seeds) {
        cells.push_back({.data = data.name,
                         .row = row.name,
                         .settings = {.checkpoint = plan.checkpoint,
                                      .data = data.data,
                                      .recipe = row.recipe,
                                      .trains = row.trains,
                                      .seed = seed,
                                      .train = row.trains ? option_arguments(train) : std::vector<std::string>{},
                                      .eval = option_arguments(eval)},
                         .folder = folder / "cells" / detail::file_name_of(data.name) / detail::file_name_of(row.name) /
                                   ("seed_" + std::to_string(seed))});
        if (!row.trains) break;
      }
    }
  }
  return cells;
}

/// Throws ConfigError where a cell was begun with other settings than it has now: its run must not be mixed.
inline void require_same_settings(const Cell& cell, const CellRecord& record) {
  if (record.settings == cell.settings) return;
  throw ConfigError(ErrorText{.what = "the plan has other settings for a cell than it was begun with",
                              .where = cell.record().string(),
                              .expected = record.settings.to_json().dump(),
                              .found = cell.settings.to_json().dump(),
                              .advice = "run the changed plan in another folder, or remove " + cell.folder.string() +
                                        " to begin this cell anew"});
}

}  // namespace ssam::inline SSAM_ABI
