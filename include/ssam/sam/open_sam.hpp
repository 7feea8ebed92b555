#pragma once

#include <optional>
#include <ssam/sam/adapter_info.hpp>
#include <ssam/sam/sam_checkpoint.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Metadata of our own checkpoints: the configuration's extents (JSON), ...
inline constexpr const char* config_key = "ssam_config";
/// ... "sam" or "svdsam_release", ...
inline constexpr const char* model_key = "ssam_model";
/// ... where the text features came from that its TAL was trained with, ...
inline constexpr const char* text_source_key = "ssam_text_source";
/// ... their content (TextFeatures::hash), ...
inline constexpr const char* text_hash_key = "ssam_text_hash";
/// ... the labels that it was trained on (a JSON list of texts), ...
inline constexpr const char* labels_key = "ssam_labels";
/// ... and how its pictures were prepared (JSON).
inline constexpr const char* preparation_key = "ssam_preparation";

/// What a caller knows better than the checkpoint.
struct SamChoice {
  std::optional<SamConfig> config = {};    ///< the extents; none: the checkpoint's own word, or a known backbone's
  Index image_size = 0;                    ///< side of the model's input; 0: the configuration's
  std::optional<SamVariant> variant = {};  ///< none: the checkpoint's own word, or SAM
};

/// A checkpoint and the model that it is for.
struct SamCheckpoint {
  StateDict weights;             ///< under SAM's names
  SamConfig config;              ///< to build the model with
  std::string backbone;          ///< "vit_b", "vit_l", "vit_h", "custom"
  bool has_text_affine = false;  ///< whether it holds a TAL, so that it can be asked for labels
  TrainedText text;              ///< what its TAL was trained with
};

/// Writes what a TAL was trained with into a checkpoint of its own, for open_sam_checkpoint to read.
inline void store_trained_text(StateDict& state, const TrainedText& text) {
  state.metadata[text_source_key] = text.source;
  state.metadata[text_hash_key] = text.hash;
  state.metadata[labels_key] = nlohmann::json(text.labels).dump();
  detail::put_features(state, text.features);
}

/// The named backbone's configuration ("vit_b", "vit_l", "vit_h") for inputs of side `image_size`. Throws ConfigError.
inline SamConfig backbone_config(const std::string& backbone, Index image_size) {
  if (backbone == "vit_b") return vit_b(image_size);
  if (backbone == "vit_l") return vit_l(image_size);
  if (backbone == "vit_h") return vit_h(image_size);
  throw ConfigError("there is no backbone '" + backbone + "'; known are: vit_b, vit_l, vit_h");
}

/// What can be read off the weights (`found`) must be what the configuration says: throws MismatchError, `source` names
/// the file. The image size is not among it: positions are pooled to another one; nor are the windows of a model that
/// has none.
inline void check_fits_checkpoint(const CheckpointDescription& found, const SamConfig& config,
                                  const std::string& source) {
  const auto compare = [&](const char* key, Index in_file, Index in_config) {
    if (in_file == 0 || in_file == in_config) return;
    throw MismatchError(ErrorText{.what = std::string("the configuration does not fit the checkpoint: ") + key,
                                  .where = source,
                                  .expected = std::to_string(in_file) + " (the checkpoint's)",
                                  .found = std::to_string(in_config),
                                  .advice = "correct it in the configuration"});
  };
  compare("embed_dim", found.embed_dim, config.embed_dim);
  compare("depth", found.depth, config.depth);
  compare("patch_size", found.patch_size, config.patch_size);
  compare("out_channels", found.out_channels, config.out_channels);
  compare("decoder_mlp", found.decoder_mlp, config.decoder_mlp);
  compare("iou_hidden", found.iou_hidden, config.iou_hidden);
  compare("mask_channels", found.mask_channels, config.mask_channels);
  compare("text_dim", found.text_dim, config.text_dim);
  if (found.head_dim > 0) {
    compare("heads (embed_dim / length of the relative positions)", found.embed_dim / found.head_dim, config.heads);
  }
  // Only where windows and global blocks have tables of different lengths can the two be told apart.
  if (!config.relative_positions() || found.global_blocks == 0 || found.window == found.grid) return;
  std::uint64_t all = 0;
  for (Index i = 0; i < found.depth && i < 64; ++i) all |= std::uint64_t{1} << i;
  if (found.global_blocks == all) return;
  compare("window", found.window, config.window);
  if (found.global_blocks != config.global_blocks) {
    const auto list = [](std::uint64_t blocks) {
      std::string text;
      for (int i = 0; i < 64; ++i) {
        if ((blocks >> i & 1u) != 0) text += (text.empty() ? "" : ", ") + std::to_string(i);
      }
      return "[" + text + "]";
    };
    throw MismatchError(ErrorText{.what = "the configuration does not fit the checkpoint: global_blocks",
                                  .where = source,
                                  .expected = list(found.global_blocks) + " (the checkpoint's)",
                                  .found = list(config.global_blocks),
                                  .advice = "correct it in the configuration"});
  }
}

