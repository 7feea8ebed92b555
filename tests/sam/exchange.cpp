#include <doctest/doctest.h>

#include <ssam/sam/save_peft.hpp>
#include <ssam/sam/svdsam_checkpoint.hpp>
#include <ssam/text/features.hpp>

#include "../small_model.hpp"

using namespace ssam;
using test::contains;

namespace {

template <class Recipe>
using ExchangeModel = TextPromptedSam<float, Cpu, Recipe>;

/// The logits of a model for a picture and two labels.
template <class Model>
std::vector<float> exchange_answer(const Model& model) {
  const SamConfig& config = model.configuration();
  Context<Cpu> context(1);
  Random random(5);
  std::vector<float> image(static_cast<std::size_t>(config.image_size * config.image_size * 3)),
      text(static_cast<std::size_t>(2 * config.text_dim));
  for (float& value : image) value = static_cast<float>(random.normal());
  for (float& value : text) value = static_cast<float>(random.normal());
  const Tensor<float, Cpu> images({1, config.image_size, config.image_size, 3}, image),
      texts({2, config.text_dim}, text);
  WorkspaceScope<Cpu> scope(context);
  const TensorView<float, Cpu> embedding = model.encode_image(context, images);
  const LabelPrompts<float, Cpu> labels{.text = texts};
  const TensorView<float, Cpu> logits = model.decode_labels(context, embedding, labels);
  return {logits.data(), logits.data() + logits.size()};
}

float exchange_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  float largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

/// A plain checkpoint's tensors, of the parameters that `random_model` draws.
template <class Model>
StateDict exchange_plain(const Model& model) {
  return export_state(model, [](const Path& path, const auto&, Group group) {
    return !is_adapter(group) && path.part() != Part::text_affine;
  });
}

template <class Model>
StateDict exchange_trained(const Model& model) {
  return export_state(
      model, [](const Path&, const auto& parameter, Group) { return changes_in_training<decltype(parameter)>; });
}

}  // namespace

TEST_CASE("Hugging Face's names of a SAM lead back to its own") {
  const SamConfig config = test::small_config();
  const StateDict plain = exchange_plain(test::random_model<recipes::ZeroShot>(config));
  const StateDict theirs = to_hugging_face(plain, config);
  CHECK(theirs.contains("vision_encoder.layers.1.layer_norm2.bias"));
  CHECK(theirs.contains("vision_encoder.neck.layer_norm1.weight"));
  CHECK(theirs.contains("prompt_encoder.mask_embed.conv3.weight"));
  CHECK(theirs.contains("mask_decoder.iou_prediction_head.proj_in.weight"));
  CHECK(theirs.contains("mask_decoder.iou_prediction_head.layers.0.weight"));
  CHECK(theirs.contains("mask_decoder.output_hypernetworks_mlps.3.proj_out.bias"));
  CHECK(theirs.contains("mask_decoder.transformer.layer_norm_final_attn.weight"));
  CHECK(theirs.contains("mask_decoder.transformer.layers.0.layer_norm4.weight"));
  CHECK(theirs.contains("mask_decoder.upscale_layer_norm.weight"));
  CHECK(theirs.tensors.size() == plain.tensors.size() + 1);  // the positions of points stand there twice
  const nlohmann::json description = hugging_face_config(config);
  CHECK(description["vision_config"]["global_attn_indexes"] == nlohmann::json({1}));
  CHECK(description["vision_config"]["mlp_ratio"].is_number_float());  // transformers refuses a whole number
  CHECK(normalize_names(theirs).tensors == plain.tensors);
  CHECK(contains(test::message_of<MismatchError>([&] { to_hugging_face(plain, svdsam_release(config)); }),
                 "svdsam_release"));
}

TEST_CASE("a model that sees its pictures otherwise than SAM does is not written for Hugging Face") {
  const test::Folder folder;
  const SamConfig config = test::small_config();
  const StateDict plain = exchange_plain(test::random_model<recipes::ZeroShot>(config));
  for (const bool form : {true, false}) {
    SamConfig other = config;
    if (form) {
      other.preparation.form = PreparationForm::release_range;
    } else {
      other.preparation.intensity = {.rule = Intensity::Rule::window, .low = -160, .high = 240};
    }
    CHECK(contains(test::message_of<MismatchError>([&] { save_hugging_face(folder / "hf", plain, other); }),
                   "SamProcessor cannot prepare"));
    CHECK(!std::filesystem::exists(folder / "hf"));
  }
  SamConfig stats = config;
  stats.preparation.stats.mean[0] = 100;
  save_hugging_face(folder / "hf", plain, stats);
  CHECK(contains(test::read_text((folder / "hf") / "preprocessor_config.json"), "0.392157"));
}

