#pragma once

#include <ssam/core/version.hpp>
#include <ssam/sam/config_json.hpp>
#include <ssam/sam/parameter_count.hpp>

namespace ssam {

/// The two files of an adapter's folder.
inline constexpr const char* adapter_weights_file = "adapter_model.safetensors";
inline constexpr const char* adapter_info_file = "adapter_config.json";

/// What an adapter says about itself (`adapter_config.json`).
struct AdapterInfo {
  static constexpr int newest_format = 1;

  std::string recipe;                     ///< Recipe::name
  std::string rule = "paper";             ///< paper or release, see Rule
  std::string model = "sam";              ///< sam or svdsam_release
  std::string base_hash = {};             ///< content_hash of the checkpoint it was trained on
  std::string library_version = version;  ///< what wrote it
  int format_version = newest_format;
  SamConfig config = {};
  ParameterCount count = {};
  std::vector<std::string> labels = {};
  std::string text_source = {};                                 ///< TextFeatures::source()
  Index epoch = 0;                                              ///< epochs trained
  double best_loss = std::numeric_limits<double>::quiet_NaN();  ///< validation loss of the best epoch so far
  double best_dice = std::numeric_limits<double>::quiet_NaN();  ///< mean DSC at that epoch

  nlohmann::json to_json() const {
    nlohmann::json groups = nlohmann::json::object();
    for (std::size_t i = 0; i < count_groups; ++i) groups[std::string(count_group_names[i])] = count.groups[i];
    return {{"format_version", format_version},
            {"library_version", library_version},
            {"recipe", recipe},
            {"rule", rule},
            {"model", model},
            {"base_hash", base_hash},
            {"config", ssam::to_json(config)},
            {"trained_parameters", count.trained},
            {"all_parameters", count.total},
            {"groups", groups},
            {"labels", labels},
            {"text_source", text_source},
            {"epoch", epoch},
            {"best_loss", best_loss},
            {"best_dice", best_dice}};
  }

  /// Throws MismatchError for a format newer than this library knows, ConfigError for everything else that is wrong.
  static AdapterInfo from_json(const nlohmann::json& json, const std::string& where) {
    if (json.is_object() && json.contains("format_version") && json["format_version"].is_number_integer() &&
        json["format_version"] > newest_format) {
      throw MismatchError(ErrorText{.what = "the adapter was written by a newer version of this library",
                                    .where = where,
                                    .expected = "format_version up to " + std::to_string(newest_format),
                                    .found = json["format_version"].dump(),
                                    .advice = "update the library"});
    }
    const JsonObject object(
        json, where,
        {"format_version", "library_version", "recipe", "rule", "model", "base_hash", "config", "trained_parameters",
         "all_parameters", "groups", "labels", "text_source", "epoch", "best_loss", "best_dice"});
    constexpr Index most = Index{1} << 50;
    AdapterInfo info;
    info.format_version = static_cast<int>(object.integer("format_version", 1, newest_format));
    info.library_version = object.text("library_version");
    info.recipe = object.text("recipe");
    info.rule = one_of(object.text("rule"), {"paper", "release"}, where + ", key 'rule'");
    info.model = one_of(object.text("model"), {"sam", "svdsam_release"}, where + ", key 'model'");
    info.base_hash = object.text("base_hash");
    info.config = config_from_json(object.at("config"), where + ", key 'config'");
    if (info.model == "svdsam_release") info.config = svdsam_release(info.config);
    info.count.trained = object.integer("trained_parameters", 0, most);
    info.count.total = object.integer("all_parameters", 0, most);
    const JsonObject groups(object.at("groups"), where + ", key 'groups'",
                            {count_group_names.begin(), count_group_names.end()});
    for (std::size_t i = 0; i < count_groups; ++i) {
      info.count.groups[i] = groups.integer(std::string(count_group_names[i]), 0, most);
    }
    info.labels = object.texts("labels");
    info.text_source = object.text("text_source");
    info.epoch = object.integer("epoch", 0, most);
    info.best_loss = object.number("best_loss", true);
    info.best_dice = object.number("best_dice", true);
    return info;
  }

 private:
  static std::string one_of(const std::string& value, const std::vector<std::string>& names, const std::string& where) {
    if (std::find(names.begin(), names.end(), value) != names.end()) return value;
    throw ConfigError(
        ErrorText{.what = "unknown value '" + value + "'", .where = where, .advice = suggest_name(value, names)});
  }
};

}  // namespace ssam
