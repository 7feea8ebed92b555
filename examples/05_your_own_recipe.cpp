// Two recipes of one's own, what they train, and a training loop written out.
//
//     05_your_own_recipe CHECKPOINT

#include <cstdio>
#include <ssam/ssam.hpp>

using namespace ssam;

/// Singular values in the encoder's attention, LoRA of rank 8 in its MLP; norms, positions and label names besides.
struct SvdAttentionLoraMlp : FrozenRecipe {
  static constexpr const char* name = "svd_attention_lora_mlp";
  template <class S, class D>
  using AttentionLinear = SVDLinear<S, D>;
  template <class S, class D>
  using MlpLinear = LoRALinear<S, D, 8>;
  using BlockNorm = Trained;
  using PositionalEmbedding = Trained;
  using TextAffine = Trained;
};
/// LoRA of rank 4 in the mask decoder. The encoder is left alone, so it keeps no activations and runs no backward pass.
struct DecoderLora : FrozenRecipe {
  static constexpr const char* name = "decoder_lora";
  template <class S, class D>
  using DecoderLinear = LoRALinear<S, D, 4>;
  using TextAffine = Trained;
};

// In ViT-B: 12 blocks with 768 singular values in qkv and in proj, and 8 x (768 + 3072) weights in lin1 and in lin2.
constexpr ParameterCount on_vit_b = parameter_count<SvdAttentionLoraMlp>(vit_b(256));
static_assert(on_vit_b.group(CountGroup::singular_values) == 12 * 2 * 2 * 768);
static_assert(on_vit_b.group(CountGroup::low_rank) == 12 * 2 * 8 * (768 + 3072));
static_assert(on_vit_b.group(CountGroup::decoder) == 0);

/// Trains on one picture and two labels (train/trainer.hpp does this and much more); whether the loss fell.
template <class Recipe>
bool train_a_little(const char* checkpoint) {
  SamCheckpoint opened = open_sam_checkpoint(checkpoint);
  const Index size = opened.config.image_size;
  TextPromptedSam<float, Cpu, Recipe> model(opened.config);
  load_weights(model, std::move(opened.weights), checkpoint);
  Context<Cpu> context;
  context.training = true;
  prepare(context, model);

  Tensor<float, Cpu> images({1, size, size, 3}), masks({2, size, size});  // a bright left half: label 0; the rest: 1
  for (Index pixel = 0; pixel < size * size; ++pixel) {
    const bool left = pixel % size < size / 2;
    std::fill_n(images.data() + 3 * pixel, 3, left ? 1.0f : -1.0f);
    masks.data()[(left ? 0 : size * size) + pixel] = 1;
  }
  const TextFeatures names = TextFeatures::hashed(model.text_dim());
  std::vector<float> features = names.at("left"), right = names.at("right");
  features.insert(features.end(), right.begin(), right.end());
  const Tensor<float, Cpu> text({2, model.text_dim()}, features);

  AdamW<float, Cpu> optimizer({.lr = 1e-3});
  typename decltype(model)::Record record;
  double first = 0, last = 0;
  for (int step = 0; step < 20; ++step) {
    WorkspaceScope<Cpu> scope(context);  // a step's activations live as long as this
    const auto probability = model.forward(context, images, text, record);
    const auto gradient = allocate<float>(context, probability.shape());
    Tensor<double, Cpu> loss({1});
    ops::mask_loss<float>(context, probability, masks, {}, gradient, 1, loss.view());
    model.backward(context, record, gradient);
    optimizer.step(context, model);
    (step == 0 ? first : last) = loss.to_host()[0];
  }
  std::printf("%s: %lld parameters trained in ViT-B; loss of the small model %.3f -> %.3f\n", Recipe::name,
              static_cast<long long>(parameter_count<Recipe>(vit_b(256)).trained), first, last);
  return last < first;
}

int main(int argc, char** argv) {
  if (argc < 2) return std::printf("usage: 05_your_own_recipe CHECKPOINT\n"), 2;
  return train_a_little<SvdAttentionLoraMlp>(argv[1]) && train_a_little<DecoderLora>(argv[1]) ? 0 : 1;
}
