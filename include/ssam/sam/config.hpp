#pragma once

#include <cstdint>
#include <ssam/core/error.hpp>
#include <ssam/core/shape.hpp>
#include <ssam/data/preparation.hpp>

namespace ssam::inline SSAM_ABI {

/// Two models of the same parts: SAM's own, and the one that S-SAM's authors published: no windows, no relative
/// positions, no positional terms in the decoder's blocks, no dense prompt, another epsilon, no padding of the neck
/// where the published adapter forgot it (Recipe::published_without_padding).
enum class SamVariant {
  sam,            ///< segment-anything's
  svdsam_release  ///< S-SAM's published code
};

/// "sam" or "svdsam_release".
constexpr const char* to_string(SamVariant variant) { return variant == SamVariant::sam ? "sam" : "svdsam_release"; }

/// Everything that shapes a Segment Anything model. The defaults are SAM ViT-B; `vit_b`, `vit_l`, `vit_h` are the
/// published ones, `svdsam_release` turns one into the model that S-SAM's authors published.
struct SamConfig {
  Index image_size = 1024;                                                       ///< side of the input in pixels
  Index patch_size = 16;                                                         ///< side of a token's patch in pixels
  Index embed_dim = 768;                                                         ///< channels of the encoder's blocks
  Index depth = 12;                                                              ///< at most 64
  Index heads = 12;                                                              ///< of the encoder's attention
  std::uint64_t global_blocks = (1u << 2) | (1u << 5) | (1u << 8) | (1u << 11);  ///< bit i: block i attends globally
  Index window = 14;                                                             ///< 0: every block is global
  Index out_channels = 256;  ///< channels of the embedding and of the decoder
  Index decoder_heads = 8;   ///< of the decoder's attention
  Index decoder_mlp = 2048;  ///< hidden channels of the two-way transformer's MLPs
  Index iou_hidden = 256;    ///< hidden channels of the IoU head
  Index mask_channels = 16;  ///< channels of a mask prompt before the last convolution
  Index text_dim = 512;      ///< values of a label's text feature

  SamVariant variant = SamVariant::sam;  ///< whose network it is
  Preparation preparation = {};          ///< of pictures and masks

  /// Epsilon of the layer norms of the encoder's blocks.
  constexpr double block_norm_eps() const { return variant == SamVariant::sam ? 1e-6 : 1e-5; }
  /// Whether the encoder's attention has tables of relative positions.
  constexpr bool relative_positions() const { return variant == SamVariant::sam; }
  /// Whether there are positional terms in the decoder's two-way blocks and on the keys of its last attention.
  constexpr bool decoder_positions() const { return variant == SamVariant::sam; }
  /// Whether the dense prompt (no-mask embedding or mask prompt) is added to the image embedding.
  constexpr bool dense_prompt() const { return variant == SamVariant::sam; }

  /// Whether `block` (from 0) attends to the whole grid.
  constexpr bool is_global(Index block) const { return window == 0 || ((global_blocks >> block) & 1u) != 0; }
  /// Side of the token grid.
  constexpr Index grid() const { return image_size / patch_size; }

  /// Throws ConfigError when the extents do not go together.
  constexpr void check() const {
    auto need = [](bool condition, const char* expected) {
      if (!condition)
        throw ConfigError(ErrorText{.what = "this SAM configuration cannot be built", .expected = expected});
    };
    need(patch_size > 0 && image_size > 0 && image_size % patch_size == 0, "image_size divisible by patch_size");
    need(depth > 0 && depth <= 64, "depth in 1..64");
    need(heads > 0 && embed_dim > 0 && embed_dim % heads == 0, "embed_dim divisible by heads");
    need(window >= 0, "window >= 0");
    need(out_channels >= 8 && out_channels % 8 == 0, "out_channels divisible by 8");
    need(decoder_heads > 0 && (out_channels / 2) % decoder_heads == 0, "out_channels / 2 divisible by decoder_heads");
    need(decoder_mlp > 0 && iou_hidden > 0 && text_dim > 0, "positive decoder_mlp, iou_hidden and text_dim");
    need(mask_channels >= 4 && mask_channels % 4 == 0, "mask_channels divisible by 4");
  }
};

/// SAM ViT-B for inputs of `image_size` x `image_size` pixels.
constexpr SamConfig vit_b(Index image_size = 1024) {
  SamConfig config;
  config.image_size = image_size;
  return config;
}

/// SAM ViT-L for inputs of `image_size` x `image_size` pixels.
constexpr SamConfig vit_l(Index image_size = 1024) {
  SamConfig config = vit_b(image_size);
  config.embed_dim = 1024;
  config.depth = 24;
  config.heads = 16;
  config.global_blocks = (1u << 5) | (1u << 11) | (1u << 17) | (1u << 23);
  return config;
}

/// SAM ViT-H for inputs of `image_size` x `image_size` pixels.
constexpr SamConfig vit_h(Index image_size = 1024) {
  SamConfig config = vit_b(image_size);
  config.embed_dim = 1280;
  config.depth = 32;
  config.heads = 16;
  config.global_blocks = (1u << 7) | (1u << 15) | (1u << 23) | (1u << 31);
  return config;
}

/// The same extents as the model that S-SAM's authors published (SamVariant), with their preparation of pictures and
/// pixel deviation.
constexpr SamConfig svdsam_release(SamConfig config) {
  config.variant = SamVariant::svdsam_release;
  config.window = 0;
  config.preparation.form = PreparationForm::release_window;
  config.preparation.stats = svdsam_release_pixel_stats;
  return config;
}

}  // namespace ssam::inline SSAM_ABI
