#include "model_options.hpp"

#include <cstdio>
#include <ssam/core/context.hpp>
#include <ssam/sam/config_json.hpp>
#include <ssam/sam/peft_adapter.hpp>
#include <ssam/sam/svdsam_checkpoint.hpp>

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
  const bool rounded = names.size() == device_names.size();
  std::string help = "Where the model runs: cpu; cuda: an NVIDIA GPU, single precision throughout";
  if (rounded) {
    help +=
        "; cpu_bf16, cuda_tf32, cuda_bf16: their matrix products with operands in bfloat16, TF32 (cpu_bf16 needs a "
        "processor with AVX512_BF16; SSAM_BF16=emulated computes the same numbers, slowly, on any)";
  }
  verb.add_option_function<std::string>("--device", choose, help)->default_str("cpu")->check(CLI::IsMember(names));
}

void add_json(CLI::App& verb, bool& json) { verb.add_flag("--json", json, "Print JSON instead of text"); }

namespace {

/// What the options say of the preparation.
void choose_preparation(const ModelOptions& options, Preparation& preparation) {
  if (!options.preparation.empty()) parse_form(options.preparation, preparation);
  if (!options.intensity.empty()) preparation.intensity = parse_intensity(options.intensity);
  if (options.soft_masks) preparation.soft_masks = true;
}

/// What the options say about an adapter's model must agree.
void require_adapter_model(const ModelOptions& options, const AdapterInfo& adapter) {
  const SamConfig own = adapter.sam_config();
  const auto refuse = [&](const char* option, const std::string& expected, const std::string& found) {
    throw MismatchError(ErrorText{.what = "the adapter was trained in another model",
                                  .where = option,
                                  .expected = expected,
                                  .found = found,
                                  .advice = "leave the option out: the adapter says which model it is for"});
  };
  if (!options.model.empty() && options.model != adapter.model) refuse("--model", adapter.model, options.model);
  if (options.image_size > 0 && options.image_size != own.image_size) {
    refuse("--image-size", std::to_string(own.image_size), std::to_string(options.image_size));
  }
  if (!options.config.empty()) {
    SamConfig given = load_config(options.config);
    given.image_size = own.image_size;
    if (adapter.model == "svdsam_release") given = svdsam_release(given);
    if (to_json(given) != adapter.config) {
      refuse("--config", adapter.config.dump(), to_json(given).dump());
    }
  }
  Preparation given = adapter.preparation;
  choose_preparation(options, given);
  if (given != adapter.preparation) {
    refuse(options.preparation.empty() ? "--intensity" : "--preparation", to_json(adapter.preparation).dump(),
           to_json(given).dump());
  }
}

SamChoice choice_of(const ModelOptions& options) {
  SamChoice choice{.image_size = options.image_size};
  if (!options.config.empty()) choice.config = load_config(options.config);
  if (!options.model.empty()) {
    choice.variant = options.model == "sam" ? SamVariant::sam : SamVariant::svdsam_release;
  }
  return choice;
}

/// Sets the preparation and says what was done to the checkpoint.
SamCheckpoint prepared(const ModelOptions& options, SamCheckpoint checkpoint, bool choose) {
  if (choose) choose_preparation(options, checkpoint.config.preparation);
  if (const std::string changes = summary_of_changes(checkpoint.weights); !changes.empty()) {
    std::fprintf(stderr, "ssam: note: %s: %s\n", options.checkpoint.c_str(), changes.c_str());
  }
  return checkpoint;
}

}  // namespace

SamCheckpoint open_checkpoint(const ModelOptions& options, const AdapterInfo* adapter) {
  if (adapter != nullptr) require_adapter_model(options, *adapter);
  return prepared(options, open_sam_checkpoint(options.checkpoint, choice_of(options), adapter), adapter == nullptr);
}

SamCheckpoint open_checkpoint_with_peft(const ModelOptions& options, const std::filesystem::path& folder) {
  const PeftAdapter adapter = read_peft_adapter(folder);
  return prepared(options, open_sam_with_peft(options.checkpoint, adapter, folder.string(), choice_of(options)), true);
}

SamCheckpoint open_checkpoint_for_svdsam(const ModelOptions& options, const SvdsamCheckpoint& adapter) {
  SamChoice choice = choice_of(options);
  const auto refuse = [](const char* option, const std::string& expected, const std::string& found) {
    throw MismatchError(ErrorText{.what = "the adapter of S-SAM's authors was trained in another model",
                                  .where = option,
                                  .expected = expected,
                                  .found = found,
                                  .advice = "leave the option out: the adapter says which model it is for"});
  };
  if (choice.variant == SamVariant::sam) refuse("--model", "svdsam_release", "sam");
  choice.variant = SamVariant::svdsam_release;
  SamCheckpoint checkpoint = open_sam_checkpoint(options.checkpoint, choice);
  checkpoint.config = svdsam_config(adapter, checkpoint.config);
  if (options.image_size > 0 && options.image_size != checkpoint.config.image_size) {
    refuse("--image-size", std::to_string(checkpoint.config.image_size), std::to_string(options.image_size));
  }
  checkpoint.has_text_affine = true;
  checkpoint.text = svdsam_trained_text();
  return prepared(options, std::move(checkpoint), true);
}

}  // namespace ssam::cli
