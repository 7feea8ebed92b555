#pragma once

#include <cstdint>
#include <set>
#include <ssam/core/error.hpp>
#include <ssam/io/json_file.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// A recipe that the rows of a plan may name.
struct PlanRecipe {
  std::string name;    ///< as it is written in the plan
  bool trains = true;  ///< false of one that trains nothing: it is evaluated only, and once for all seeds
};

/// Options of the program that runs the cells: JSON objects from an option's name without its dashes to its value, true
/// for a flag. What is written nearer to the cell replaces what is written further away.
struct PlanOptions {
  nlohmann::json common = nlohmann::json::object();  ///< of both
  nlohmann::json train = nlohmann::json::object();   ///< of training
  nlohmann::json eval = nlohmann::json::object();    ///< of evaluating

  /// These, and over them `nearer`.
  PlanOptions with(const PlanOptions& nearer) const {
    PlanOptions merged = *this;
    merged.common.update(nearer.common);
    merged.train.update(nearer.train);
    merged.eval.update(nearer.eval);
    return merged;
  }
};

/// A data set of a plan.
struct PlanData {
  std::string name;     ///< in tables
  std::string data;     ///< what the program opens
  PlanOptions options;  ///< for this data set alone
};

/// A row of a plan's tables: a recipe and how it is run.
struct PlanRow {
  std::string name;     ///< in tables
  std::string recipe;   ///< which one
  std::string group;    ///< rows of one group have tables of their own ("ablation"); "" is the main one
  bool trains = true;   ///< PlanRecipe::trains
  PlanOptions options;  ///< for this row alone
};

/// An experiment: every row on every data set, once for every seed.
struct Plan {
  std::string checkpoint;            ///< the model to start from
  std::vector<PlanData> data;        ///< at least one
  std::vector<PlanRow> rows;         ///< at least one
  std::vector<std::uint64_t> seeds;  ///< at least one
  std::string against;               ///< the row that the others are tested against; "" for the first one
  PlanOptions options;               ///< for all
};

namespace detail {

/// The letters and digits of a name, for files.
inline std::string file_name_of(std::string name) {
  for (char& c : name) {
    const bool kept =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
    if (!kept) c = '_';
  }
  if (name.starts_with('.')) name[0] = '_';
  return name.substr(0, 80);
}

/// Reads a plan, and says what is wrong with one.
class PlanReader {
 public:
  PlanReader(const std::string& where, const std::vector<PlanRecipe>& recipes) : where_(where), recipes_(recipes) {}

  Plan read(const nlohmann::json& json) const {
    const JsonObject object(json, where_,
                            {"checkpoint", "data", "recipes", "seeds", "against", "common", "train", "eval"});
    Plan plan;
    plan.checkpoint = object.text("checkpoint");
    for (const nlohmann::json& entry : list(object, "data")) plan.data.push_back(data(entry, plan.data.size()));
    for (const nlohmann::json& entry : list(object, "recipes")) plan.rows.push_back(row(entry, plan.rows.size()));
    plan.seeds = seeds(object);
    plan.options = options(object, where_);
    require_different(plan.data, "data");
    require_different(plan.rows, "recipes");
    if (object.has("against")) plan.against = chosen_row(plan, object.text("against"));
    if (plan.against.empty()) plan.against = plan.rows.front().name;
    return plan;
  }

 private:
  const nlohmann::json& list(const JsonObject& object, const std::string& key) const {
    const nlohmann::json& value = object.at(key);
    if (value.is_array() && !value.empty()) return value;
    throw ConfigError(ErrorText{.what = "wrong value",
                                .where = where_ + ", key '" + key + "'",
                                .expected = "a list with at least one entry",
                                .found = value.is_array() ? "an empty one" : value.type_name()});
  }

  std::string place(const char* key, std::size_t number) const {
    return where_ + ", " + key + " " + std::to_string(number + 1);
  }

  PlanData data(const nlohmann::json& json, std::size_t number) const {
    const std::string where = place("data", number);
    const JsonObject object(json, where, {"name", "data", "common", "train", "eval"});
    return {named(object.text("name"), where), object.text("data"), options(object, where)};
  }

  PlanRow row(const nlohmann::json& json, std::size_t number) const {
    const std::string where = place("recipes", number);
    if (json.is_string()) {
      const PlanRecipe found = recipe(json.get<std::string>(), where);
      return {.name = found.name, .recipe = found.name, .group = "", .trains = found.trains, .options = {}};
    }
    const JsonObject object(json, where, {"name", "recipe", "group", "common", "train", "eval"});
    const PlanRecipe found = recipe(object.text("recipe"), where);
    return {.name = named(object.has("name") ? object.text("name") : found.name, where),
            .recipe = found.name,
            .group = object.has("group") ? object.text("group") : "",
            .trains = found.trains,
            .options = options(object, where)};
  }

