#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <ssam/io/state_dict.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

using NamePair = std::pair<std::string_view, std::string_view>;

/// If `name` continues a first of `pairs` at a dot or its end, the second takes its place.
inline bool replace_prefix(std::string& name, std::span<const NamePair> pairs) {
  for (const auto& [from, to] : pairs) {
    if (name.starts_with(from) && (name.size() == from.size() || name[from.size()] == '.')) {
      name.replace(0, from.size(), to);
      return true;
    }
  }
  return false;
}

/// The part of `name` in front of its `dots`-th dot, that dot included; empty when it has fewer.
inline std::string head_of(const std::string& name, int dots) {
  std::size_t end = 0;
  for (; dots > 0; --dots) {
    end = name.find('.', end);
    if (end == std::string::npos) return "";
    ++end;
  }
  return name.substr(0, end);
}

/// Replaces a prefix behind the first `dots` parts of the name.
inline bool replace_behind(std::string& name, int dots, std::span<const NamePair> pairs) {
  const std::string head = head_of(name, dots);
  std::string rest = name.substr(head.size());
  if (head.empty() || !replace_prefix(rest, pairs)) return false;
  name = head + rest;
  return true;
}

// Hugging Face's names of SAM's modules, as its public conversion from Meta's checkpoints writes them.
inline constexpr NamePair hf_encoder_names[] = {
    {"patch_embed.projection", "patch_embed.proj"},
    {"layers", "blocks"},
    {"neck.conv1", "neck.0"},
    {"neck.layer_norm1", "neck.1"},
    {"neck.conv2", "neck.2"},
    {"neck.layer_norm2", "neck.3"},
};
inline constexpr NamePair hf_prompt_names[] = {
    {"shared_embedding.positional_embedding", "pe_layer.positional_encoding_gaussian_matrix"},
    {"point_embed", "point_embeddings"},
    {"mask_embed.conv1", "mask_downscaling.0"},
    {"mask_embed.layer_norm1", "mask_downscaling.1"},
    {"mask_embed.conv2", "mask_downscaling.3"},
    {"mask_embed.layer_norm2", "mask_downscaling.4"},
    {"mask_embed.conv3", "mask_downscaling.6"},
};
inline constexpr NamePair hf_decoder_names[] = {
    {"upscale_conv1", "output_upscaling.0"},
    {"upscale_layer_norm", "output_upscaling.1"},
    {"upscale_conv2", "output_upscaling.3"},
    {"transformer.layer_norm_final_attn", "transformer.norm_final_attn"},
};
inline constexpr NamePair hf_block_norms[] = {
    {"layer_norm1", "norm1"}, {"layer_norm2", "norm2"}, {"layer_norm3", "norm3"}, {"layer_norm4", "norm4"}};
// Heads of three layers; theirs count only the hidden one.
inline constexpr NamePair hf_head_layers[] = {
    {"proj_in", "layers.0"}, {"layers.0", "layers.1"}, {"proj_out", "layers.2"}};
// The names of whole parts in the checkpoints of S-SAM's authors, ...
inline constexpr NamePair release_part_names[] = {{"sam_encoder", "image_encoder"},
                                                  {"Text_Embedding_Affine", "text_affine.Text_Embedding_Affine"}};
// ... and of the encoder's neck.
inline constexpr NamePair release_neck_names[] = {
    {"neck.conv1", "neck.0"}, {"neck.ln1", "neck.1"}, {"neck.conv2", "neck.2"}, {"neck.ln2", "neck.3"}};

