#include "model_options.hpp"

#include <cstdio>
#include <ssam/core/context.hpp>
#include <ssam/sam/adapter_info.hpp>
#include <ssam/sam/config_json.hpp>
#include <ssam/sam/sam_checkpoint.hpp>

#include "arguments.hpp"

namespace ssam::cli {

namespace {
constexpr std::array model_names{"sam", "svdsam_release"};
}

void add_model_options(CLI::App& verb, ModelOptions& options) {
  verb.add_option(
          "--checkpoint", options.checkpoint,
          "Weights of SAM: .pth or .safetensors, SAM's, MedSAM's or Hugging Face's names, training checkpoints too")
      ->required()
      ->type_name("FILE");
  verb.add_option(
          "--config", options.config,
          "JSON of a SAM that is none of vit_b, vit_l, vit_h: image_size, patch_size, embed_dim, depth, heads, "
          "global_blocks, window, out_channels, decoder_heads, decoder_mlp, iou_hidden, mask_channels, text_dim")
      ->type_name("FILE");
  add_whole(verb, "--image-size", options.image_size,
            "Side of the model's input in pixels (positions are pooled to it); else the checkpoint's", 1, 16384)
      ->default_str("");
  verb.add_option("--model", options.model,
                  "sam (windows and relative positions) or svdsam_release (as S-SAM's authors published it)")
      ->check(CLI::IsMember(std::vector<std::string>(model_names.begin(), model_names.end())));
  const auto refusal = [](const auto& parse) {
    return [parse](const std::string& text) {
      try {
        parse(text);
        return std::string();
      } catch (const ConfigError& error) {
        return std::string(error.what());
      }
    };
  };
  verb.add_option(
          "--preparation", options.preparation,
          "How pictures and masks reach the model's size: sam (as its predictor does), release_window[:LOW,HIGH] "
          "or release_range (as S-SAM's authors did; release_range for GlaS and LiTS). Stored with an adapter "
          "and used again with it; else sam, or release_window for svdsam_release")
      ->check(refusal([](const std::string& text) {
        Preparation parsed;
        parse_form(text, parsed);
      }))
      ->type_name("FORM");
  verb.add_option(
          "--intensity", options.intensity,
          "Stored values that become 0..255: auto (8 bits as they are; more: the file's own range, else "
          "percentiles 0.5 and 99.5), percentile[:LOW,HIGH], window:LOW,HIGH, or a window of computed tomography: "
          "abdomen, liver, mediastinum, lung, bone, brain. Stored with an adapter")
      ->check(refusal([](const std::string& text) { parse_intensity(text); }))
      ->type_name("RULE");
}

void add_threads(CLI::App& verb, int& threads) {
  add_whole(verb, "--threads", threads, "Threads (else SSAM_THREADS, else all cores)", 1, max_threads)->default_str("");
}

void add_device(CLI::App& verb, DeviceKind& device, const std::vector<std::string>& names) {
  const auto choose = [&device](const std::string& name) {
    const auto found = std::find(device_names.begin(), device_names.end(), name);
    device = static_cast<DeviceKind>(found - device_names.begin());
  };
  std::string help = "Where the model runs: cpu; cuda: an NVIDIA GPU, single precision throughout";
  if (names.size() > 2) help += "; cuda_tf32, cuda_bf16: its matrix products with operands in TF32, bfloat16";
  verb.add_option_function<std::string>("--device", choose, help)->default_str("cpu")->check(CLI::IsMember(names));
}

void add_json(CLI::App& verb, bool& json) { verb.add_flag("--json", json, "Print JSON instead of text"); }

SamConfig backbone_config(const std::string& backbone, Index image_size) {
  if (backbone == "vit_b") return vit_b(image_size);
  if (backbone == "vit_l") return vit_l(image_size);
  if (backbone == "vit_h") return vit_h(image_size);
  throw UsageError("there is no backbone '" + backbone + "'; known are: vit_b, vit_l, vit_h");
}

void set_image_size(SamConfig& config, Index image_size) {
  if (config.patch_size > 0 && image_size % config.patch_size != 0) {
    throw ConfigError(ErrorText{.what = "the image size is no multiple of the patch size",
                                .where = "--image-size",
                                .expected = "a multiple of " + std::to_string(config.patch_size),
                                .found = std::to_string(image_size)});
  }
  config.image_size = image_size;
}

namespace {

/// The configuration a checkpoint has by itself: from its metadata, or because it is a known backbone.
SamConfig own_config(const Checkpoint& checkpoint, const CheckpointDescription& found, const std::string& source) {
  const auto entry = checkpoint.weights.metadata.find(config_key);
  if (entry != checkpoint.weights.metadata.end()) {
    const std::string where = source + ", metadata " + config_key;
    return config_from_json(parse_json(entry->second, where), where);
  }
  if (checkpoint.backbone == "custom") {
    throw ConfigError(
        ErrorText{.what = "the checkpoint is none of the known backbones",
                  .where = source,
                  .expected = "vit_b, vit_l or vit_h",
                  .found = "embed_dim " + std::to_string(found.embed_dim) + ", depth " + std::to_string(found.depth),
                  .advice = "describe it with --config (heads cannot be read off the weights)"});
  }
  SamConfig config = backbone_config(checkpoint.backbone, found.grid * found.patch_size);
  if (found.text_dim > 0) config.text_dim = found.text_dim;
  return config;
}

/// The model that the metadata names; "" where there is none. Throws ConfigError for a name that nobody knows.
std::string own_model(const StateDict& weights, const std::string& source) {
  const auto entry = weights.metadata.find(model_key);
  if (entry == weights.metadata.end()) return "";
  if (std::find(model_names.begin(), model_names.end(), entry->second) != model_names.end()) return entry->second;
  throw ConfigError(ErrorText{.what = "the checkpoint is of an unknown model",
                              .where = source + ", metadata " + model_key,
                              .expected = "sam or svdsam_release",
                              .found = shown(entry->second),
                              .advice = "say which with --model"});
}

/// The labels that the metadata names. Throws ConfigError and FormatError for what is no list of texts.
std::vector<std::string> own_labels(const StateDict& weights, const std::string& source) {
  const auto entry = weights.metadata.find(labels_key);
  if (entry == weights.metadata.end()) return {};
  const std::string where = source + ", metadata " + labels_key;
  const nlohmann::json json{{"labels", parse_json(entry->second, where)}};
  return JsonObject(json, where, {"labels"}).texts("labels");
}

/// What can be read off the weights must be what the configuration says. The image size is not among it: positions are
/// pooled to another one; nor are the windows of a model that has none.
void check_against(const CheckpointDescription& found, const SamConfig& config, const std::string& source) {
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
  if (!config.relative_positions || found.global_blocks == 0 || found.window == found.grid) return;
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

}  // namespace

namespace {

/// What the options say of the preparation.
void choose_preparation(const ModelOptions& options, Preparation& preparation) {
  if (!options.preparation.empty()) parse_form(options.preparation, preparation);
  if (!options.intensity.empty()) preparation.intensity = parse_intensity(options.intensity);
  if (options.soft_masks) preparation.soft_masks = true;
}

/// The model of an adapter. What the options say about it must agree.
void use_adapter_model(Checkpoint& checkpoint, const ModelOptions& options, const AdapterInfo& adapter) {
  const auto refuse = [&](const char* option, const std::string& expected, const std::string& found) {
    throw MismatchError(ErrorText{.what = "the adapter was trained in another model",
                                  .where = option,
                                  .expected = expected,
                                  .found = found,
                                  .advice = "leave the option out: the adapter says which model it is for"});
  };
  if (!options.model.empty() && options.model != adapter.model) refuse("--model", adapter.model, options.model);
  if (options.image_size > 0 && options.image_size != adapter.config.image_size) {
    refuse("--image-size", std::to_string(adapter.config.image_size), std::to_string(options.image_size));
  }
  if (!options.config.empty()) {
    SamConfig given = load_config(options.config);
    given.image_size = adapter.config.image_size;
    if (adapter.model == "svdsam_release") given = svdsam_release(given);
    if (to_json(given) != to_json(adapter.config)) {
      refuse("--config", to_json(adapter.config).dump(), to_json(given).dump());
    }
  }
  Preparation given = adapter.config.preparation;
  choose_preparation(options, given);
  if (given != adapter.config.preparation) {
    refuse(options.preparation.empty() ? "--intensity" : "--preparation", to_json(adapter.config.preparation).dump(),
           to_json(given).dump());
  }
  checkpoint.config = adapter.config;
  checkpoint.model = adapter.model;
}

/// The model that the options and the checkpoint itself describe.
void use_own_model(Checkpoint& checkpoint, const ModelOptions& options, const CheckpointDescription& found,
                   const std::string& source) {
  checkpoint.config = options.config.empty() ? own_config(checkpoint, found, source) : load_config(options.config);
  check_against(found, checkpoint.config, source);
  if (options.image_size > 0) set_image_size(checkpoint.config, options.image_size);
  if (checkpoint.model.empty()) checkpoint.model = options.model.empty() ? "sam" : options.model;
  if (checkpoint.model == "svdsam_release") checkpoint.config = svdsam_release(checkpoint.config);
  const auto stored = checkpoint.weights.metadata.find(preparation_key);
  if (stored != checkpoint.weights.metadata.end()) {
    const std::string where = source + ", metadata " + preparation_key;
    checkpoint.config.preparation =
        preparation_from_json(parse_json(stored->second, where), checkpoint.config.preparation, where);
  }
  choose_preparation(options, checkpoint.config.preparation);
  checkpoint.config.check();
}

}  // namespace

Checkpoint open_checkpoint(const ModelOptions& options, const AdapterInfo* adapter) {
  const std::string source = options.checkpoint.string();
  Checkpoint checkpoint;
  checkpoint.weights = load_sam_checkpoint(options.checkpoint);
  if (const std::string changes = summary_of_changes(checkpoint.weights); !changes.empty()) {
    std::fprintf(stderr, "ssam: note: %s: %s\n", source.c_str(), changes.c_str());
  }
  const CheckpointDescription found = describe_checkpoint(checkpoint.weights);
  if (options.model.empty()) checkpoint.model = own_model(checkpoint.weights, source);
  checkpoint.labels = own_labels(checkpoint.weights, source);
  checkpoint.backbone = found.backbone();
  checkpoint.hash = content_hash(checkpoint.weights);
  checkpoint.has_text_affine = found.text_dim > 0;
  if (adapter != nullptr) {
    use_adapter_model(checkpoint, options, *adapter);
    check_against(found, checkpoint.config, source);
  } else {
    use_own_model(checkpoint, options, found, source);
  }
  return checkpoint;
}

}  // namespace ssam::cli
