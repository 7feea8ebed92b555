// golden/clip_text.safetensors: a CLIP text encoder of width 16 with random weights, the ids of 13 prompts and what the
// published code computes of them; of the token embeddings only the rows that are used.

#include <doctest/doctest.h>

#include <cmath>
#include <ssam/text/clip_checkpoint.hpp>

#include "../data/files.hpp"

using namespace ssam;

namespace {

StateDict golden() { return load_safetensors(SSAM_TEST_DIR "/golden/clip_text.safetensors"); }

/// The recorded encoder's weights, under OpenAI's names.
StateDict weights() {
  StateDict state = golden();
  const std::vector<std::int64_t> ids = state.at("token_ids").to<std::int64_t>();
  const std::vector<float> rows = state.at("token_rows").to<float>();
  std::vector<float> table(49408 * 16);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(16 * i), 16, table.begin() + 16 * ids[i]);
  }
  for (const char* name : {"token_ids", "token_rows", "ids", "features"}) state.tensors.erase(name);
  state.tensors["token_embedding.weight"] = HostTensor::from(Shape{49408, 16}, table);
  return state;
}

/// The largest error of a prompt's feature, relative to the feature's length.
template <class Scalar>
double largest_error(const ClipTextEncoder<Scalar, Cpu>& encoder) {
  const StateDict record = golden();
  const std::vector<std::int64_t> all = record.at("ids").to<std::int64_t>();
  const std::vector<double> features = record.at("features").to<double>();
  Context<Cpu> context(2);
  double worst = 0;
  for (std::size_t i = 0; i < 13; ++i) {
    const std::vector<std::int32_t> ids(all.begin() + static_cast<std::ptrdiff_t>(77 * i),
                                        all.begin() + static_cast<std::ptrdiff_t>(77 * (i + 1)));
    const std::vector<float> ours = encoder.feature(context, ids);
    REQUIRE(ours.size() == 24);
    double difference = 0, norm = 0;
    for (std::size_t k = 0; k < 24; ++k) {
      difference += std::pow(static_cast<double>(ours[k]) - features[24 * i + k], 2);
      norm += std::pow(features[24 * i + k], 2);
    }
    REQUIRE(std::isfinite(difference));
    worst = std::max(worst, std::sqrt(difference / norm));
  }
  return worst;
}

/// The same weights as Hugging Face's CLIPTextModelWithProjection names them.
StateDict hugging_face() {
  const StateDict ours = weights();
  StateDict theirs;
  theirs.tensors["text_model.embeddings.token_embedding.weight"] = ours.at("token_embedding.weight");
  theirs.tensors["text_model.embeddings.position_embedding.weight"] = ours.at("positional_embedding");
  theirs.tensors["text_model.embeddings.position_ids"] = HostTensor::from(Shape{1, 2}, std::vector<std::int64_t>{0, 1});
  const std::vector<float> projection = ours.at("text_projection").to<float>();
  std::vector<float> turned(projection.size());
  for (std::size_t r = 0; r < 16; ++r) {
    for (std::size_t c = 0; c < 24; ++c) turned[c * 16 + r] = projection[r * 24 + c];
  }
  theirs.tensors["text_projection.weight"] = HostTensor::from(Shape{24, 16}, turned);
  for (const std::string part : {"weight", "bias"}) {
    theirs.tensors["text_model.final_layer_norm." + part] = ours.at("ln_final." + part);
    for (int i = 0; i < 3; ++i) {
      const std::string from = "transformer.resblocks." + std::to_string(i) + ".",
                        to = "text_model.encoder.layers." + std::to_string(i) + ".";
      theirs.tensors[to + "layer_norm1." + part] = ours.at(from + "ln_1." + part);
      theirs.tensors[to + "layer_norm2." + part] = ours.at(from + "ln_2." + part);
      theirs.tensors[to + "self_attn.out_proj." + part] = ours.at(from + "attn.out_proj." + part);
      theirs.tensors[to + "mlp.fc1." + part] = ours.at(from + "mlp.c_fc." + part);
      theirs.tensors[to + "mlp.fc2." + part] = ours.at(from + "mlp.c_proj." + part);
      const std::vector<float> fused = ours.at(from + "attn.in_proj_" + part).to<float>();
      const std::size_t each = fused.size() / 3;
      for (std::size_t k = 0; k < 3; ++k) {
        const std::vector<float> third(fused.begin() + static_cast<std::ptrdiff_t>(k * each),
                                       fused.begin() + static_cast<std::ptrdiff_t>((k + 1) * each));
        theirs.tensors[to + "self_attn." + "qkv"[k] + "_proj." + part] =
            HostTensor::from(part == "weight" ? Shape{16, 16} : Shape{16}, third);
      }
    }
  }
  return theirs;
}

template <class Scalar>
ClipTextEncoder<Scalar, Cpu> saved_and_loaded(const StateDict& state) {
  const test::Folder folder;
  save_safetensors(folder / "clip.safetensors", state);
  return load_clip_text_encoder<Scalar, Cpu>(folder / "clip.safetensors", 2);
}

}  // namespace

