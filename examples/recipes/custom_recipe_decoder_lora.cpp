// LoRA of rank 4 in the linear layers of the mask decoder's transformer; the image encoder stays as it is, so that it
// keeps no activations and runs no backward pass.

#include "tiny_training.hpp"

struct DecoderLora : ssam::FrozenRecipe {
  static constexpr const char* name = "decoder_lora";
  template <class S, class D>
  using DecoderLinear = ssam::LoRALinear<S, D, 4>;
  using TextAffine = ssam::Trained;
};

// Two blocks with one attention at the full width (256), two at half of it and an MLP; then one more attention.
constexpr ssam::Index attention_256 = 4 * 4 * (256 + 256), attention_128 = 4 * 4 * (256 + 128);
constexpr ssam::Index mlp = 2 * 4 * (256 + 2048);
constexpr ssam::ParameterCount on_vit_b = ssam::parameter_count<DecoderLora>(ssam::vit_b(256));
static_assert(on_vit_b.group(ssam::CountGroup::low_rank) ==
              2 * (attention_256 + 2 * attention_128 + mlp) + attention_128);
static_assert(on_vit_b.trained ==
              on_vit_b.group(ssam::CountGroup::low_rank) + on_vit_b.group(ssam::CountGroup::text_affine));

int main() {
  examples::print_counts<DecoderLora>();
  return examples::train_tiny_model<DecoderLora>() ? 0 : 1;
}