TEST_CASE("a LoRA goes through PEFT's form and comes back, into the recipe and into the weights") {
  const test::Folder folder;
  const SamConfig config = test::small_config();
  using Recipe = recipes::LoRA<4, Rule::release>;
  auto trained = test::prepared_model<Recipe>(config);
  auto same = test::prepared_model<Recipe>(config);
  const StateDict base = exchange_plain(trained);
  test::disturb(trained);
  const std::vector<float> expected = exchange_answer(trained);
  CHECK(exchange_difference(exchange_answer(same), expected) > 1e-3f);

  TrainedText text{.labels = {"Liver"}, .source = TextFeatures::hashed(config.text_dim).source()};
  save_peft_adapter(folder / "peft", trained, text);
  CHECK(is_peft_adapter(folder / "peft"));
  const StateDict file = load_safetensors((folder / "peft") / adapter_weights_file);
  CHECK(file.at("base_model.model.vision_encoder.layers.0.attn.qkv.lora_A.weight").shape == Shape{4, 16});
  CHECK(file.at("base_model.model.vision_encoder.layers.1.mlp.lin1.lora_B.weight").shape == Shape{64, 4});
  CHECK(file.at("base_model.model.vision_encoder.neck.conv2.lora_A.weight").shape == Shape{4, 16, 3, 3});
  CHECK(file.contains("base_model.model.vision_encoder.layers.0.layer_norm1.weight"));
  CHECK(file.contains("base_model.model.vision_encoder.pos_embed"));

  const PeftAdapter read = load_peft_adapter(same, folder / "peft");
  CHECK(read.rank == 4);
  CHECK(read.text.labels == text.labels);
  CHECK(read.text.source == text.source);
  CHECK(test::everything(same).tensors == test::everything(trained).tensors);

  StateDict merged = base;
  merge_peft_adapter(merged, read_peft_adapter(folder / "peft"), "peft");
  ExchangeModel<recipes::ZeroShot> plain(config);
  load_weights(plain, merged, "merged");
  CHECK(exchange_difference(exchange_answer(plain), expected) < 1e-5f);

  const auto refused = [&](auto model) {
    const StateDict before = test::everything(model);
    const std::string message = test::message_of<MismatchError>([&] { load_peft_adapter(model, folder / "peft"); });
    CHECK(test::everything(model).tensors == before.tensors);
    return message;
  };
  CHECK(contains(refused(test::prepared_model<recipes::LoRA<8, Rule::release>>(config)), "(another rank)"));
  CHECK(contains(refused(test::prepared_model<recipes::LoRA<4>>(config)), "not trained by the recipe"));
}

TEST_CASE("updates of q and v alone become one of PEFT's over the whole layer") {
  const test::Folder folder;
  const SamConfig config = test::small_config();
  auto trained = test::prepared_model<recipes::SAMed<2>>(config);
  StateDict merged = exchange_plain(trained);
  test::disturb(trained);
  save_peft_adapter(folder / "peft", trained);
  const PeftAdapter adapter = read_peft_adapter(folder / "peft");
  CHECK(adapter.rank == 4);
  merge_peft_adapter(merged, adapter, "peft");
  ExchangeModel<recipes::ZeroShot> plain(config);
  load_weights(plain, merged, "merged");
  CHECK(exchange_difference(exchange_answer(plain), exchange_answer(trained)) < 1e-5f);
}

TEST_CASE("the factors of a head's layers stand under one name of Hugging Face's each") {
  const test::Folder folder;
  StateDict trained;
  const std::string head = "mask_decoder.output_hypernetworks_mlps.0.layers.";
  for (const int layer : {0, 1, 2}) {
    const auto mark = static_cast<float>(layer + 1);
    const std::string name = head + std::to_string(layer);
    trained.tensors[name + ".trainable_lora_down.weight"] = HostTensor::from({1, 2}, std::vector<float>{mark, mark});
    trained.tensors[name + ".trainable_lora_up.weight"] = HostTensor::from({2, 1}, std::vector<float>{mark, mark});
  }
  save_peft_adapter(folder / "peft", trained, test::small_config());
  const StateDict file = load_safetensors((folder / "peft") / adapter_weights_file);
  CHECK(file.tensors.size() == 6);
  float mark = 0;
  for (const std::string layer : {"proj_in", "layers.0", "proj_out"}) {
    CAPTURE(layer);
    ++mark;
    for (const char* factor : {".lora_A.weight", ".lora_B.weight"}) {
      const std::string name = "base_model.model.mask_decoder.output_hypernetworks_mlps.0." + layer + factor;
      REQUIRE(file.contains(name));
      CHECK(file.at(name).to<float>()[0] == mark);
    }
  }
  CHECK(contains(test::read_text((folder / "peft") / adapter_info_file), "output_hypernetworks_mlps.0.proj_out"));
}