/// SAM's own name for a Hugging Face one.
inline std::string name_from_hugging_face(std::string name) {
  constexpr std::string_view vision = "vision_encoder.";
  if (name.starts_with(vision)) {
    name.replace(0, vision.size(), "image_encoder.");
    replace_behind(name, 1, hf_encoder_names);
    if (name.starts_with("image_encoder.blocks.")) replace_behind(name, 3, hf_block_norms);
  } else if (name.starts_with("prompt_encoder.")) {
    replace_behind(name, 1, hf_prompt_names);
  } else if (name.starts_with("mask_decoder.")) {
    replace_behind(name, 1, hf_decoder_names);
    if (name.starts_with("mask_decoder.transformer.layers.")) replace_behind(name, 4, hf_block_norms);
    if (name.starts_with("mask_decoder.iou_prediction_head.")) replace_behind(name, 2, hf_head_layers);
    if (name.starts_with("mask_decoder.output_hypernetworks_mlps.")) replace_behind(name, 3, hf_head_layers);
  }
  return name;
}

/// Whether the names are Hugging Face's. Single names cannot tell: `iou_prediction_head.layers.0` means the first layer
/// in SAM's checkpoints, the second in theirs.
inline bool has_hugging_face_names(const StateDict& state) {
  for (const auto& [name, tensor] : state.tensors) {
    if (name.starts_with("vision_encoder.") || name.starts_with("shared_image_embedding.") ||
        name.starts_with("prompt_encoder.shared_embedding.") || name.starts_with("prompt_encoder.mask_embed.") ||
        name.starts_with("mask_decoder.iou_prediction_head.proj_") || name.starts_with("mask_decoder.upscale_")) {
      return true;
    }
  }
  return false;
}

/// Takes the Hugging Face copy of the positional matrix out: it stands in such files once or twice, and when the tensor
/// of the prompt encoder is left out as its twin it must take that one's place.
inline void drop_shared_embedding(StateDict& state) {
  const std::string copy = "shared_image_embedding.positional_embedding";
  const std::string original = "prompt_encoder.shared_embedding.positional_embedding";
  auto node = state.tensors.extract(copy);
  if (node.empty()) return;
  const auto twin = state.tensors.find(original);
  if (twin == state.tensors.end()) {
    node.key() = original;
    state.tensors.insert(std::move(node));
  } else if (twin->second == node.mapped()) {
    state.skipped.push_back(shown(copy) + ": a copy of " + shown(original));
  } else {
    throw MismatchError(
        ErrorText{.what = "two tensors that should be one differ", .where = copy, .expected = "a copy of " + original});
  }
}

/// Takes the wrappers of training out of a name, wherever they stand: of several processes (`module`), torch.compile,
/// FSDP and checkpointed activations. SAM has no module of these names.
inline std::string without_wrappers(std::string name, std::set<std::string>& found) {
  for (const std::string_view wrapper :
       {"module.", "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."}) {
    for (std::size_t at = name.find(wrapper); at != std::string::npos; at = name.find(wrapper, at)) {
      if (at == 0 || name[at - 1] == '.') {
        name.erase(at, wrapper.size());
        found.insert(shown(wrapper));
      } else {
        ++at;
      }
    }
  }
  return name;
}

/// Whether a name begins as one of SAM, in its own names, Hugging Face's or those of S-SAM's authors.
inline bool begins_like_sam(std::string_view name) {
  for (const std::string_view part :
       {"image_encoder.", "prompt_encoder.", "mask_decoder.", "text_affine.", "vision_encoder.",
        "shared_image_embedding.", "sam_encoder.", "Text_Embedding_Affine."}) {
    if (name.starts_with(part)) return true;
  }
  return name == "pixel_mean" || name == "pixel_std";
}

/// What stands in front of SAM's names ("model.sam."; "" where nothing does), with how many of them stand behind it.
inline std::map<std::string, std::size_t> prefixes_of_sam(const StateDict& state) {
  std::map<std::string, std::size_t> counts;
  for (const auto& [name, tensor] : state.tensors) {
    for (std::size_t at = 0; at < name.size();) {
      const std::string_view rest = std::string_view(name).substr(at);
      if (begins_like_sam(rest) && !rest.starts_with("pixel_")) {
        ++counts[name.substr(0, at)];
        break;
      }
      const std::size_t dot = name.find('.', at);
      at = dot == std::string::npos ? name.size() : dot + 1;
    }
  }
  return counts;
}