namespace detail {

/// A metadata entry and where it stands, for messages.
struct Metadata {
  std::string text, where;
};
inline std::optional<Metadata> metadata_of(const StateDict& weights, const char* key, const std::string& source) {
  const auto entry = weights.metadata.find(key);
  if (entry == weights.metadata.end()) return std::nullopt;
  return Metadata{entry->second, source + ", metadata " + key};
}

/// The extents a checkpoint has by itself: from its metadata, or because it is a known backbone.
inline SamConfig own_config(const StateDict& weights, const CheckpointDescription& found, const std::string& source) {
  if (const auto stored = metadata_of(weights, config_key, source)) {
    return config_from_json(parse_json(stored->text, stored->where), stored->where);
  }
  if (found.backbone() == "custom") {
    throw ConfigError(
        ErrorText{.what = "the checkpoint is none of the known backbones",
                  .where = source,
                  .expected = "vit_b, vit_l or vit_h",
                  .found = "embed_dim " + std::to_string(found.embed_dim) + ", depth " + std::to_string(found.depth),
                  .advice = "describe it with a configuration (heads cannot be read off the weights)"});
  }
  SamConfig config = backbone_config(found.backbone(), found.grid * found.patch_size);
  if (found.text_dim > 0) config.text_dim = found.text_dim;
  return config;
}

inline SamVariant own_variant(const StateDict& weights, const std::string& source) {
  const auto stored = metadata_of(weights, model_key, source);
  if (!stored || stored->text == to_string(SamVariant::sam)) return SamVariant::sam;
  if (stored->text == to_string(SamVariant::svdsam_release)) return SamVariant::svdsam_release;
  throw ConfigError(ErrorText{.what = "the checkpoint is of an unknown model",
                              .where = stored->where,
                              .expected = "sam or svdsam_release",
                              .found = shown(stored->text),
                              .advice = "say which of them it is"});
}

inline std::vector<std::string> own_labels(const StateDict& weights, const std::string& source) {
  const auto stored = metadata_of(weights, labels_key, source);
  if (!stored) return {};
  const nlohmann::json json{{"labels", parse_json(stored->text, stored->where)}};
  return JsonObject(json, stored->where, {"labels"}).texts("labels");
}

/// What store_trained_text wrote, but for the features.
inline TrainedText stored_text(const StateDict& weights, const std::string& source) {
  const auto text = [&](const char* key) {
    const auto stored = metadata_of(weights, key, source);
    return stored ? stored->text : std::string();
  };
  return {.labels = own_labels(weights, source), .source = text(text_source_key), .hash = text(text_hash_key)};
}

/// What is chosen must be what an adapter was trained in.
inline void require_adapters_choice(const SamChoice& choice, const SamConfig& own, const std::string& source) {
  const auto refuse = [&](const char* what, const std::string& expected, const std::string& found) {
    throw MismatchError(ErrorText{.what = std::string("the adapter was trained in a model of another ") + what,
                                  .where = source,
                                  .expected = expected,
                                  .found = found,
                                  .advice = "leave the choice to the adapter: it says which model it is for"});
  };
  if (choice.image_size > 0 && choice.image_size != own.image_size) {
    refuse("image size", std::to_string(own.image_size), std::to_string(choice.image_size));
  }
  if (choice.variant && *choice.variant != own.variant) {
    refuse("variant", to_string(own.variant), to_string(*choice.variant));
  }
  if (!choice.config) return;
  SamConfig given = *choice.config;
  given.image_size = own.image_size;
  if (own.variant == SamVariant::svdsam_release) given = svdsam_release(given);
  if (to_json(given) != to_json(own)) refuse("configuration", to_json(own).dump(), to_json(given).dump());
}

}  // namespace detail

/// Sets the side of the model's input to `image_size` pixels. Throws ConfigError when it is no multiple of the patch.
inline void set_image_size(SamConfig& config, Index image_size) {
  if (config.patch_size > 0 && image_size % config.patch_size != 0) {
    throw ConfigError(ErrorText{.what = "the image size is no multiple of the patch size",
                                .expected = "a multiple of " + std::to_string(config.patch_size),
                                .found = std::to_string(image_size)});
  }
  config.image_size = image_size;
}

/// Reads a checkpoint of Segment Anything (see load_sam_checkpoint) and settles the model's configuration: what the
/// caller chooses, what its metadata say, or that of a known backbone; whatever can be read off the weights is checked
/// against it. With an `adapter`, it is the model that the adapter was trained in. Throws IoError, FormatError,
/// MismatchError, ConfigError.
inline SamCheckpoint open_sam_checkpoint(const std::filesystem::path& path, const SamChoice& choice = {},
                                         const AdapterInfo* adapter = nullptr) {
  const std::string source = path.string();
  SamCheckpoint checkpoint;
  checkpoint.weights = load_sam_checkpoint(path, &checkpoint.text.features);
  const StateDict& weights = checkpoint.weights;
  const CheckpointDescription found = describe_checkpoint(weights);
  if (adapter != nullptr) {
    checkpoint.config = adapter->sam_config();
    detail::require_adapters_choice(choice, checkpoint.config, source);
    check_fits_checkpoint(found, checkpoint.config, source);
  } else {
    SamConfig& config = checkpoint.config;
    config = choice.config ? *choice.config : detail::own_config(weights, found, source);
    check_fits_checkpoint(found, config, source);
    if (choice.image_size > 0) set_image_size(config, choice.image_size);
    const SamVariant variant = choice.variant ? *choice.variant : detail::own_variant(weights, source);
    if (variant == SamVariant::svdsam_release) config = svdsam_release(config);
    if (const auto stored = detail::metadata_of(weights, preparation_key, source)) {
      config.preparation =
          preparation_from_json(parse_json(stored->text, stored->where), config.preparation, stored->where);
    }
    config.check();
  }
  checkpoint.backbone = found.backbone();
  checkpoint.has_text_affine = found.text_dim > 0;
  std::optional<TextFeatures> features = std::move(checkpoint.text.features);
  checkpoint.text = detail::stored_text(weights, source);
  checkpoint.text.features = std::move(features);
  return checkpoint;
}

}  // namespace ssam::inline SSAM_ABI
