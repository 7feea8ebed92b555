// A recipe of one's own: singular values in the attention, LoRA of rank 8 in the MLP, norms, positions and TAL.

#include "tiny_training.hpp"

struct SvdAttentionLoraMlp : ssam::FrozenRecipe {
  static constexpr const char* name = "svd_attention_lora_mlp";
  template <class S, class D>
  using AttentionLinear = ssam::SVDLinear<S, D>;
  template <class S, class D>
  using MlpLinear = ssam::LoRALinear<S, D, 8>;
  using BlockNorm = ssam::Trained;
  using PositionalEmbedding = ssam::Trained;
  using TextAffine = ssam::Trained;
};

// The count is a constant of the type: 12 blocks with 768 singular values (scale and shift) in qkv and in proj, and
// with 8 x (768 + 3072) low-rank weights in lin1 and in lin2.
constexpr ssam::ParameterCount on_vit_b = ssam::parameter_count<SvdAttentionLoraMlp>(ssam::vit_b(256));
static_assert(on_vit_b.group(ssam::CountGroup::singular_values) == 12 * 2 * 2 * 768);
static_assert(on_vit_b.group(ssam::CountGroup::low_rank) == 12 * 2 * 8 * (768 + 3072));
static_assert(on_vit_b.group(ssam::CountGroup::decoder) == 0);

int main() {
  examples::print_counts<SvdAttentionLoraMlp>();
  return examples::train_tiny_model<SvdAttentionLoraMlp>() ? 0 : 1;
}
