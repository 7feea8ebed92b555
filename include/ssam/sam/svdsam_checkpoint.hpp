#pragma once

#include <ssam/io/checkpoint_file.hpp>
#include <ssam/io/save_torch.hpp>
#include <ssam/sam/adapter.hpp>
#include <ssam/sam/hugging_face.hpp>
#include <ssam/sam/open_sam.hpp>

namespace ssam::inline SSAM_ABI {

/// A checkpoint of the code that S-SAM's authors published: what torch.save made of their model's state, or the trained
/// part of it.
struct SvdsamCheckpoint {
  StateDict state;     ///< under SAM's own names, with TAL and trainable_scale, trainable_shift or trainable_lora_*
  std::string recipe;  ///< "ssam" or "lora", which of the two it was trained by
  Index rank = 0;      ///< of the LoRA; 0: it is S-SAM
  Index grid = 0;      ///< side of its positions in tokens; 0: it has none
  Index text_dim = 0;  ///< values of its text features; 0: it has no TAL
};

namespace detail {

inline constexpr const char* svdsam_text = "text features of CLIP ViT-B/32, as S-SAM's authors trained with";

/// What the published code trains beside its adapters, by its own rule: `norm` in the name (not the neck's) and
/// positions, and TAL.
inline bool trained_by_svdsam(const std::string& name) {
  return name.find(".trainable_") != std::string::npos || name.find(".norm") != std::string::npos ||
         name.ends_with(".pos_embed") || name.starts_with("text_affine.");
}

/// Their names for ours.
inline std::string name_to_svdsam(std::string name) {
  constexpr std::string_view encoder = "image_encoder.", text = "text_affine.";
  if (name.starts_with(encoder)) {
    replace_back(name, 1, release_neck_names);
    name.replace(0, encoder.size(), "sam_encoder.");
  } else if (name.starts_with(text)) {
    name.erase(0, text.size());
  }
  return name;
}

}  // namespace detail

/// Reads a checkpoint of S-SAM's authors; none where the file is something else (or no file). Throws FormatError for
/// a checkpoint that is damaged and for weights that are NaN or infinite, MismatchError for one that holds both kinds
/// of adapters.
inline std::optional<SvdsamCheckpoint> read_svdsam_checkpoint(const std::filesystem::path& path) {
  std::error_code failure;
  if (!std::filesystem::is_regular_file(path, failure)) return std::nullopt;
  try {
    sniff_container(ByteSource::file(path));
  } catch (const FormatError&) {
    return std::nullopt;
  }
  SvdsamCheckpoint file;
  file.state = normalize_names(load_checkpoint(path));
  const bool ours = file.state.metadata.contains("base_hash");
  const bool svd = detail::any_name(file.state, ".trainable_scale");
  const bool lora = detail::any_name(file.state, ".trainable_lora_");
  if (ours || !(svd || lora)) return std::nullopt;
  if (svd && lora) {
    throw MismatchError(ErrorText{.what = "the checkpoint holds two kinds of adapters", .where = path.string()});
  }
  check_finite(file.state, {.strict_finite = true}, path.string());
  file.recipe = svd ? "ssam" : "lora";
  for (const auto& [name, tensor] : file.state.tensors) {
    if (name.ends_with(".trainable_lora_down.weight") && tensor.shape.rank() > 0) file.rank = tensor.shape[0];
  }
  const CheckpointDescription found = describe_checkpoint(file.state);
  file.grid = found.grid;
  file.text_dim = found.text_dim;
  return file;
}

/// The configuration of the model that such a checkpoint, `file`, is an adapter of: `base`'s extents in the published
/// network, at the image size of its positions.
inline SamConfig svdsam_config(const SvdsamCheckpoint& file, SamConfig base) {
  if (base.variant != SamVariant::svdsam_release) base = svdsam_release(base);
  if (file.grid > 0) base.image_size = file.grid * base.patch_size;
  if (file.text_dim > 0) base.text_dim = file.text_dim;
  return base;
}

/// Throws MismatchError where the frozen weights in a checkpoint of the authors, `file` (`source` names it), are not
/// those of `base`, under SAM's own names: its singular values would be others.
inline void require_svdsam_base(const SvdsamCheckpoint& file, const StateDict& base, const std::string& source) {
  std::vector<std::string> differ;
  for (const auto& [name, tensor] : file.state.tensors) {
    const auto own = base.tensors.find(name);
    if (detail::trained_by_svdsam(name) || own == base.tensors.end()) continue;
    if (!(own->second.shape == tensor.shape) || own->second.to<float>() != tensor.to<float>()) differ.push_back(name);
  }
  if (differ.empty()) return;
  throw MismatchError(ErrorText{.what = "the adapter belongs to another base checkpoint",
                                .where = source,
                                .expected = "the frozen weights that are in the file",
                                .found = std::to_string(differ.size()) + " others: " + detail::listed(differ),
                                .advice = "give the checkpoint that it was trained on, or this file itself as the "
                                          "checkpoint too"});
}

/// Loads what such a checkpoint, `file` (`source` names it), has trained into a model of its recipe under the rule
/// `release` that was built by svdsam_config, holds the weights that it was trained on (require_svdsam_base), and was
/// prepared. All or nothing. Throws MismatchError for tensors that are missing or of another shape.
template <SegmentationModel Model>
void load_svdsam_checkpoint(Model& model, const SvdsamCheckpoint& file, const std::string& source) {
  StateDict state = file.state;
  StateLoader loader(state);
  std::vector<std::string> missing;
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout layout) {
    if constexpr (changes_in_training<decltype(parameter)>) {
      if (!loader.take(path.str(), parameter.value, parameter.value.shape(), group, layout)) {
        missing.push_back(path.str());
      }
    }
  });
  std::vector<std::string> problems = loader.misshapen;
  for (const std::string& name : loader.left()) {
    if (detail::trained_by_svdsam(name)) problems.push_back(name + " is unexpected");
  }
  if (!missing.empty()) problems.push_back("missing: " + detail::listed(missing));
  if (!problems.empty()) {
    const std::string recipe =
        file.rank > 0 ? "LoRA<" + std::to_string(file.rank) + ", Rule::release>" : "SSam<Rule::release>";
    throw MismatchError(ErrorText{
        .what = "the checkpoint does not fit the recipe '" + model.recipe() + "'",
        .where = source,
        .found = detail::listed(problems),
        .advice = "load it in C++ into a model of the recipe " + recipe + ", at the checkpoint's image size"});
  }
  loader.commit();
}