/// Whether a prefix says that its model is an average over a training ("model_ema.").
inline bool names_an_average(const std::string& prefix) {
  for (std::size_t begin = 0; begin < prefix.size();) {
    const std::size_t end = std::min(prefix.find_first_of("._", begin), prefix.size());
    const std::string_view word = std::string_view(prefix).substr(begin, end - begin);
    if (word == "ema" || word == "swa" || word == "averaged") return true;
    begin = end + 1;
  }
  return false;
}

/// The prefix of the model that is meant: of those with the most tensors SAM's own "", else the one that is no average.
/// Throws MismatchError where that leaves several.
inline std::string prefix_of_sam(const std::map<std::string, std::size_t>& counts) {
  std::size_t most = 0;
  for (const auto& [prefix, count] : counts) most = std::max(most, count);
  std::vector<std::string> best, averages;
  for (const auto& [prefix, count] : counts) {
    if (count == most) (names_an_average(prefix) ? averages : best).push_back(prefix);
  }
  if (best.empty()) best = averages;
  if (best.size() == 1 || best.front().empty()) return best.front();
  throw MismatchError(ErrorText{.what = "the checkpoint holds more than one Segment Anything",
                                .expected = "one",
                                .found = shown(best[0]) + " and " + shown(best[1]) + " in front of SAM's names",
                                .advice = "save the state dictionary of the one that is meant"});
}

/// Takes wrappers and the prefix off, and leaves out what stands beside SAM. Nothing happens to a state without SAM.
inline void strip_to_sam(StateDict& state) {
  std::size_t wrapped = 0;
  std::set<std::string> wrappers;
  rename_tensors(state, [&](const std::string& name) {
    std::string plain = without_wrappers(name, wrappers);
    wrapped += plain == name ? 0 : 1;
    return plain;
  });
  if (wrapped > 0) {
    std::string list;
    for (const std::string& wrapper : wrappers) list += (list.empty() ? "" : " and ") + wrapper;
    state.notes.push_back(list + " was taken off " + std::to_string(wrapped) + " names");
  }
  const auto prefixes = prefixes_of_sam(state);
  if (prefixes.empty()) return;
  const std::string prefix = prefix_of_sam(prefixes);
  std::size_t kept = 0;
  std::erase_if(state.tensors, [&](const auto& entry) {
    const bool inside =
        entry.first.starts_with(prefix) && begins_like_sam(std::string_view(entry.first).substr(prefix.size()));
    if (!inside) state.skipped.push_back(shown(entry.first) + ": it lies beside SAM's weights");
    kept += inside ? 1 : 0;
    return !inside;
  });
  if (prefix.empty()) return;
  rename_tensors(state, [&](const std::string& name) { return name.substr(prefix.size()); });
  state.notes.push_back(shown(prefix) + " was taken off " + std::to_string(kept) + " names");
}

}  // namespace detail

/// Gives every tensor SAM's own name, whoever wrote the checkpoint: takes off what wrappers and surrounding models put
/// in front (`module`, `_orig_mod`, `model`, whatever prefix all of SAM shares), leaves out what lies beside SAM,
/// translates Hugging Face's names and those of S-SAM's authors. `skipped` and `notes` say
/// what was done. Applying it again changes nothing. Throws MismatchError when two tensors would have one name, or the
/// file holds two models.
inline StateDict normalize_names(StateDict state) {
  detail::strip_to_sam(state);
  for (const char* constant : {"pixel_mean", "pixel_std"}) {
    if (state.tensors.erase(constant) > 0)
      state.skipped.push_back(shown(constant) + ": a constant of the preprocessing");
  }
  if (detail::has_hugging_face_names(state)) {
    detail::drop_shared_embedding(state);
    detail::rename_tensors(state, detail::name_from_hugging_face);
  }
  detail::rename_tensors(state, [](std::string name) {
    detail::replace_prefix(name, detail::release_part_names);
    if (name.starts_with("image_encoder.")) detail::replace_behind(name, 1, detail::release_neck_names);
    return name;
  });
  return state;
}

}  // namespace ssam::inline SSAM_ABI
