#pragma once

#include <algorithm>
#include <cstdlib>
#include <ssam/io/state_dict.hpp>
#include <ssam/sam/config.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// What can be read off a SAM checkpoint (names normalised). Extents are 0 where a tensor is absent or has another
/// rank.
struct CheckpointDescription {
  Index embed_dim = 0;              ///< channels of the encoder's blocks
  Index depth = 0;                  ///< blocks of the encoder
  Index patch_size = 0;             ///< side of a token's patch in pixels
  Index grid = 0;                   ///< side of the position embedding's grid
  Index out_channels = 0;           ///< of the embedding
  Index head_dim = 0;               ///< length of a row of relative positions
  Index window = 0;                 ///< side that the shortest table of relative positions is for
  std::uint64_t global_blocks = 0;  ///< bit i: block i has one of the longest tables
  Index decoder_mlp = 0;            ///< hidden channels of the two-way transformer's MLPs
  Index iou_hidden = 0;             ///< hidden channels of the IoU head
  Index mask_channels = 0;          ///< of a mask prompt before the last convolution
  Index text_dim = 0;               ///< values of a text feature; 0 without a text affine layer

  /// Whether the image encoder's extents are all there.
  bool is_sam() const { return embed_dim > 0 && depth > 0 && patch_size > 0 && grid > 0 && out_channels > 0; }

  /// "vit_b", "vit_l", "vit_h" or "custom" ("not a SAM checkpoint" where it is none).
  std::string backbone() const {
    if (!is_sam()) return "not a SAM checkpoint";
    if (out_channels == 256 && patch_size == 16) {
      if (embed_dim == 768 && depth == 12) return "vit_b";
      if (embed_dim == 1024 && depth == 24) return "vit_l";
      if (embed_dim == 1280 && depth == 32) return "vit_h";
    }
    return "custom";
  }
};

/// Reads the extents off the shapes of the weights.
inline CheckpointDescription describe_checkpoint(const StateDict& state) {
  CheckpointDescription found;
  const auto shape = [&](const std::string& name, int rank) -> Shape {
    const auto entry = state.tensors.find(name);
    if (entry == state.tensors.end() || entry->second.shape.rank() != rank) return {0, 0, 0, 0};
    return entry->second.shape;
  };
  const std::string encoder = "image_encoder.";
  found.grid = shape(encoder + "pos_embed", 4)[1];
  found.embed_dim = shape(encoder + "pos_embed", 4)[3];
  found.patch_size = shape(encoder + "patch_embed.proj.weight", 4)[2];
  found.out_channels = shape(encoder + "neck.0.weight", 4)[0];
  while (state.contains(encoder + "blocks." + std::to_string(found.depth) + ".norm1.weight")) ++found.depth;
  Index longest = 0;
  for (Index i = 0; i < found.depth && i < 64; ++i) {
    const Shape table = shape(encoder + "blocks." + std::to_string(i) + ".attn.rel_pos_h", 2);
    found.head_dim = table[1];
    longest = std::max(longest, table[0]);
    if (found.window == 0 || (table[0] + 1) / 2 < found.window) found.window = (table[0] + 1) / 2;
  }
  for (Index i = 0; i < found.depth && i < 64; ++i) {
    const Shape table = shape(encoder + "blocks." + std::to_string(i) + ".attn.rel_pos_h", 2);
    if (table[0] == longest && longest > 0) found.global_blocks |= std::uint64_t{1} << i;
  }
  found.decoder_mlp = shape("mask_decoder.transformer.layers.0.mlp.lin1.weight", 2)[0];
  found.iou_hidden = shape("mask_decoder.iou_prediction_head.layers.0.weight", 2)[0];
  found.mask_channels = shape("prompt_encoder.mask_downscaling.3.weight", 4)[0];
  found.text_dim = shape("text_affine.Text_Embedding_Affine.0.weight", 2)[1];
  return found;
}

namespace detail {
inline std::string backbone_name(Index embed_dim) {
  return embed_dim == 768 ? "vit_b" : embed_dim == 1024 ? "vit_l" : embed_dim == 1280 ? "vit_h" : "custom";
}
}  // namespace detail

/// Throws the MismatchError of a SAM checkpoint, `found` in the file `source`, that does not fit a model, with the
/// likely reason first. `missing`, `unexpected`, `misshapen`: names of tensors.
[[noreturn]] inline void throw_mismatch(const std::string& source, const CheckpointDescription& found,
                                        const SamConfig& model, const std::vector<std::string>& missing,
                                        const std::vector<std::string>& unexpected,
                                        const std::vector<std::string>& misshapen) {
  std::string what = "the checkpoint does not fit the model",
              advice = "build the model with the checkpoint's configuration and recipe";
  if (found.embed_dim != model.embed_dim || found.depth != model.depth) {
    what = "this is " + found.backbone() + ": pos_embed " + std::to_string(found.embed_dim) + ", depth " +
           std::to_string(found.depth) + "; the model is " + detail::backbone_name(model.embed_dim) + ": pos_embed " +
           std::to_string(model.embed_dim) + ", depth " + std::to_string(model.depth);
  } else if (!unexpected.empty() && missing.empty() && misshapen.empty()) {
    what = "the checkpoint has more than SAM: its network was changed";
    advice = "this model has no place for these tensors";
    const auto of_svdsam = [](const std::string& name) { return name.find(".trainable_") != std::string::npos; };
    if (std::all_of(unexpected.begin(), unexpected.end(), of_svdsam)) {
      what = "this is a checkpoint of S-SAM's authors with its adapters, not SAM alone";
      advice = "give the same file as the adapter, too";
    }
  }
  std::string counts;
  const auto add = [&](const char* kind, const std::vector<std::string>& names) {
    if (names.empty()) return;
    counts += (counts.empty() ? "" : "; ") + std::to_string(names.size()) + " " + kind + ": ";
    counts += detail::listed(names);
  };
  add("missing", missing);
  add("unexpected", unexpected);
  add("of another shape", misshapen);
  throw MismatchError(ErrorText{.what = what, .where = source, .found = counts, .advice = advice});
}

}  // namespace ssam::inline SSAM_ABI
