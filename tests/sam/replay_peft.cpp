// Recordings of Hugging Face's SamModel (transformers 5.24) with adapters of PEFT 0.21: their files, and the logits
// that they gave.
#include <doctest/doctest.h>

#include <ssam/sam/peft_adapter.hpp>
#include <ssam/sam/text_prompted_sam.hpp>

#include "../small_model.hpp"

using namespace ssam;

namespace {

std::filesystem::path peft_golden(const std::string& name) {
  return std::filesystem::path(SSAM_TEST_DIR) / "golden" / "peft" / name;
}

/// The largest difference between the three masks of each recorded point and those that a model with `weights` gives.
template <class Model>
double peft_difference(const Model& sam, const std::string& recorded) {
  const StateDict io = load_safetensors(peft_golden("io.safetensors"));
  Context<Cpu> context(1);
  WorkspaceScope<Cpu> scope(context);
  const HostTensor &image = io.at("image"), &points = io.at("points");
  const Tensor<float, Cpu> images({1, 32, 32, 3}, image.to<float>());
  Prompts prompts;
  prompts.count = 2;
  prompts.points = points.to<double>();
  prompts.labels = {1, 1};
  const TensorView<float, Cpu> embedding = sam.encode(context, images);
  const TensorView<float, Cpu> masks = sam.decode(context, embedding, prompts, {}, MaskOutput::multi).low_res;
  const std::vector<float> expected = io.at(recorded + ".masks").to<float>();
  REQUIRE(static_cast<std::size_t>(masks.size()) == expected.size());
  double largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(masks.data()[i]) - static_cast<double>(expected[i])));
  }
  return largest;
}

SamChoice peft_choice() {
  SamChoice choice{.config = test::small_config()};
  choice.config->text_dim = 512;
  return choice;
}

}  // namespace

TEST_CASE("adapters that PEFT wrote give PEFT's masks, merged into Hugging Face's own weights") {
  for (const char* name : {"base", "lora", "wide", "dora"}) {
    CAPTURE(name);
    SamCheckpoint checkpoint = open_sam_checkpoint(peft_golden("model.safetensors"), peft_choice());
    if (std::string(name) != "base") {
      const PeftAdapter adapter = read_peft_adapter(peft_golden(name));
      CHECK(adapter.is_dora() == (std::string(name) == "dora"));
      merge_peft_adapter(checkpoint.weights, adapter, name);
    }
    Sam<float, Cpu> sam(checkpoint.config);
    load_weights(sam, checkpoint.weights, name);
    CHECK(peft_difference(sam, name) < 2e-5);
    if (std::string(name) != "base") CHECK(peft_difference(sam, "base") > 0.1);
  }
}

TEST_CASE("a LoRA of PEFT loads into the recipe, before and after it is merged") {
  const SamCheckpoint checkpoint = open_sam_checkpoint(peft_golden("model.safetensors"), peft_choice());
  TextPromptedSam<float, Cpu, recipes::LoRA<4>> model(checkpoint.config);
  load_weights(model, checkpoint.weights, "base");
  CHECK(peft_difference(model.sam, "base") < 2e-5);
  CHECK(load_peft_adapter(model, peft_golden("lora")).rank == 4);
  CHECK(peft_difference(model.sam, "lora") < 2e-5);
  Context<Cpu> context(1);
  merge(context, model);
  CHECK(peft_difference(model.sam, "lora") < 2e-5);
  CHECK_THROWS_AS(load_peft_adapter(model, peft_golden("dora")), MismatchError);
}
