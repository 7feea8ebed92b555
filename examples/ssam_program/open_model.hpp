#pragma once

#include <memory>
#include <optional>
#include <ssam/data/picture.hpp>
#include <ssam/sam/adapter_info.hpp>
#include <ssam/text/features.hpp>

#include "model_options.hpp"
#include "runner.hpp"

namespace ssam::inline SSAM_ABI {
struct ManifestReport;
}  // namespace ssam::inline SSAM_ABI

namespace ssam::cli {

/// A checkpoint in its model, with an adapter merged into it where one was asked for: ready to answer.
struct OpenModel {
  std::unique_ptr<Runner> runner;
  SamConfig config;
  std::optional<AdapterInfo> adapter;
  bool has_text_affine = false;     ///< whether labels can be asked for
  std::string text_source;          ///< of the features its TAL was trained with; "" where nobody recorded it
  std::string text_hash;            ///< of their content; "" where nobody recorded it
  std::vector<std::string> labels;  ///< its TAL was trained with; empty where nobody recorded them
};

/// Throws as open_checkpoint, ssam::load_adapter and Recipe::make. `adapter` may be empty.
OpenModel open_model(const ModelOptions& options, const std::filesystem::path& adapter, int threads,
                     DeviceKind device = DeviceKind::cpu);

/// A picture as the model is to see it; says on stderr what was done to its values, if anything. Throws as load_image.
Image open_picture(const std::filesystem::path& file, const Intensity& intensity);

/// Says on stderr what a check of a data set found worth knowing.
void warn_of(const ManifestReport& report);

/// Text features from a file, or hashed label names where `file` is empty. Throws MismatchError when the model's TAL
/// was trained with the other kind or another content, ConfigError when it has no TAL that was ever trained.
TextFeatures open_features(const OpenModel& model, const std::filesystem::path& file);

}  // namespace ssam::cli
