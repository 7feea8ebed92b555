#include <doctest/doctest.h>

#include <ssam/sam/open_sam.hpp>
#include <ssam/sam/predictor.hpp>

#include "../data/files.hpp"
#include "../small_model.hpp"

using namespace ssam;

namespace {

using Recipe = recipes::SSam<Rule::paper>;

/// Of these labels, each a vector of 12 values that begins with its number.
TextFeatures features(const std::vector<std::string>& labels, float shift = 0, const std::string& source = "text") {
  StateDict state;
  state.metadata[TextFeatures::pattern_key] = "a {}";
  for (const std::string& label : labels) {
    std::vector<float> values(12, 0.5f + shift);
    values[0] = static_cast<float>(label.size());
    state.tensors[label] = HostTensor::from(Shape{12}, values);
  }
  return TextFeatures::from_state(state, source, 12);
}

TrainedText trained_with(const TextFeatures& given) {
  return {{"Liver", "Kidney"}, given.source(), given.hash(), given.is_hashed() ? std::nullopt : std::optional(given)};
}

std::string refusal(const TrainedText& trained, const std::optional<TextFeatures>& given) {
  return test::message_of<MismatchError>([&] { features_to_ask(trained, given, 12); });
}

}  // namespace

TEST_CASE("a model is asked with the features it was trained with, and with more labels where they are given") {
  const TextFeatures own = features({"Liver", "Kidney"});
  const TrainedText trained = trained_with(own);
  CHECK(features_to_ask(trained, std::nullopt, 12).hash() == own.hash());
  CHECK(features_to_ask(trained, features({"Liver", "Kidney"}, 1e-5f), 12).hash() == own.hash());
  const TextFeatures more = features_to_ask(trained, features({"Kidney", "Spleen"}), 12);
  CHECK(more.labels() == std::vector<std::string>{"Kidney", "Liver", "Spleen"});
  CHECK(test::contains(refusal(trained, features({"Liver"}, 0.1f, "other")), "of the label 'Liver'"));
  CHECK(test::contains(refusal(trained, TextFeatures::hashed(12)), "expected text"));
  CHECK(test::contains(refusal(trained, TextFeatures::hashed(13)), "leave them out"));

  // New labels only: nothing but encoder and pattern can be compared.
  StateDict other = features({"Spleen"}).to_state();
  other.metadata[TextFeatures::pattern_key] = "the {}";
  CHECK(test::contains(refusal(trained, TextFeatures::from_state(other, "b", 12)), "another pattern of prompts"));
  other.metadata.erase(TextFeatures::pattern_key);
  CHECK(features_to_ask(trained, TextFeatures::from_state(other, "b", 12), 12).source() == "text and b");
  StateDict encoded = own.to_state();
  encoded.metadata[TextFeatures::encoder_key] = other.metadata[TextFeatures::encoder_key] = "01";
  TrainedText by_encoder = trained;
  by_encoder.features = TextFeatures::from_state(encoded, "text", 12);
  CHECK(features_to_ask(by_encoder, TextFeatures::from_state(other, "b", 12), 12).has("Spleen"));
  other.metadata[TextFeatures::encoder_key] = "02";
  CHECK(test::contains(refusal(by_encoder, TextFeatures::from_state(other, "b", 12)), "another text encoder"));

  // Hashed names are not kept, nor are they mixed with others.
  const TrainedText hashed = trained_with(TextFeatures::hashed(12));
  CHECK(features_to_ask(hashed, std::nullopt, 12).is_hashed());
  CHECK(features_to_ask(hashed, TextFeatures::hashed(12), 12).is_hashed());
  CHECK(test::contains(refusal(hashed, own), "leave them out"));

  // What earlier versions wrote: source and hash, no vectors.
  TrainedText before = trained;
  before.features = std::nullopt;
  CHECK(features_to_ask(before, own, 12).hash() == own.hash());
  CHECK(test::contains(refusal(before, std::nullopt), "give the features"));
  CHECK(test::contains(refusal(before, features({"Liver"})), "another content"));
  CHECK(features_to_ask({}, std::nullopt, 12).is_hashed());
  CHECK(features_to_ask({}, own, 12).hash() == own.hash());
}

TEST_CASE("an adapter's folder and a checkpoint it was merged into bring the features along") {
  const SamConfig config = test::small_config();
  auto model = test::prepared_model<Recipe>(config);
  test::disturb(model);
  const test::Folder folder;
  AdapterInfo info = test::small_info<Recipe>(config);
  const TextFeatures own = features({"Liver", "Gall Bladder"}, 0, "CLIP (some file)");
  info.text_source = own.source();
  info.text_hash = own.hash();
  info.features = own;
  save_adapter(folder / "adapter", model, info);
  auto same = test::prepared_model<Recipe>(config);
  const AdapterInfo read = load_adapter(same, folder / "adapter");
  REQUIRE(read.features);
  CHECK(read.features->hash() == own.hash());
  CHECK(read.features->pattern() == "a {}");
  CHECK(read.features->source() == own.source());
  CHECK(test::everything(same).tensors == test::everything(model).tensors);

  // Whoever loads it later asks with them, without being told.
  Context<Cpu> context(1);
  merge(context, model);
  StateDict merged = export_state(model, [](const Path&, const auto&, Group group) { return !is_adapter(group); });
  merged.metadata[config_key] = to_json(config).dump();
  store_trained_text(merged, read.trained_text());
  save_safetensors(folder / "merged.safetensors", merged);
  const SamCheckpoint opened = open_sam_checkpoint(folder / "merged.safetensors");
  REQUIRE(opened.text.features);
  CHECK(opened.text.features->hash() == own.hash());
  CHECK(opened.text.labels == info.labels);
  CHECK(opened.weights.tensors.count("text_features.Liver") == 0);
  SamPredictor<> predictor(folder / "merged.safetensors");
  predictor.set_image(Image(20, 30));
  CHECK(predictor.predict({{.label = "Liver"}}).size() == 1);
  CHECK(test::contains(test::message_of<MismatchError>([&] { predictor.predict({{.label = "Gal Bladder"}}); }),
                       "did you mean 'Gall Bladder'"));

  // Features that nobody kept are asked for with the first label, not before.
  merged.metadata[text_hash_key] = "0123";
  merged.tensors.erase("text_features.Liver");
  merged.tensors.erase("text_features.Gall Bladder");
  save_safetensors(folder / "without.safetensors", merged);
  SamPredictor<> without(folder / "without.safetensors");
  without.set_image(Image(20, 30));
  CHECK(without.predict(SamPrompt{.points = {{3, 4}}}).masks >= 1);
  CHECK(test::contains(test::message_of<MismatchError>([&] { without.predict({{.label = "Liver"}}); }),
                       "other text features"));

  // Of another length: an adapter of another model.
  StateDict state;
  state.tensors["Liver"] = HostTensor::from(Shape{5}, std::vector<float>(5));
  info.features = TextFeatures::from_state(state, "short", 5);
  save_adapter(folder / "short", same, info);
  auto another = test::prepared_model<Recipe>(config);
  const StateDict before = test::everything(another);
  CHECK_THROWS_AS(load_adapter(another, folder / "short"), MismatchError);
  CHECK(test::everything(another).tensors == before.tensors);
}