TEST_CASE("a decoder's LoRA is read by Hugging Face's names only where they are evidently its") {
  const test::Folder folder;
  const std::filesystem::path peft = folder / "peft";
  const std::string head = "mask_decoder.output_hypernetworks_mlps.0.";
  const auto factors_of = [](const std::string& layer, StateDict& state) {
    state.tensors["base_model.model." + layer + ".lora_A.weight"] = HostTensor::from({1, 2}, std::vector<float>{1, 2});
    state.tensors["base_model.model." + layer + ".lora_B.weight"] = HostTensor::from({2, 1}, std::vector<float>{1, 2});
  };
  /// The layers, as SAM names them, of an adapter with these and this auto_mapping.
  const auto read = [&](const std::vector<std::string>& layers, const nlohmann::json& mapping) {
    StateDict state;
    for (const std::string& layer : layers) factors_of(layer, state);
    make_folder(peft);
    save_safetensors(peft / adapter_weights_file, state);
    const nlohmann::json description{{"peft_type", "LORA"}, {"lora_alpha", 1}, {"auto_mapping", mapping}};
    test::write_text(peft / adapter_info_file, description.dump());
    return detail::low_rank_layers(read_peft_adapter(peft).state, "peft");
  };
  using Layers = std::vector<std::string>;
  const nlohmann::json wrapper{{"base_model_class", "MedicalSam"}, {"parent_library", "train"}};
  const nlohmann::json theirs{{"base_model_class", "SamModel"},
                              {"parent_library", "transformers.models.sam.modeling_sam"}};
  for (const nlohmann::json& mapping : {wrapper, nlohmann::json()}) {
    const std::string message = test::message_of<MismatchError>([&] { read({head + "layers.0"}, mapping); });
    CHECK(contains(message, "whose names"));
    CHECK(read({head + "layers.0", head + "layers.2"}, mapping) == Layers{head + "layers.0", head + "layers.2"});
    CHECK(read({head + "layers.0", head + "proj_in"}, mapping) == Layers{head + "layers.0", head + "layers.1"});
    CHECK(read({head + "layers.0", "vision_encoder.layers.0.attn.qkv"}, mapping) ==
          Layers{"image_encoder.blocks.0.attn.qkv", head + "layers.1"});
    const std::string same = "mask_decoder.transformer.layers.0.self_attn.q_proj";  // in both
    CHECK(read({same}, mapping) == Layers{same});
  }
  // What the message advises.
  CHECK(read({head + "layers.0"}, {{"base_model_class", "Sam"}}) == Layers{head + "layers.0"});
  CHECK(read({head + "layers.0"}, {{"parent_library", "transformers"}}) == Layers{head + "layers.1"});
  CHECK(read({head + "layers.0"}, theirs) == Layers{head + "layers.1"});
}

TEST_CASE("PEFT's form does not overwrite an adapter of this library") {
  const test::Folder folder;
  auto model = test::prepared_model<recipes::LoRA<4>>(test::small_config());
  save_adapter(folder / "run", model);
  const std::string before = test::read_text((folder / "run") / adapter_weights_file);
  CHECK(contains(test::message_of<MismatchError>([&] { save_peft_adapter(folder / "run", model); }), "overwritten"));
  CHECK(test::read_text((folder / "run") / adapter_weights_file) == before);
  save_peft_adapter(folder / "peft", model);
  save_peft_adapter(folder / "peft", model);  // its own it may
}

