#pragma once

#include <filesystem>
#include <optional>
#include <ssam/sam/open_sam.hpp>
#include <string>

#include "program.hpp"
#include "runner.hpp"

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

/// --checkpoint (required), --config, --image-size, --model, --preparation, --intensity.
void add_model_options(CLI::App& verb, ModelOptions& options);
void add_threads(CLI::App& verb, int& threads);
/// --device, one of `names`.
void add_device(CLI::App& verb, DeviceKind& device,
                const std::vector<std::string>& names = {device_names.begin(), device_names.end()});
void add_json(CLI::App& verb, bool& json);

/// Reads a checkpoint, says on stderr what was taken off or left out, and settles the model's configuration: the given
/// one, that in its metadata, or that of a known backbone. Whatever can be read off the weights is checked against it.
/// Throws IoError, FormatError, MismatchError, ConfigError. With an adapter, the model is the one it was trained in;
/// options that say otherwise are refused.
SamCheckpoint open_checkpoint(const ModelOptions& options, const AdapterInfo* adapter = nullptr);
/// The same with an adapter of PEFT in `folder` merged into the weights. Throws as ssam::open_sam_with_peft too.
SamCheckpoint open_checkpoint_with_peft(const ModelOptions& options, const std::filesystem::path& folder);
/// The same for an adapter in a file of S-SAM's authors, in the model that it was trained in.
SamCheckpoint open_checkpoint_for_svdsam(const ModelOptions& options, const SvdsamCheckpoint& adapter);

}  // namespace ssam::cli
