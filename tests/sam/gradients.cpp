#include <ssam/adapt/bottleneck.hpp>
#include <ssam/adapt/qv_lora_linear.hpp>
#include <ssam/sam/state.hpp>

#include "../gradient_check.hpp"
#include "../loss_value.hpp"

using namespace ssam;
using namespace ssam::gradient_test;

namespace {

SamConfig tiny() {
  SamConfig config;
  config.image_size = 20;
  config.patch_size = 4;
  config.embed_dim = 8;
  config.depth = 2;
  config.heads = 2;
  config.global_blocks = 1u << 1;
  config.window = 3;
  config.out_channels = 16;
  config.decoder_heads = 2;
  config.decoder_mlp = 12;
  config.iou_hidden = 8;
  config.mask_channels = 8;
  config.text_dim = 6;
  return config;
}

/// The whole model with the loss of a training step: every trained parameter against central differences.
template <class Recipe>
void check_model(const SamConfig& config, int at_least, Index labels_per_image = 1) {
  TextPromptedSam<double, Cpu, Recipe> model(config);
  Context<Cpu> context(2);
  context.dropout = false;
  randomize_parameters(model, 1);
  prepare(context, model);
  context.training = true;
  const Index size = config.image_size, batch = 2, prompts = batch * labels_per_image;
  const Tensor<double, Cpu> images = random_tensor({batch, size, size, 3}, 5),
                            text = random_tensor({prompts, config.text_dim}, 6);
  Tensor<double, Cpu> truth({prompts, size, size});
  for (Index i = 0; i < truth.size(); ++i) truth.data()[i] = (i / 7) % 3 == 0 ? 1 : 0;
  typename TextPromptedSam<double, Cpu, Recipe>::Record record;
  const auto run = [&](bool backward) {
    WorkspaceScope<Cpu> scope(context);
    const TensorView<double, Cpu> probability = model.forward(context, images, text, record);
    const TensorView<double, Cpu> dprobability = allocate<double>(context, probability.shape());
    const double loss = ssam::testing::loss_value<double>(context, probability, truth, {}, dprobability);
    if (backward) model.backward(context, record, dprobability);
    return loss;
  };
  run(true);
  check_parameters(
      model, [&] { return run(false); }, at_least);
}

}  // namespace

TEST_CASE("the whole model's gradients: full fine-tuning trains everything on the way to a mask") {
  check_model<recipes::FullFineTuning<Rule::paper>>(tiny(), 100);
}

TEST_CASE("the whole model's gradients: S-SAM in SAM and in the published model") {
  check_model<recipes::SSam<Rule::paper>>(tiny(), 30);
  check_model<recipes::SSam<Rule::release>>(svdsam_release(tiny()), 40);
}

namespace {
/// A recipe that leaves the encoder alone: its backward pass is skipped, the decoder's adapters still learn.
struct DecoderLora : FrozenRecipe {
  static constexpr const char* name = "decoder_lora";
  template <class S, class D>
  using DecoderLinear = LoRALinear<S, D, 2, Frozen>;
  using TextAffine = Trained;
};
}  // namespace

TEST_CASE("the whole model's gradients: LoRA in the mask decoder only") { check_model<DecoderLora>(tiny(), 30); }

TEST_CASE("the whole model's gradients: an image encoded once serves several labels") {
  check_model<recipes::SSam<Rule::paper>>(tiny(), 30, 3);
}

namespace {
/// Medical SAM Adapter's bottlenecks in the encoder, one more in series behind the MLP, and the decoder.
struct Bottlenecks : FrozenRecipe {
  static constexpr const char* name = "bottlenecks";
  template <class S, class D>
  using AttentionBranch = Bottleneck<S, D>;
  template <class S, class D>
  using ParallelMlpBranch = Bottleneck<S, D, 4, std::ratio<1, 2>>;
  template <class S, class D>
  using SerialMlpBranch = Bottleneck<S, D, 2>;
  using TextAffine = Trained;
};
/// SAMed's LoRA on q and v, and the prompt encoder.
struct QvLoRA : FrozenRecipe {
  static constexpr const char* name = "qv_lora";
  template <class S, class D>
  using QkvLinear = QvLoRALinear<S, D, 2>;
  using PromptEncoder = Trained;
  using TextAffine = Trained;
};
}  // namespace

TEST_CASE("the whole model's gradients: bottlenecks at every site, in windows and globally") {
  check_model<Bottlenecks>(tiny(), 2 * 12 + 4);
}

TEST_CASE("the whole model's gradients: LoRA on q and v, and the no-mask embedding of a trained prompt encoder") {
  check_model<QvLoRA>(tiny(), 2 * 4 + 1 + 4);
}

TEST_CASE("the whole model's gradients: BitFit trains the biases of everything on the way to a mask") {
  check_model<recipes::BitFit<>>(tiny(), 60);
}

TEST_CASE("the whole model's gradients: SSF, in padded windows and globally") {
  check_model<recipes::SSF>(tiny(), 2 * 12 + 2 + 4);
}

TEST_CASE("the whole model's gradients: S-SAM's scales or shifts alone, and those of the largest singular values") {
  check_model<recipes::AblationScale<>>(tiny(), 20);
  check_model<recipes::AblationShift<>>(tiny(), 20);
  check_model<recipes::SSamTop<3>>(tiny(), 30);
}

TEST_CASE("the whole model's gradients: the first rows of S-SAM's ablation") {
  check_model<recipes::AblationPositions>(tiny(), 1);
  check_model<recipes::AblationNorms<>>(tiny(), 1 + 4 * 2 + 4);
}

TEST_CASE("the whole model's gradients: SonoSAM trains what stands behind the features") {
  check_model<recipes::SonoSAM<>>(tiny(), 50);
}

TEST_CASE("a second backward pass adds to the first") {
  TextPromptedSam<double, Cpu, recipes::LayerNormTuning<Rule::paper>> model(tiny());
  Context<Cpu> context(1);
  randomize_parameters(model, 1);
  context.training = true;
  const Tensor<double, Cpu> images = random_tensor({2, 20, 20, 3}, 5), text = random_tensor({2, 6}, 6);
  const Tensor<double, Cpu> slope = random_tensor({2, 20, 20}, 7);
  TextPromptedSam<double, Cpu, recipes::LayerNormTuning<Rule::paper>>::Record record;
  const auto gradient = [&] {
    WorkspaceScope<Cpu> scope(context);
    model.forward(context, images, text, record);
    model.backward(context, record, slope);
    return model.sam.image_encoder.blocks[0].norm1.weight.grad.to_host();
  };
  const auto once = gradient(), twice = gradient();
  for (std::size_t i = 0; i < once.size(); ++i) CHECK(twice[i] == doctest::Approx(2 * once[i]).epsilon(1e-12));
}
