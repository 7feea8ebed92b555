#pragma once

#include <ssam/io/json_file.hpp>
#include <ssam/sam/config.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {
/// The extents of a configuration by their names in JSON.
struct ConfigExtent {
  const char* name;
  Index SamConfig::*member;
};
inline constexpr ConfigExtent config_extents[] = {{"image_size", &SamConfig::image_size},
                                                  {"patch_size", &SamConfig::patch_size},
                                                  {"embed_dim", &SamConfig::embed_dim},
                                                  {"depth", &SamConfig::depth},
                                                  {"heads", &SamConfig::heads},
                                                  {"window", &SamConfig::window},
                                                  {"out_channels", &SamConfig::out_channels},
                                                  {"decoder_heads", &SamConfig::decoder_heads},
                                                  {"decoder_mlp", &SamConfig::decoder_mlp},
                                                  {"iou_hidden", &SamConfig::iou_hidden},
                                                  {"mask_channels", &SamConfig::mask_channels},
                                                  {"text_dim", &SamConfig::text_dim}};
}  // namespace detail

/// The extents of a SAM as JSON. What makes a model `sam` or `svdsam_release` is not in it: that is a name of its own.
inline nlohmann::json to_json(const SamConfig& config) {
  nlohmann::json object = nlohmann::json::object();
  for (const detail::ConfigExtent& extent : detail::config_extents) object[extent.name] = config.*extent.member;
  object["global_blocks"] = nlohmann::json::array();
  for (Index block = 0; block < 64; ++block) {
    if ((config.global_blocks >> block & 1u) != 0) object["global_blocks"].push_back(block);
  }
  return object;
}

/// {"form", "intensity", "soft_masks"}. The pixel statistics are the model's.
inline nlohmann::json to_json(const Preparation& preparation) {
  return {{"form", form_text(preparation)},
          {"intensity", to_string(preparation.intensity)},
          {"soft_masks", preparation.soft_masks}};
}

/// The inverse; what is left out, and the pixel statistics, stay as they are in `preparation`. `where` names the file.
/// Throws ConfigError.
inline Preparation preparation_from_json(const nlohmann::json& json, Preparation preparation,
                                         const std::string& where) {
  const JsonObject object(json, where, {"form", "intensity", "soft_masks"});
  try {
    if (object.has("form")) parse_form(object.text("form"), preparation);
    if (object.has("intensity")) preparation.intensity = parse_intensity(object.text("intensity"));
  } catch (const ConfigError& error) {
    throw ConfigError(where + ": " + error.what());
  }
  if (object.has("soft_masks")) preparation.soft_masks = object.boolean("soft_masks");
  return preparation;
}

/// The inverse, for SAM's own encoder and decoder (apply `svdsam_release` for the other). Keys that are left out keep
/// ViT-B's values. `where` names the file. Throws ConfigError: unknown key (with a suggestion), wrong type or range,
/// extents that do not go together.
inline SamConfig config_from_json(const nlohmann::json& json, const std::string& where) {
  constexpr Index largest = 65536;  // far above any SAM, and no product of two of them overflows
  std::vector<std::string> known{"global_blocks"};
  for (const detail::ConfigExtent& extent : detail::config_extents) known.push_back(extent.name);
  const JsonObject object(json, where, known);
  SamConfig config;
  for (const detail::ConfigExtent& extent : detail::config_extents) {
    if (object.has(extent.name)) config.*extent.member = object.integer(extent.name, 0, largest);
  }
  if (object.has("global_blocks")) {
    config.global_blocks = 0;
    for (const Index block : object.integers("global_blocks", 0, 63)) config.global_blocks |= std::uint64_t{1} << block;
  }
  try {
    config.check();
  } catch (const ConfigError& error) {
    throw ConfigError(where + ": " + error.what());
  }
  return config;
}

/// config_from_json of a file. Throws IoError and FormatError too.
inline SamConfig load_config(const std::filesystem::path& path) {
  return config_from_json(load_json(path), path.string());
}

}  // namespace ssam::inline SSAM_ABI