TEST_CASE("settings of PEFT that mean something else are refused, scales are not") {
  const test::Folder folder;
  const SamConfig config = test::small_config();
  auto model = test::prepared_model<recipes::LoRA<4>>(config);
  test::disturb(model);
  const std::filesystem::path peft = folder / "peft", description = peft / adapter_info_file;
  save_peft_adapter(peft, model);
  const std::string text = test::read_text(description);
  const std::string up = "image_encoder.blocks.0.attn.qkv.trainable_lora_up.weight";
  const std::vector<float> plain = read_peft_adapter(peft).state.at(up).to<float>();
  const auto with = [&](const std::string& from, const std::string& to) {
    test::write_text(description, test::replaced(text, from, to));
  };
  with("\"lora_alpha\": 4", "\"lora_alpha\": 16");
  CHECK(read_peft_adapter(peft).state.at(up).to<float>()[3] == doctest::Approx(4 * plain[3]));
  with("\"use_rslora\": false", "\"use_rslora\": true");
  CHECK(read_peft_adapter(peft).state.at(up).to<float>()[3] == doctest::Approx(2 * plain[3]));
  for (const auto& [from, to, said] :
       {std::tuple{"\"LORA\"", "\"IA3\"", "no LoRA"},
        {"\"alpha_pattern\": {}", "\"alpha_pattern\": {\"qkv\": 3}", "alpha_pattern"},
        {"\"fan_in_fan_out\": false", "\"fan_in_fan_out\": true", "fan_in_fan_out"},
        {"\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa\"", "init_lora_weights"},
        {"\"lora_alpha\": 4", "\"lora_alpha\": null", "lora_alpha"}}) {
    with(from, to);
    CHECK(contains(test::message_of<MismatchError>([&] { read_peft_adapter(peft); }), said));
  }
  with("\"use_dora\": false", "\"use_dora\": true");
  CHECK(contains(test::message_of<MismatchError>([&] { read_peft_adapter(peft); }), "magnitudes"));
  test::write_text(description, text);
  StateDict state = load_safetensors(peft / adapter_weights_file);
  state.tensors.erase("base_model.model.vision_encoder.layers.0.attn.qkv.lora_B.weight");
  save_safetensors(peft / adapter_weights_file, state);
  CHECK(contains(test::message_of<MismatchError>([&] { read_peft_adapter(peft); }), "lora_B"));
  CHECK_THROWS_AS(save_peft_adapter(folder / "x", test::prepared_model<recipes::SSam<>>(config)), MismatchError);
}

TEST_CASE("a DoRA adapter is merged into the weights, row by row to its magnitudes") {
  StateDict weights, own;
  weights.tensors["image_encoder.a.weight"] = HostTensor::from({2, 2}, std::vector<float>{3, 4, 0, 1});
  own.tensors["image_encoder.a.trainable_lora_down.weight"] = HostTensor::from({1, 2}, std::vector<float>{1, 1});
  own.tensors["image_encoder.a.trainable_lora_up.weight"] = HostTensor::from({2, 1}, std::vector<float>{0, 2});
  own.tensors["image_encoder.a.lora_magnitude_vector"] = HostTensor::from({2}, std::vector<float>{10, 2});
  const PeftAdapter adapter{.state = own, .rank = 1};
  CHECK(adapter.is_dora());
  merge_peft_adapter(weights, adapter, "dora");
  const std::vector<float> merged = weights.at("image_encoder.a.weight").to<float>();
  const float length = std::sqrt(2.0f * 2 + 3.0f * 3);
  for (const auto& [index, value] : {std::pair{0, 6.0f}, {1, 8.0f}, {2, 4 / length}, {3, 6 / length}}) {
    CHECK(merged[static_cast<std::size_t>(index)] == doctest::Approx(value));
  }
  StateDict other;
  other.tensors["image_encoder.b.weight"] = HostTensor::from({2, 2}, std::vector<float>{3, 4, 0, 1});
  const StateDict before = other;
  CHECK_THROWS_AS(merge_peft_adapter(other, adapter, "dora"), MismatchError);
  CHECK(other.tensors == before.tensors);
}

