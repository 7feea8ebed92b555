#include <doctest/doctest.h>

#include <cmath>
#include <ssam/sam/sam_checkpoint.hpp>
#include <ssam/sam/svd_cache.hpp>

#include "../small_model.hpp"

using namespace ssam;
using test::contains;
using Recipe = recipes::SSam<>;

namespace {

HostTensor tensor(const Shape& shape) {
  return HostTensor::from(shape, std::vector<float>(static_cast<std::size_t>(shape.elements()), 1.0f));
}

/// A file with tensors of these names, of shape [2, 2].
StateDict named(std::initializer_list<const char*> names) {
  StateDict state;
  for (const char* name : names) state.tensors[name] = tensor({2, 2});
  return state;
}

std::string refusal(const std::filesystem::path& path) {
  return test::message_of<MismatchError>([&] { load_sam_checkpoint(path); });
}

void check_said(const std::string& message, std::initializer_list<const char*> parts) {
  for (const char* part : parts) {
    CAPTURE(message);
    CAPTURE(part);
    CHECK(contains(message, part));
  }
}

}  // namespace

TEST_CASE("a file that is no SAM checkpoint is named as what it is") {
  test::Folder folder;
  const std::filesystem::path path = folder / "given.safetensors";
  const auto said = [&](const StateDict& state, std::initializer_list<const char*> parts) {
    save_safetensors(path, state);
    const std::string message = refusal(path);
    check_said(message, parts);
    check_said(message, {"given.safetensors"});
    CHECK(!contains(message, "0 missing"));
  };
  said(named({"image_encoder.trunk.blocks.0.norm1.weight", "memory_attention.norm.weight"}), {"SAM 2"});
  said(named({"image_encoder.layers.0.conv1.c.weight", "mask_decoder.iou_token.weight"}), {"another image encoder"});
  said(named({"visual.transformer.resblocks.0.attn.in_proj_weight", "logit_scale"}), {"CLIP"});
  said(named({"text_model.embeddings.token_embedding.weight"}), {"CLIP"});
  said(named({"conv1.weight", "layer1.0.conv1.weight", "layer4.1.bn2.weight", "fc.weight"}), {"ResNet", "'conv1'"});
  said(named({"cls_token", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight"}), {"vision transformer"});
  said(named({"patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "neck.0.weight"}), {"image encoder alone"});
  said(named({"mask_decoder.iou_token.weight"}), {"it lacks the image encoder and the prompt encoder"});
  said(named({"base_model.model.image_encoder.blocks.0.attn.qkv.lora_A.default.weight"}), {"PEFT", "as the adapter"});
  said(named({"state.image_encoder.exp_avg", "state.image_encoder.exp_avg_sq"}), {"optimizer"});
  said(named({"down1.weight", "up1.weight"}), {"not a SAM checkpoint", "2 tensors under 'down1', 'up1'"});
  said(named({}), {"no tensors"});
  StateDict features;
  features.tensors["liver"] = features.tensors["left kidney"] = tensor({512});
  said(features, {"text features"});
  features.tensors["left kidney"] = tensor({511});
  said(features, {"not a SAM checkpoint", "'left kidney'"});
}

TEST_CASE("our own files in the place of a checkpoint, and folders, come with advice that works") {
  test::Folder folder;
  const SamConfig config = test::small_config();
  auto model = test::random_model<Recipe>(config);
  save_safetensors(folder / "base.safetensors", test::everything(model));
  Context<Cpu> context(1);
  prepare_cached(context, model, folder / "base.safetensors");
  save_adapter((folder / "run") / "best", model, test::small_info<Recipe>(config));

  check_said(refusal(folder / "base.safetensors.svd.safetensors"), {"singular values", "without '.svd.safetensors'"});
  check_said(refusal((folder / "run") / "best" / "adapter_model.safetensors"), {"an adapter (recipe ssam)"});
  check_said(refusal((folder / "run") / "best"), {"a folder", "found an adapter with the weights adapter_model"});
  const std::string best = ((folder / "run") / "best").string();
  check_said(refusal(folder / "run"), {"found a training run", (best + " as the adapter").c_str()});
  std::filesystem::create_directory(folder / "hf");
  std::filesystem::copy(folder / "base.safetensors", (folder / "hf") / "model.safetensors");
  check_said(refusal(folder / "hf"), {"give its file", "hf/model.safetensors"});
  check_said(refusal(folder / "."), {"give its file", "base.safetensors"});  // that of the SVD does not count
  std::filesystem::copy(folder / "base.safetensors", folder / "other.pth");
  CHECK(!contains(refusal(folder / "."), "give its file"));
}

TEST_CASE("what is no adapter is named as what it is") {
  test::Folder folder;
  const SamConfig config = test::small_config();
  const auto model = test::prepared_model<Recipe>(config);
  const std::filesystem::path run = folder / "run", best = run / "best";
  save_adapter(best, model, test::small_info<Recipe>(config));
  test::write_text(run / "run_state.safetensors", "x");
  test::write_text(folder / "sam.pth", "x");
  const auto said = [&](const std::filesystem::path& path, std::initializer_list<const char*> parts) {
    check_said(test::message_of<Error>([&] { read_adapter_info(path); }), parts);
  };
  CHECK(read_adapter_info(best).recipe == Recipe::name);
  const std::string give = "give " + best.string();
  said(run, {"the folder of a training run", give.c_str()});
  said(run / "run_state.safetensors", {"a file of a training run", give.c_str()});
  said(best / "adapter_model.safetensors", {"one file of an adapter", ("give its folder " + best.string()).c_str()});
  said(folder / "sam.pth", {"a file, not an adapter's folder", "best or last"});
  said(folder / ".", {"holds no adapter"});
  said(run / "bset", {"no such adapter", best.c_str()});
  test::write_text(best / "adapter_config.json", R"({"peft_type": "LORA", "r": 8})");
  said(best, {"PEFT", "read_peft_adapter"});
}

TEST_CASE("weights that are not finite are refused, and the model stays as it was") {
  const SamConfig config = test::small_config();
  auto model = test::random_model<recipes::ZeroShot>(config);
  const StateDict before = test::everything(model);
  for (const char* name : {"image_encoder.blocks.1.mlp.lin1.weight", "text_affine.Text_Embedding_Affine.2.running_var",
                           "image_encoder.pos_embed", "prompt_encoder.not_a_point_embed.weight"}) {
    for (const double bad : {std::nan(""), double(INFINITY), 1e300}) {
      CAPTURE(name);
      StateDict state = before;
      REQUIRE(state.contains(name));
      std::vector<double> values = state.at(name).to<double>();
      values.back() = bad;
      state.tensors[name] = HostTensor::from(state.at(name).shape, values);
      const std::string message =
          test::message_of<FormatError>([&] { load_weights(model, std::move(state), "bad.safetensors"); });
      check_said(message, {"NaN or infinite", "bad.safetensors, tensor", name});
      CHECK(test::everything(model).tensors == before.tensors);
    }
  }
}

TEST_CASE("a SAM that does not fit says what is missing or changed") {
  auto model = test::random_model<recipes::ZeroShot>(test::small_config());
  const StateDict whole = test::everything(model);
  const auto message = [&](const auto& change) {
    StateDict state = whole;
    change(state);
    return test::message_of<MismatchError>([&] { load_weights(model, std::move(state), "sam.pth"); });
  };
  const std::string part = message([](StateDict& state) {
    std::erase_if(state.tensors, [](const auto& entry) { return entry.first.starts_with("mask_decoder."); });
  });
  check_said(part, {"a part of Segment Anything: it lacks the mask decoder"});
  check_said(message([](StateDict& state) {
               state.tensors["mask_decoder.hf_token.weight"] = tensor({1, 16});
             }),
             {"more than SAM", "1 unexpected: mask_decoder.hf_token.weight"});
}
