#include <doctest/doctest.h>

#include <ssam/text/features.hpp>

#include "../data/files.hpp"

using namespace ssam;

TEST_CASE("hashed features: one vector per name, the same everywhere, mean square 1") {
  const TextFeatures features = TextFeatures::hashed(64);
  CHECK(features.dim() == 64);
  CHECK(features.source() == "hashed label names (no CLIP)");
  const std::vector<float> liver = features.at("Liver");
  CHECK(liver == TextFeatures::hashed(64).at("Liver"));
  double square = 0, product = 0;
  const std::vector<float> kidney = features.at("Kidney");
  for (std::size_t i = 0; i < liver.size(); ++i) {
    square += double(liver[i]) * double(liver[i]) / 64;
    product += double(liver[i]) * double(kidney[i]) / 64;
  }
  CHECK(square == doctest::Approx(1));
  CHECK(std::abs(product) < 0.5);
  CHECK(liver[0] == doctest::Approx(1.2290991).epsilon(1e-5));  // from an independent program: adapters depend on it
  CHECK_THROWS_AS(TextFeatures::hashed(0), ConfigError);
}

TEST_CASE("features are cut to labels, joined, and written with what made them") {
  const test::Folder folder;
  StateDict state;
  state.tensors["Liver"] = HostTensor::from(Shape{2}, std::vector<float>{1, 2});
  state.tensors["Kidney"] = HostTensor::from(Shape{2}, std::vector<float>{3, 4});
  state.metadata = {{"clip_template", "a {}"}, {"clip_hash", "0123"}};
  const TextFeatures both = TextFeatures::from_state(state, "here", 2);
  const TextFeatures liver = both.only({"Liver", "Liver"});
  CHECK(liver.labels() == std::vector<std::string>{"Liver"});
  CHECK(liver.pattern() == "a {}");
  CHECK(liver.encoder() == "0123");
  CHECK(liver.has("Liver"));
  CHECK_FALSE(liver.has("Kidney"));
  CHECK(liver.hash() != both.hash());
  CHECK(test::contains(test::message_of<MismatchError>([&] { both.only({"Spleen"}); }), "'Spleen'"));
  state.tensors["Liver"] = HostTensor::from(Shape{2}, std::vector<float>{7, 7});
  const TextFeatures joined = liver.with(TextFeatures::from_state(state, "there", 2));
  CHECK(joined.at("Liver") == std::vector<float>{1, 2});  // its own stay
  CHECK(joined.at("Kidney") == std::vector<float>{3, 4});
  both.save(folder / "both.safetensors");
  const TextFeatures read = TextFeatures::load(folder / "both.safetensors", 2);
  CHECK(read.hash() == both.hash());
  CHECK(read.pattern() == "a {}");
  CHECK(read.encoder() == "0123");

  // No labels are no hash of names: nothing is found in what holds nothing.
  CHECK_FALSE(both.only({}).is_hashed());
  CHECK_FALSE(both.only({}).has("Liver"));
  const TextFeatures hashed = TextFeatures::hashed(2);
  CHECK(hashed.only({"Liver"}).has("anything"));
  CHECK(hashed.to_state().tensors.empty());
  CHECK_THROWS_AS(hashed.save(folder / "hashed.safetensors"), Error);
}

TEST_CASE("features from a file") {
  const test::Folder folder;
  StateDict state;
  state.tensors["Liver"] = HostTensor::from(Shape{3}, std::vector<float>{1, 2, 3});
  state.tensors["Gall Bladder"] = HostTensor::from(Shape{3}, std::vector<float>{0.5f, 0, -2}).converted(DType::f16);
  save_safetensors(folder / "good.safetensors", state);
  const TextFeatures features = TextFeatures::load(folder / "good.safetensors", 3);
  CHECK(features.at("Liver") == std::vector<float>{1, 2, 3});
  CHECK(features.at("Gall Bladder") == std::vector<float>{0.5f, 0, -2});
  CHECK(features.source() == (folder / "good.safetensors").string());
  save_safetensors(folder / "copy.safetensors", state);
  CHECK(features.hash() == TextFeatures::load(folder / "copy.safetensors", 3).hash());
  CHECK(features.hash() != TextFeatures::hashed(3).hash());
  state.tensors["Liver"] = HostTensor::from(Shape{3}, std::vector<float>{1, 2, 4});
  save_safetensors(folder / "other.safetensors", state);
  CHECK(features.hash() != TextFeatures::load(folder / "other.safetensors", 3).hash());
  CHECK(test::contains(test::message_of<MismatchError>([&] { features.at("gal bladder"); }), "'Gall Bladder'"));
  CHECK(test::contains(test::message_of<MismatchError>([&] { features.at("Spleen"); }), "known are: Gall Bladder"));

  CHECK_THROWS_AS(TextFeatures::load(folder / "good.safetensors", 4), MismatchError);
  CHECK_THROWS_AS(TextFeatures::load(folder / "absent.safetensors", 3), IoError);
  CHECK_THROWS_AS(TextFeatures::load(folder.write("text.safetensors", "not one"), 3), FormatError);
  state.tensors["Liver"] = HostTensor::from(Shape{3}, std::vector<std::int64_t>{1, 2, 3});
  save_safetensors(folder / "integers.safetensors", state);
  CHECK_THROWS_AS(TextFeatures::load(folder / "integers.safetensors", 3), MismatchError);
  state.tensors["Liver"] = HostTensor::from(Shape{3}, std::vector<float>{1, std::nanf(""), 3});
  save_safetensors(folder / "nan.safetensors", state);
  CHECK_THROWS_AS(TextFeatures::load(folder / "nan.safetensors", 3), FormatError);
  save_safetensors(folder / "empty.safetensors", StateDict{});
  CHECK_THROWS_AS(TextFeatures::load(folder / "empty.safetensors", 3), MismatchError);
}