  PlanRecipe recipe(const std::string& name, const std::string& where) const {
    std::vector<std::string> names;
    for (const PlanRecipe& known : recipes_) {
      if (known.name == name) return known;
      names.push_back(known.name);
    }
    throw ConfigError(
        ErrorText{.what = "unknown recipe '" + name + "'", .where = where, .advice = suggest_name(name, names)});
  }

  static std::string named(const std::string& name, const std::string& where) {
    if (!name.empty() && name.find('\n') == std::string::npos) return name;
    throw ConfigError(ErrorText{.what = "a name is empty or has a line break", .where = where});
  }

  std::vector<std::uint64_t> seeds(const JsonObject& object) const {
    if (!object.has("seeds")) return {0};
    list(object, "seeds");
    std::vector<std::uint64_t> seeds;
    for (const std::int64_t seed : object.integers("seeds", 0, std::numeric_limits<std::int64_t>::max())) {
      if (std::find(seeds.begin(), seeds.end(), static_cast<std::uint64_t>(seed)) != seeds.end()) {
        throw ConfigError(ErrorText{.what = "the seed " + std::to_string(seed) + " is there twice", .where = where_});
      }
      seeds.push_back(static_cast<std::uint64_t>(seed));
    }
    return seeds;
  }

  static PlanOptions options(const JsonObject& object, const std::string& where) {
    const auto read = [&](const char* key) {
      if (!object.has(key)) return nlohmann::json(nlohmann::json::object());
      const nlohmann::json& values = object.at(key);
      const std::string place = where + ", key '" + key + "'";
      if (!values.is_object()) {
        throw ConfigError(ErrorText{
            .what = "wrong type", .where = place, .expected = "an object {...}", .found = values.type_name()});
      }
      for (const auto& [name, value] : values.items()) check_option(name, value, place);
      return values;
    };
    return {read("common"), read("train"), read("eval")};
  }

  static void check_option(const std::string& name, const nlohmann::json& value, const std::string& where) {
    static const std::set<std::string> own{"checkpoint", "data", "recipe",  "out",  "seed",
                                           "resume",     "json", "adapter", "help", "threads"};
    if (own.contains(name)) {
      throw ConfigError(ErrorText{.what = "the experiment itself sets '" + name + "'",
                                  .where = where,
                                  .advice = "take it out: data sets, recipes and seeds are lists of the plan"});
    }
    const auto plain = [](const nlohmann::json& entry) { return entry.is_string() || entry.is_number(); };
    const bool list = value.is_array() && std::all_of(value.begin(), value.end(), plain);
    if (plain(value) || value.is_boolean() || list) return;
    throw ConfigError(ErrorText{.what = "wrong value",
                                .where = where + ", key '" + name + "'",
                                .expected = "a text, a number, true, false, or a list of texts and numbers",
                                .found = value.type_name()});
  }

  /// Names must differ, as names of files too.
  template <class Entry>
  void require_different(const std::vector<Entry>& entries, const char* key) const {
    std::set<std::string> files;
    for (const Entry& entry : entries) {
      if (files.insert(file_name_of(entry.name)).second) continue;
      throw ConfigError(ErrorText{.what = "two entries have the name '" + entry.name + "'",
                                  .where = where_ + ", key '" + key + "'",
                                  .advice = "give one of them another \"name\" (letters, digits, '-', '.' and '_' tell "
                                            "names apart)"});
    }
  }

  std::string chosen_row(const Plan& plan, const std::string& name) const {
    std::vector<std::string> names;
    for (const PlanRow& row : plan.rows) names.push_back(row.name);
    if (std::find(names.begin(), names.end(), name) != names.end()) return name;
    throw ConfigError(ErrorText{.what = "there is no row '" + name + "' to test against",
                                .where = where_ + ", key 'against'",
                                .advice = suggest_name(name, names)});
  }

  const std::string& where_;
  const std::vector<PlanRecipe>& recipes_;
};

}  // namespace detail

/// Reads a plan. `json` is {"checkpoint", "data": [{"name", "data"}], "recipes": ["ssam", {"name", "recipe", "group"}],
/// "seeds": [0], "against": NAME, "common": {}, "train": {}, "eval": {}}; "seeds", "against" and the options may be
/// missing, and the options may stand in an entry of "data" or "recipes" too. `where` is the plan's place in messages,
/// `recipes` are those that it may name. Throws ConfigError, which names the place and the nearest name, for an unknown
/// key or recipe, a missing or unusable value, a name or seed that is there twice. Options are checked by the program.
inline Plan parse_plan(const nlohmann::json& json, const std::string& where, const std::vector<PlanRecipe>& recipes) {
  return detail::PlanReader(where, recipes).read(json);
}

}  // namespace ssam::inline SSAM_ABI
