#pragma once

// A very small SAM with random weights, and what tests do with it.

#include <ssam/sam/adapter.hpp>
#include <ssam/text/features.hpp>

#include "data/files.hpp"

namespace test {

/// 32 pixels, a grid of 4 x 4 tokens, one windowed block (padded windows) and one global one.
inline ssam::SamConfig small_config() {
  ssam::SamConfig config;
  config.image_size = 32;
  config.patch_size = 8;
  config.embed_dim = 16;
  config.depth = 2;
  config.heads = 2;
  config.global_blocks = 2;
  config.window = 3;
  config.out_channels = 16;
  config.decoder_heads = 2;
  config.decoder_mlp = 24;
  config.iou_hidden = 16;
  config.mask_channels = 8;
  config.text_dim = 12;
  return config;
}

/// Of the checkpoint that models here are said to be loaded from.
inline constexpr const char* base_hash = "0123456789abcdef0123456789abcdef";

/// A random, unprepared model.
template <class Recipe>
ssam::TextPromptedSam<float, ssam::Cpu, Recipe> random_model(const ssam::SamConfig& config, std::uint64_t seed = 7) {
  ssam::TextPromptedSam<float, ssam::Cpu, Recipe> model(config);
  ssam::randomize(model, ssam::Random(seed));
  model.set_base_hash(base_hash);
  return model;
}

/// A random model with its SVD factors.
template <class Recipe>
ssam::TextPromptedSam<float, ssam::Cpu, Recipe> prepared_model(const ssam::SamConfig& config, std::uint64_t seed = 7) {
  auto model = random_model<Recipe>(config, seed);
  ssam::Context<ssam::Cpu> context(1);
  ssam::prepare(context, model);
  return model;
}

/// Every parameter and buffer.
template <class Model>
ssam::StateDict everything(const Model& model) {
  return ssam::export_state(model, [](const ssam::Path&, const auto&, ssam::Group) { return true; });
}

/// Changes what a recipe trains (and TAL's statistics) as a training run would.
template <class Recipe>
void disturb(ssam::TextPromptedSam<float, ssam::Cpu, Recipe>& model, std::uint64_t seed = 3) {
  ssam::Random random(seed);
  ssam::walk(model, [&](const ssam::Path&, auto& parameter, ssam::Group group, ssam::Layout) {
    if (!ssam::changes_in_training<decltype(parameter)>) return;
    float* values = parameter.value.data();
    for (ssam::Index i = 0; i < parameter.value.size(); ++i) {
      values[i] = group == ssam::Group::counter ? 5.0f : values[i] + static_cast<float>(random.uniform(0.01, 0.1));
    }
  });
}

template <class Recipe>
ssam::AdapterInfo small_info(const ssam::SamConfig& config) {
  ssam::AdapterInfo info = ssam::describe_adapter(random_model<Recipe>(config));
  info.labels = {"Liver", "Gall Bladder"};
  info.text_source = ssam::TextFeatures::hashed(config.text_dim).source();
  return info;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// `text` with one occurrence of `from` replaced.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) throw std::runtime_error("nothing to replace: " + from);
  return text.replace(at, from.size(), to);
}

}  // namespace test