TEST_CASE_TEMPLATE("a checkpoint of S-SAM's authors loads as an adapter and is written back", Recipe,
                   recipes::SSam<Rule::release>, recipes::LoRA<4, Rule::release>) {
  const test::Folder folder;
  const SamConfig config = svdsam_release(test::small_config());
  auto trained = test::random_model<Recipe>(config);
  const StateDict base = exchange_plain(trained);
  Context<Cpu> context(1);
  prepare(context, trained);
  test::disturb(trained);
  StateDict clip;
  clip.tensors["token_embedding.weight"] = HostTensor::from({1, 2}, std::vector<float>{1, 2});
  clip.tensors["vocab_size"] = HostTensor::from(Shape{}, std::vector<std::int64_t>{1});
  save_svdsam_checkpoint(folder / "theirs.pth", exchange_trained(trained), base, config, clip);

  const StateDict names = load_checkpoint(folder / "theirs.pth");
  for (const char* name :
       {"sam_encoder.blocks.0.norm1.weight", "sam_encoder.neck.conv2.weight", "sam_encoder.neck.ln1.bias",
        "sam_encoder.pos_embed", "Text_Embedding_Affine.0.weight", "prompt_encoder.no_mask_embed.weight",
        "mask_decoder.iou_token.weight", "clip_model.token_embedding.weight"}) {
    CAPTURE(name);
    CHECK(names.contains(name));
  }
  CHECK(!names.contains("clip_model.vocab_size"));

  const auto file = read_svdsam_checkpoint(folder / "theirs.pth");
  REQUIRE(file.has_value());
  CHECK(file->recipe == Recipe::name);
  auto other_rank = test::random_model<recipes::LoRA<8, Rule::release>>(config);
  CHECK(contains(test::message_of<MismatchError>([&] { load_svdsam_checkpoint(other_rank, *file, "theirs.pth"); }),
                 file->rank == 4 ? "LoRA<4, Rule::release>" : "SSam<Rule::release>"));
  CHECK(svdsam_config(*file, test::small_config()).image_size == config.image_size);
  auto same = test::random_model<Recipe>(config);
  prepare(context, same);
  require_svdsam_base(*file, base, "theirs.pth");
  load_svdsam_checkpoint(same, *file, "theirs.pth");
  CHECK(exchange_difference(exchange_answer(same), exchange_answer(trained)) == 0);
  CHECK(exchange_trained(same).tensors == exchange_trained(trained).tensors);
  save_svdsam_checkpoint(folder / "again.pth", exchange_trained(same), base, config, clip);
  CHECK(test::read_text(folder / "again.pth") == test::read_text(folder / "theirs.pth"));

  StateDict other = base;
  std::vector<float> values = other.at("image_encoder.blocks.0.attn.qkv.weight").to<float>();
  values[0] += 1;
  other.tensors["image_encoder.blocks.0.attn.qkv.weight"] = HostTensor::from({48, 16}, values);
  CHECK(contains(test::message_of<MismatchError>([&] { require_svdsam_base(*file, other, "theirs.pth"); }),
                 "another base"));
  SvdsamCheckpoint partial = *file;
  std::erase_if(partial.state.tensors, [](const auto& entry) { return !detail::trained_by_svdsam(entry.first); });
  load_svdsam_checkpoint(same, partial, "the trained part");
  partial.state.tensors.erase("image_encoder.blocks.0.norm1.weight");
  CHECK(contains(test::message_of<MismatchError>([&] { load_svdsam_checkpoint(same, partial, "part"); }),
                 "missing: image_encoder.blocks.0.norm1.weight"));
  CHECK_THROWS_AS(save_svdsam_checkpoint(folder / "x.pth", exchange_trained(same), base, test::small_config()),
                  MismatchError);
}

TEST_CASE_TEMPLATE("what the rule paper trained beside the published code's is not written for its authors", Recipe,
                   recipes::SSam<>, recipes::LoRA<4>) {
  const test::Folder folder;
  const SamConfig config = svdsam_release(test::small_config());
  auto model = test::random_model<Recipe>(config);
  const StateDict base = exchange_plain(model);
  Context<Cpu> context(1);
  prepare(context, model);
  const std::string message = test::message_of<MismatchError>(
      [&] { save_svdsam_checkpoint(folder / "x.pth", exchange_trained(model), base, config); });
  CHECK(contains(message, "image_encoder.neck.1.bias"));
  CHECK(contains(message, "rule release"));
  CHECK(!std::filesystem::exists(folder / "x.pth"));
}

TEST_CASE("other files are no checkpoint of S-SAM's authors") {
  const test::Folder folder;
  CHECK(!read_svdsam_checkpoint(folder / "").has_value());
  CHECK(!read_svdsam_checkpoint(folder / "nothing.pth").has_value());
  CHECK(!read_svdsam_checkpoint(std::string(SSAM_TEST_DIR) + "/golden/sam.pth").has_value());
  const std::string whole = test::read_text(std::string(SSAM_TEST_DIR) + "/golden/sam.pth");
  test::write_text(folder / "cut.pth", whole.substr(0, whole.size() / 2));
  CHECK_THROWS_AS(read_svdsam_checkpoint(folder / "cut.pth"), FormatError);  // it may have been one
  test::write_text(folder / "text.pth", "hello");
  CHECK(!read_svdsam_checkpoint(folder / "text.pth").has_value());
  auto model = test::prepared_model<recipes::SSam<>>(test::small_config());
  save_adapter(folder / "ours", model);
  CHECK(!read_svdsam_checkpoint((folder / "ours") / adapter_weights_file).has_value());
}
