#pragma once

#include <memory>
#include <optional>
#include <ssam/data/picture.hpp>
#include <ssam/sam/adapter_info.hpp>
#include <ssam/text/features.hpp>

#include "model_options.hpp"
#include "runner.hpp"
#include "text_options.hpp"

namespace ssam::inline SSAM_ABI {
struct ManifestReport;
struct PictureOptions;
}  // namespace ssam::inline SSAM_ABI

namespace ssam::cli {

/// A checkpoint in its model, with an adapter merged into it where one was asked for: ready to answer.
struct OpenModel {
  std::unique_ptr<Runner> runner;
  SamConfig config;
  std::optional<AdapterInfo> adapter;
  bool has_text_affine = false;  ///< whether labels can be asked for
  TrainedText text;              ///< what its TAL was trained with
};

/// Throws as open_checkpoint, ssam::load_adapter and Recipe::make. `adapter` may be empty.
OpenModel open_model(const ModelOptions& options, const std::filesystem::path& adapter, int threads,
                     DeviceKind device = DeviceKind::cpu);

/// A picture as the model is to see it; says on stderr what was done to its values, if anything. Throws as
/// load_picture.
Image open_picture(const std::filesystem::path& file, const PictureOptions& options);

/// Says on stderr what a check of a data set found worth knowing.
void warn_of(const ManifestReport& report);

/// Says on stderr which of `labels` the model was not trained on.
void warn_of_unknown_labels(const OpenModel& model, const std::vector<std::string>& labels);

/// The text features to ask a model for `labels` with: its own, for others what the options name. Throws as
/// features_to_ask, MismatchError for a label that nobody has a feature for, ConfigError when it has no TAL that was
/// ever trained.
TextFeatures open_features(const OpenModel& model, const TextOptions& options, const std::vector<std::string>& labels,
                           int threads);

}  // namespace ssam::cli