/// What a TAL of the authors was trained with: nobody recorded the labels.
inline TrainedText svdsam_trained_text() { return {.source = detail::svdsam_text}; }

/// Writes an adapter (`trained`: its tensors under our names) with the weights it was trained on (`base`) as a
/// checkpoint of the authors' code (.pth). Their code reads it as one of its own if `clip`, the weights of CLIP
/// ViT-B/32 in OpenAI's names, is among it; without it, by load_state_dict(strict=False). Throws MismatchError for a
/// model of another network than theirs, for adapters that are neither S-SAM nor LoRA and for those that have trained
/// more than the rule release does (the neck's norms, under the rule paper), as save_torch_checkpoint too.
inline void save_svdsam_checkpoint(const std::filesystem::path& path, const StateDict& trained, const StateDict& base,
                                   const SamConfig& config, const StateDict& clip = {}) {
  if (config.variant != SamVariant::svdsam_release) {
    throw MismatchError(
        ErrorText{.what = "this adapter cannot be written for the code of S-SAM's authors: it was "
                          "trained in SAM's own network, and theirs is another",
                  .where = path.string(),
                  .expected = to_string(SamVariant::svdsam_release),
                  .found = to_string(config.variant),
                  .advice = "train in a model of the variant svdsam_release where they are to read it"});
  }
  if (!detail::any_name(trained, ".trainable_scale") && !detail::any_name(trained, ".trainable_lora_")) {
    throw MismatchError(ErrorText{.what = "the code of S-SAM's authors has no such adapter",
                                  .where = path.string(),
                                  .expected = "S-SAM or LoRA"});
  }
  std::vector<std::string> foreign;
  for (const auto& [name, tensor] : trained.tensors) {
    if (!detail::trained_by_svdsam(name) && !name.starts_with(text_features_prefix)) foreign.push_back(name);
  }
  if (!foreign.empty()) {
    throw MismatchError(ErrorText{.what = "this adapter cannot be written for the code of S-SAM's authors: it has "
                                          "trained what stays as the base has it in theirs",
                                  .where = path.string(),
                                  .expected = "what the rule release trains",
                                  .found = detail::listed(foreign),
                                  .advice = "train it under the rule release where they are to read it"});
  }
  StateDict state = base;
  state.metadata.clear();
  std::erase_if(state.tensors, [](const auto& entry) { return entry.first.find(".rel_pos_") != std::string::npos; });
  for (const auto& [name, tensor] : trained.tensors) {
    if (!name.starts_with(text_features_prefix)) state.tensors[name] = tensor;
  }
  detail::rename_tensors(state, detail::name_to_svdsam);
  for (const auto& [name, tensor] : clip.tensors) {
    if (name != "input_resolution" && name != "context_length" && name != "vocab_size")
      state.tensors["clip_model." + name] = tensor;
  }
  save_torch_checkpoint(path, state);
}

}  // namespace ssam::inline SSAM_ABI
