#pragma once

#include <set>
#include <ssam/io/state_dict.hpp>
#include <ssam/sam/describe_checkpoint.hpp>

namespace ssam::inline SSAM_ABI {

/// What a file of tensors is that is no SAM checkpoint, and what to do about it.
struct OtherCheckpoint {
  std::string what;    ///< "this is ..."
  std::string advice;  ///< may be empty
};

namespace detail {

inline bool any_name(const StateDict& state, std::string_view part) {
  for (const auto& [name, tensor] : state.tensors) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

/// Files of this library say themselves what they are.
inline OtherCheckpoint own_file(const StateDict& state) {
  const auto metadata = [&](const char* key) {
    const auto entry = state.metadata.find(key);
    return entry == state.metadata.end() ? std::string() : entry->second;
  };
  const std::string format = metadata("format");
  if (format.starts_with("ssam svd factors")) {
    return {"this is a cache of singular values, not the checkpoint that it belongs to",
            "give the checkpoint itself: its name is this one without '.svd.safetensors'"};
  }
  if (format.starts_with("ssam run state")) {
    return {"this is the state of a training run, not a checkpoint",
            "give the checkpoint that the run was trained on, and the run's folder best as the adapter"};
  }
  if (!metadata("recipe").empty() && !metadata("base_hash").empty()) {
    return {"this is an adapter (recipe " + metadata("recipe") + "), not a checkpoint",
            "give the checkpoint that it was trained on, and its folder as the adapter"};
  }
  return {};
}

/// One vector of the same length per name: text features.
inline bool looks_like_features(const StateDict& state) {
  for (const auto& [name, tensor] : state.tensors) {
    if (tensor.shape.rank() != 1 || tensor.shape[0] < 8 || !(tensor.shape == state.tensors.begin()->second.shape) ||
        name.ends_with(".weight") || name.ends_with(".bias")) {
      return false;
    }
  }
  return !state.tensors.empty();
}

/// Which of SAM's three parts a state has nothing of.
inline std::vector<std::string> lacking_parts(const StateDict& state) {
  std::vector<std::string> lacking;
  for (const auto& [part, name] : {std::pair{"image_encoder.blocks.", "the image encoder"},
                                   {"prompt_encoder.", "the prompt encoder"},
                                   {"mask_decoder.", "the mask decoder"}}) {
    const auto first = state.tensors.lower_bound(part);
    if (first != state.tensors.end() && first->first.starts_with(part)) continue;
    lacking.emplace_back(name);
  }
  return lacking;
}

/// The names' first parts, for models that nobody knows.
inline std::string listed_heads(const StateDict& state) {
  std::set<std::string> heads;
  for (const auto& [name, tensor] : state.tensors) heads.insert(shown(name.substr(0, name.find('.'))));
  if (state.tensors.empty()) return "no tensors";
  return std::to_string(state.tensors.size()) + (state.tensors.size() == 1 ? " tensor" : " tensors") + " under " +
         listed({heads.begin(), heads.end()});
}

}  // namespace detail

/// What a state (names normalised) is where describe_checkpoint() finds no SAM in it: one of our own other files, a
/// known model, else a list of what its names begin with.
inline OtherCheckpoint describe_other(const StateDict& state) {
  const auto any = [&](std::string_view part) { return detail::any_name(state, part); };
  const std::string whole = "Segment Anything (ViT-B, L or H) is needed";
  if (OtherCheckpoint own = detail::own_file(state); !own.what.empty()) return own;
  if (detail::looks_like_features(state)) {
    return {"these are text features, not a checkpoint", "give them as the text features"};
  }
  if (any("exp_avg")) {
    return {"this is the state of an optimizer, without the model's weights", "save model.state_dict()"};
  }
  if (any("lora_A.") || any("lora_B.") || any("lora_embedding_A")) {
    return {"these are LoRA weights in PEFT's form, which need their model",
            "give the checkpoint that they were trained on, and their folder as the adapter"};
  }
  if (any("image_encoder.trunk.") || any("memory_attention.") || any("sam_mask_decoder.")) {
    return {"this is SAM 2, another model", whole};
  }
  if (any("image_encoder.layers.") || any("image_encoder.backbone.")) {
    return {"this is a SAM with another image encoder (as MobileSAM, EfficientViT-SAM)", whole};
  }
  if (any("logit_scale") || any("visual.transformer.") || any("text_model.") || any("text_projection")) {
    return {"this is a CLIP model, not Segment Anything", "its text features can be given as text features"};
  }
  if (const std::vector<std::string> lacking = detail::lacking_parts(state); lacking.size() < 3) {
    const std::string parts = lacking.empty() ? "" : lacking[0] + (lacking.size() > 1 ? " and " + lacking[1] : "");
    return {lacking.empty() ? "this is a changed Segment Anything: its image encoder cannot be made out"
                            : "this is a part of Segment Anything: it lacks " + parts,
            "give a checkpoint with image_encoder, prompt_encoder and mask_decoder"};
  }
  if (any("patch_embed.proj.weight") && any("blocks.0.attn.qkv.weight")) {
    return {any("neck.0.weight") ? "this is SAM's image encoder alone, without the names of the whole model"
                                 : "this is a vision transformer, not Segment Anything",
            "give a checkpoint with image_encoder, prompt_encoder and mask_decoder"};
  }
  if (any("layer1.0.conv1.weight") && any("layer4.")) return {"this is a ResNet, not Segment Anything", whole};
  return {"this is not a SAM checkpoint", "names like image_encoder.blocks.0.attn.qkv.weight are needed"};
}

/// Whether a state (names normalised) has the three parts of SAM, and an image encoder whose extents can be read off
/// it.
inline bool is_whole_sam(const StateDict& state) {
  return describe_checkpoint(state).is_sam() && detail::lacking_parts(state).empty();
}

/// Throws the MismatchError that says what a file (`source`) is instead of a SAM checkpoint.
[[noreturn]] inline void throw_not_sam(const StateDict& state, const std::string& source) {
  const OtherCheckpoint other = describe_other(state);
  std::string found = detail::listed_heads(state);
  if (!state.skipped.empty()) found += "; left out " + detail::listed(state.skipped);
  throw MismatchError(ErrorText{.what = other.what, .where = source, .found = found, .advice = other.advice});
}

}  // namespace ssam::inline SSAM_ABI
