#include <cmath>
#include <cstdio>
#include <ssam/io/save_torch.hpp>
#include <ssam/sam/save_peft.hpp>
#include <ssam/sam/svdsam_checkpoint.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "model_options.hpp"

namespace ssam::cli {

namespace {

struct ConvertOptions {
  std::filesystem::path in, out, checkpoint, config, clip;
  std::string dtype, to = "sam";
  bool keep_names = false, strict_finite = false;

  bool of_adapter() const { return to == "peft" || to == "svdsam"; }
  ModelOptions model(const std::filesystem::path& weights) const {
    ModelOptions chosen;
    chosen.checkpoint = weights;
    chosen.config = config;
    return chosen;
  }
};

/// The tensor as another floating type; throws when a finite value would become infinite.
HostTensor narrowed(const std::string& name, const HostTensor& tensor, DType target) {
  if (!is_floating(tensor.dtype) || tensor.dtype == target) return tensor;
  HostTensor result = tensor.converted(target);
  if (result.count_nonfinite() > tensor.count_nonfinite()) {
    throw MismatchError(ErrorText{.what = "a weight is too large for the wanted type",
                                  .where = "tensor " + shown(name),
                                  .expected = std::string("values that fit ") + dtype_name(target),
                                  .advice = "use --dtype bf16 or f32"});
  }
  return result;
}

void narrow(StateDict& state, const std::string& dtype) {
  if (dtype.empty()) return;
  const DType target = dtype == "f32" ? DType::f32 : dtype == "f16" ? DType::f16 : DType::bf16;
  for (auto& [name, tensor] : state.tensors) tensor = narrowed(name, tensor, target);
}

void check_options(const ConvertOptions& options) {
  const auto refuse = [&](bool wrong, const char* option, const char* forms) {
    if (wrong) throw UsageError(std::string(option) + " is for --to " + forms + ", not for --to " + options.to);
  };
  refuse(options.keep_names && options.to != "sam", "--keep-names", "sam");
  refuse(options.strict_finite && options.to != "sam", "--strict-finite", "sam (the other forms refuse them anyway)");
  refuse(!options.dtype.empty() && options.of_adapter(), "--dtype", "sam, segment_anything and hugging_face");
  refuse(!options.config.empty() && options.to != "segment_anything" && options.to != "hugging_face", "--config",
         "segment_anything and hugging_face");
  refuse(!options.checkpoint.empty() && options.to != "svdsam", "--checkpoint", "svdsam");
  refuse(!options.clip.empty() && options.to != "svdsam", "--clip", "svdsam");
  if (options.to == "svdsam" && options.checkpoint.empty()) {
    throw UsageError("--to svdsam needs --checkpoint: the file holds the weights that the adapter was trained on, too");
  }
}

void say_written(const ConvertOptions& options, std::size_t tensors) {
  std::printf("%s: %zu tensors\n", options.out.string().c_str(), tensors);
}

int to_sam(const ConvertOptions& options) {
  detail::refuse_folder_as_checkpoint(options.in);
  StateDict state = load_checkpoint(options.in, {.strict_finite = options.strict_finite});
  if (!options.keep_names) state = normalize_names(std::move(state));
  narrow(state, options.dtype);
  save_safetensors(options.out, state);
  say_written(options, state.tensors.size());
  for (const std::string& entry : state.notes) std::printf("  %s\n", entry.c_str());
  for (const std::string& entry : state.skipped) std::printf("  left out %s\n", entry.c_str());
  const std::size_t damaged = state.nonfinite().size();
  if (damaged > 0) std::fprintf(stderr, "ssam: warning: %zu tensors hold NaN or infinite values\n", damaged);
  return 0;
}

/// A whole model for the code of others.
int to_others(const ConvertOptions& options) {
  SamCheckpoint checkpoint = open_checkpoint(options.model(options.in));
  check_finite(checkpoint.weights, {.strict_finite = true}, options.in.string());
  const std::size_t before = checkpoint.weights.tensors.size();
  StateDict state = detail::only_sam(std::move(checkpoint.weights));
  const std::size_t count = state.tensors.size();
  narrow(state, options.dtype);
  if (options.to == "segment_anything") {
    detail::require_sams_own_network(checkpoint.config, "segment-anything");
    save_torch_checkpoint(options.out, state);
  } else {
    save_hugging_face(options.out, std::move(state), checkpoint.config);
  }
  say_written(options, count);
  if (before > count) {
    std::printf("  left out %zu tensors of the text affine layer and its labels: SAM has no place for them\n",
                before - count);
  }
  return 0;
}

/// CLIP's weights as the code of S-SAM's authors holds them.
StateDict clip_weights(const std::filesystem::path& path) {
  if (path.empty()) return {};
  StateDict clip = load_checkpoint(path, {.strict_finite = true});
  if (clip.contains("visual.proj") && clip.contains("text_projection")) return clip;
  throw MismatchError(ErrorText{.what = "these are not CLIP's weights in OpenAI's names",
                                .where = path.string(),
                                .expected = "ViT-B-32.pt, with visual.proj and text_projection",
                                .found = detail::listed_heads(clip),
                                .advice = "give the file that OpenAI published"});
}

/// An adapter of ours for the code of others.
int adapter_to_others(const ConvertOptions& options) {
  const AdapterInfo info = read_adapter_info(options.in);
  if (!info.is_sam()) {
    throw MismatchError(ErrorText{.what = "this is no adapter of Segment Anything",
                                  .where = options.in.string(),
                                  .found = "one of " + info.model});
  }
  const std::string file = (options.in / adapter_weights_file).string();
  StateDict trained = load_sealed(file, {.strict_finite = true});
  TrainedText text = info.trained_text();
  text.features = detail::take_features(trained, file);
  if (options.to == "peft") {
    save_peft_adapter(options.out, trained, info.sam_config(), text);
    say_written(options, trained.tensors.size());
    return 0;
  }
  const SamCheckpoint base = open_checkpoint(options.model(options.checkpoint), &info);
  if (const std::string hash = content_hash(base.weights); hash != info.base_hash) {
    throw MismatchError(ErrorText{.what = "the adapter belongs to another base checkpoint",
                                  .where = options.checkpoint.string(),
                                  .expected = "content hash " + info.base_hash,
                                  .found = hash,
                                  .advice = "give the checkpoint that it was trained on"});
  }
  save_svdsam_checkpoint(options.out, trained, detail::only_sam(base.weights), info.sam_config(),
                         clip_weights(options.clip));
  std::printf("%s: a state dictionary of the published code\n", options.out.string().c_str());
  if (options.clip.empty()) {
    std::fprintf(stderr,
                 "ssam: note: CLIP is not among the weights: their code then loads them with "
                 "load_state_dict(..., strict=False); --clip ViT-B-32.pt adds it\n");
  }
  return 0;
}

int convert(const ConvertOptions& options) {
  check_options(options);
  const bool folder = options.to == "hugging_face" || options.to == "peft";
  if (options.to == "sam") require_extension("OUT", options.out, ".safetensors", "weights");
  if (options.to == "segment_anything" || options.to == "svdsam") {
    require_extension("OUT", options.out, ".pth", "weights for PyTorch");
  }
  if (!folder) {
    check_files({{"OUT", options.out}},
                {{"IN", options.in}, {"--checkpoint", options.checkpoint}, {"--clip", options.clip}});
  } else if (std::error_code failure; std::filesystem::equivalent(options.in, options.out, failure)) {
    throw ConfigError(ErrorText{
        .what = "OUT is the same folder as IN", .where = options.out.string(), .advice = "name another folder"});
  }
  if (options.to == "sam") return to_sam(options);
  return options.of_adapter() ? adapter_to_others(options) : to_others(options);
}

}  // namespace

void add_convert(Program& program) {
  auto* verb =
      program.app.add_subcommand("convert", "Rewrite a checkpoint under SAM's own names, or for the code of others");
  auto options = std::make_shared<ConvertOptions>();
  verb->add_option(
          "IN", options->in,
          "A checkpoint: .pth (zip or legacy) or .safetensors; for peft and svdsam an adapter's folder (best or "
          "last of a run)")
      ->required();
  verb->add_option("OUT", options->out,
                   "What to write: a .safetensors file (sam), a .pth file (segment_anything, svdsam), a folder "
                   "(hugging_face, peft)")
      ->required();
  verb->add_option("--to", options->to,
                   "sam: SAM's own names. segment_anything: for sam_model_registry. hugging_face: for "
                   "SamModel.from_pretrained. peft: a LoRA for PeftModel.from_pretrained on that. svdsam: for the code "
                   "that S-SAM's authors published")
      ->capture_default_str()
      ->check(CLI::IsMember({"sam", "segment_anything", "hugging_face", "peft", "svdsam"}))
      ->type_name("FORM");
  verb->add_option("--dtype", options->dtype, "Store floating point as f32, f16 or bf16 (else as it is)")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}));
  verb->add_option("--config", options->config, "JSON of a SAM that is none of vit_b, vit_l, vit_h (see ssam segment)")
      ->type_name("FILE");
  verb->add_option("--checkpoint", options->checkpoint, "For svdsam: the checkpoint that the adapter was trained on")
      ->type_name("FILE");
  verb->add_option("--clip", options->clip, "For svdsam: OpenAI's ViT-B-32.pt, which their model holds, too")
      ->type_name("FILE");
  verb->add_flag("--keep-names", options->keep_names,
                 "Keep every name and tensor: take no prefix off, leave nothing out");
  verb->add_flag("--strict-finite", options->strict_finite, "Refuse weights that are NaN or infinite");
  verb->footer(
      "Pickles are read, never executed. Examples:\n  ssam convert sam_vit_b_01ec64.pth sam_vit_b.safetensors\n"
      "  ssam convert merged.safetensors merged_hf --to hugging_face\n  ssam convert run/best lora_for_peft --to peft");
  verb->callback([&program, options] { program.run = [options] { return convert(*options); }; });
}

}  // namespace ssam::cli
