#pragma once

#include <ssam/adapt/segmentation_model.hpp>
#include <ssam/core/version.hpp>
#include <ssam/sam/config_json.hpp>
#include <ssam/sam/parameter_count.hpp>
#include <ssam/sam/trained_text.hpp>

namespace ssam::inline SSAM_ABI {

/// In an adapter's folder: the tensors that were trained ...
inline constexpr const char* adapter_weights_file = "adapter_model.safetensors";
/// ... and what they are.
inline constexpr const char* adapter_info_file = "adapter_config.json";

/// What an adapter says about itself (`adapter_config.json`).
struct AdapterInfo {
  static constexpr int newest_format = 3;  ///< the newest format this library knows, and the one it writes

  std::string recipe;                                           ///< Recipe::name
  std::string rule = "paper";                                   ///< paper or release, see Rule
  std::string model = "sam";                                    ///< SegmentationModel::name()
  std::string base_hash = {};                                   ///< content_hash of the checkpoint it was trained on
  std::string library_version = version;                        ///< what wrote it
  int format_version = newest_format;                           ///< of the file that was read
  nlohmann::json config = nlohmann::json::object();             ///< the model's configuration
  Preparation preparation = {};                                 ///< of pictures and masks
  ParameterCount count = {};                                    ///< what is trained
  std::vector<std::string> labels = {};                         ///< of the training data
  std::string text_source = {};                                 ///< TextFeatures::source()
  std::string text_hash = {};                                   ///< TextFeatures::hash(); "" where nobody recorded it
  std::optional<TextFeatures> features = {};                    ///< of the labels; stands beside the weights
  std::string best_by = "loss";                                 ///< what the best epoch is chosen by: loss or dice
  Index epoch = 0;                                              ///< epochs trained
  double best_loss = std::numeric_limits<double>::quiet_NaN();  ///< validation loss of the best epoch so far
  double best_dice = std::numeric_limits<double>::quiet_NaN();  ///< mean DSC at that epoch

  /// Whether it is an adapter of Segment Anything, in either variant.
  bool is_sam() const { return model == "sam" || model == "svdsam_release"; }
  /// The configuration to build its Segment Anything with. Throws ConfigError.
  SamConfig sam_config() const {
    SamConfig built = config_from_json(config, "the adapter's configuration");
    if (model == "svdsam_release") built = svdsam_release(built);
    if (preparation != Preparation{}) built.preparation = preparation;
    return built;
  }

  /// What its text affine layer was trained with.
  TrainedText trained_text() const { return {labels, text_source, text_hash, features}; }

  /// The content of adapter_config.json.
  nlohmann::json to_json() const {
    nlohmann::json groups = nlohmann::json::object();
    for (std::size_t i = 0; i < count_groups; ++i) groups[std::string(count_group_names[i])] = count.groups[i];
    return {{"format_version", format_version},
            {"library_version", library_version},
            {"recipe", recipe},
            {"rule", rule},
            {"model", model},
            {"base_hash", base_hash},
            {"config", config},
            {"preparation", ssam::to_json(preparation)},
            {"trained_parameters", count.trained},
            {"all_parameters", count.total},
            {"groups", groups},
            {"labels", labels},
            {"text_source", text_source},
            {"text_hash", text_hash},
            {"best_by", best_by},
            {"epoch", epoch},
            {"best_loss", best_loss},
            {"best_dice", best_dice}};
  }

  /// What later versions added (`optional_keys`) has its default where it is missing; groups of counts that this
  /// version does not know are left out, missing ones are 0. Throws MismatchError for a format newer than this library
  /// knows, ConfigError for everything else that is wrong.
  static AdapterInfo from_json(const nlohmann::json& json, const std::string& where) {
    check_format(json, where);
    std::vector<std::string> known = optional_keys();
    known.insert(known.end(), {"format_version", "library_version", "recipe", "rule", "model", "base_hash", "config",
                               "trained_parameters", "all_parameters", "groups", "labels", "text_source", "epoch",
                               "best_loss", "best_dice"});
    const JsonObject object(json, where, known);
    constexpr Index most = Index{1} << 50;
    AdapterInfo info;
    info.format_version = static_cast<int>(object.integer("format_version", 1, newest_format));
    info.library_version = object.text("library_version");
    info.recipe = object.text("recipe");
    info.rule = one_of(object.text("rule"), {"paper", "release", ""}, where + ", key 'rule'");
    info.model = object.text("model");  // any: networks of a program's own have adapters, too
    info.base_hash = object.text("base_hash");
    info.config = object.at("config");
    if (info.is_sam()) {
      info.config = ssam::to_json(config_from_json(info.config, where + ", key 'config'"));
      info.preparation = info.sam_config().preparation;
    }
    info.count.trained = object.integer("trained_parameters", 0, most);
    info.count.total = object.integer("all_parameters", 0, most);
    info.count.groups = read_groups(object.at("groups"), where + ", key 'groups'");
    info.labels = object.texts("labels");
    info.text_source = object.text("text_source");
    info.epoch = object.integer("epoch", 0, most);
    info.best_loss = object.number("best_loss", true);
    info.best_dice = object.number("best_dice", true);
    if (object.has("preparation")) {
      info.preparation =
          preparation_from_json(object.at("preparation"), info.preparation, where + ", key 'preparation'");
    }
    if (object.has("text_hash")) info.text_hash = object.text("text_hash");
    if (object.has("best_by"))
      info.best_by = one_of(object.text("best_by"), {"loss", "dice"}, where + ", key 'best_by'");
    return info;
  }

 private:
  /// Added after format 1: to be read only where they are.
  static std::vector<std::string> optional_keys() { return {"text_hash", "best_by", "preparation"}; }

  static void check_format(const nlohmann::json& json, const std::string& where) {
    if (!json.is_object() || !json.contains("format_version")) return;
    const nlohmann::json& format = json["format_version"];
    if (!format.is_number_integer() || format <= newest_format) return;
    throw MismatchError(ErrorText{.what = "the adapter was written by a newer version of this library",
                                  .where = where,
                                  .expected = "format_version up to " + std::to_string(newest_format),
                                  .found = format.dump(),
                                  .advice = "update the library"});
  }

  static std::array<Index, count_groups> read_groups(const nlohmann::json& json, const std::string& where) {
    std::vector<std::string> names;
    if (json.is_object()) {
      for (const auto& [name, value] : json.items()) names.push_back(name);
    }
    const JsonObject object(json, where, names);
    std::array<Index, count_groups> groups{};
    for (const std::string& name : names) {
      const Index count = object.integer(name, 0, Index{1} << 50);
      const auto known = std::find(count_group_names.begin(), count_group_names.end(), name);
      if (known != count_group_names.end()) groups[static_cast<std::size_t>(known - count_group_names.begin())] = count;
    }
    return groups;
  }

  static std::string one_of(const std::string& value, const std::vector<std::string>& names, const std::string& where) {
    if (std::find(names.begin(), names.end(), value) != names.end()) return value;
    throw ConfigError(
        ErrorText{.what = "unknown value '" + value + "'", .where = where, .advice = suggest_name(value, names)});
  }
};

}  // namespace ssam::inline SSAM_ABI