TEST_CASE_TEMPLATE("CLIP's text encoder gives the published code's features", Scalar, float, double) {
  const double tolerance = std::is_same_v<Scalar, double> ? 1e-6 : 1e-5;  // the record is rounded to fp32
  CHECK(largest_error(saved_and_loaded<Scalar>(weights())) < tolerance);
}

TEST_CASE("a CLIP under Hugging Face's names, under open_clip's, and in a whole model, gives the same") {
  CHECK(largest_error(saved_and_loaded<double>(hugging_face())) < 1e-6);
  StateDict whole;
  for (const auto& [name, tensor] : weights().tensors) whole.tensors["module.text." + name] = tensor;
  whole.tensors["module.visual.proj"] = HostTensor::from(Shape{2}, std::vector<float>{1, 2});
  whole.tensors["module.text.attn_mask"] = HostTensor::from(Shape{1, 1}, std::vector<float>{-INFINITY});
  CHECK(largest_error(saved_and_loaded<double>(whole)) < 1e-6);
}

TEST_CASE("OpenAI's container, a TorchScript program in half precision, gives the same encoder as its state dict") {
  const auto script = load_clip_text_encoder<double, Cpu>(SSAM_TEST_DIR "/golden/clip_torchscript.pt", 2);
  const auto plain = load_clip_text_encoder<double, Cpu>(SSAM_TEST_DIR "/golden/clip_torchscript.safetensors", 2);
  CHECK(script.config.vocabulary == 64);
  CHECK(script.config.layers == 2);
  CHECK(script.base_hash() == plain.base_hash());
  Context<Cpu> context(1);
  const std::vector<std::int32_t> ids{1, 5, 9, 63, 0, 0, 0};
  CHECK(script.feature(context, ids) == plain.feature(context, ids));
}

TEST_CASE("a text encoder of another kind, or one with a layer that lacks a part, is refused") {
  const auto refusal = [](const StateDict& state) {
    return test::message_of<MismatchError>([&] { saved_and_loaded<float>(state); });
  };
  StateDict coca = weights();  // reads at a token of its own
  coca.tensors["cls_emb"] = HostTensor::from(Shape{16}, std::vector<float>(16));
  CHECK(test::contains(refusal(coca), "cls_emb is unexpected"));
  StateDict gap = hugging_face();
  gap.tensors.erase("text_model.encoder.layers.1.layer_norm1.weight");
  CHECK(test::contains(refusal(gap), "is unexpected"));
  StateDict keyless = hugging_face();
  keyless.tensors.erase("text_model.encoder.layers.1.self_attn.k_proj.weight");
  CHECK(test::contains(refusal(keyless), "attn.k_proj.weight"));
  StateDict twice = weights();
  twice.tensors["text.ln_final.bias"] = twice.at("ln_final.bias");
  CHECK(test::contains(refusal(twice), "would have one name"));
  StateDict odd = weights();
  odd.tensors["token_embedding.weight"] = HostTensor::from(Shape{2, 96}, std::vector<float>(192));
  CHECK_THROWS_AS(clip_text_config(odd, "clip"), ConfigError);
  CHECK(clip_text_config(odd, "clip", 3).heads == 3);
}

TEST_CASE("what is no CLIP text encoder, or no prompt of it, is refused") {
  StateDict state = weights();
  const ClipTextConfig config = clip_text_config(state, "clip");
  CHECK(config.width == 16);
  CHECK(config.heads == 1);
  CHECK(config.layers == 3);
  CHECK(config.features == 24);
  CHECK_THROWS_AS(clip_text_config(state, "clip", 3), ConfigError);
  state.tensors.erase("text_projection");
  const std::string message = test::message_of<MismatchError>([&] { clip_text_config(state, "clip.safetensors"); });
  CHECK(test::contains(message, "[clip.safetensors]"));
  CHECK(test::contains(message, "'text_projection'"));
  state = weights();
  state.tensors.erase("transformer.resblocks.1.mlp.c_fc.bias");
  CHECK(test::contains(test::message_of<MismatchError>([&] { saved_and_loaded<float>(state); }),
                       "transformer.resblocks.1.mlp.c_fc.bias is missing"));

  const ClipTextEncoder<float, Cpu> encoder(
      ClipTextConfig{.vocabulary = 10, .context = 4, .width = 4, .heads = 2, .layers = 1, .features = 3});
  Context<Cpu> context(1);
  CHECK_THROWS_AS(encoder.feature(context, std::vector<std::int32_t>{}), ShapeError);
  CHECK_THROWS_AS(encoder.feature(context, std::vector<std::int32_t>{1, 10}), ConfigError);
  CHECK_THROWS_AS(encoder.feature(context, std::vector<std::int32_t>{-1}), ConfigError);
  CHECK_THROWS_AS(encoder.feature(context, std::vector<std::int32_t>{1, 2, 3, 4, 9}), ShapeError);
  CHECK(encoder.feature(context, std::vector<std::int32_t>{1, 2, 3, 9, 0, 0, 0}).size() == 3);
}
