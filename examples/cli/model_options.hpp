#pragma once

#include <filesystem>
#include <optional>
#include <ssam/io/state_dict.hpp>
#include <ssam/sam/config.hpp>
#include <string>

#include "program.hpp"
#include "runner.hpp"

namespace ssam::inline SSAM_ABI {
struct AdapterInfo;
}  // namespace ssam::inline SSAM_ABI

namespace ssam::cli {

/// Which model: the options that most verbs share.
struct ModelOptions {
  std::filesystem::path checkpoint;
  std::filesystem::path config;  ///< a JSON file; empty: read off the checkpoint
  Index image_size = 0;          ///< 0: the configuration's
  std::string model;             ///< "sam", "svdsam_release"; empty: the checkpoint's own
  std::string preparation;       ///< see parse_form; empty: the model's
  std::string intensity;         ///< see parse_intensity; empty: the model's
  bool soft_masks = false;       ///< Preparation::soft_masks; off: the model's
};

/// A checkpoint and the model that it is for.
struct Checkpoint {
  StateDict weights;  ///< under SAM's names
  SamConfig config;
  std::string model;     ///< "sam" or "svdsam_release"
  std::string backbone;  ///< "vit_b", "vit_l", "vit_h", "custom"
  std::string hash;      ///< of the content
  bool has_text_affine = false;
  std::vector<std::string> labels;  ///< its text affine layer was trained on; empty where nobody recorded them
};

/// --checkpoint (required), --config, --image-size, --model, --preparation, --intensity.
void add_model_options(CLI::App& verb, ModelOptions& options);
void add_threads(CLI::App& verb, int& threads);
/// --device, one of `names`.
void add_device(CLI::App& verb, DeviceKind& device,
                const std::vector<std::string>& names = {device_names.begin(), device_names.end()});
void add_json(CLI::App& verb, bool& json);

/// The named backbone's configuration (vit_b, vit_l, vit_h) at an image size.
SamConfig backbone_config(const std::string& backbone, Index image_size);
/// Throws ConfigError when `image_size` is no multiple of the patch.
void set_image_size(SamConfig& config, Index image_size);

/// Reads a checkpoint, says on stderr what was taken off or left out, and settles the model's configuration: the given
/// one, that in its metadata, or that of a known backbone. Whatever can be read off the weights is checked against it.
/// Throws IoError, FormatError, MismatchError, ConfigError. With an adapter, the model is the one it was trained in;
/// options that say otherwise are refused.
Checkpoint open_checkpoint(const ModelOptions& options, const AdapterInfo* adapter = nullptr);

/// Metadata under which our own files name their configuration and their model.
inline constexpr const char* config_key = "ssam_config";
inline constexpr const char* model_key = "ssam_model";
/// ... and where the text features came from that their TAL was trained with.
inline constexpr const char* text_source_key = "ssam_text_source";
/// ... and their content (TextFeatures::hash).
inline constexpr const char* text_hash_key = "ssam_text_hash";
/// ... and the labels that it was trained on: a JSON list of texts.
inline constexpr const char* labels_key = "ssam_labels";
/// ... and how its pictures were prepared.
inline constexpr const char* preparation_key = "ssam_preparation";

}  // namespace ssam::cli
