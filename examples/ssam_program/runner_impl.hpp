#pragma once

#include <ssam/data/dataset.hpp>
#include <ssam/sam/automatic_masks.hpp>
#include <ssam/sam/svd_cache.hpp>
#include <ssam/sam/svdsam_checkpoint.hpp>
#include <ssam/train/trainer.hpp>

#include "console.hpp"
#include "runner.hpp"
#include "selftest/replay_training.hpp"

namespace ssam::cli {

/// The Runner of a composed model in single precision.
template <class Device, class ModelRecipe>
class ModelRunner final : public Runner {
 public:
  using Model = TextPromptedSam<float, Device, ModelRecipe>;

  ModelRunner(const SamConfig& config, int threads)
      : context_(std::make_shared<Context<Device>>(threads)), model_(std::make_shared<Model>(config)) {}

  void randomize(std::uint64_t seed) override { ssam::randomize(*model_, Random(seed)); }

  void load(StateDict weights, const std::string& source, std::uint64_t seed) override {
    load_weights(*model_, std::move(weights), source, Random(seed));
  }

  std::string prepare(const std::filesystem::path& checkpoint) override {
    const SvdCacheReport report = prepare_cached(*context_, *model_, checkpoint);
    std::string text;
    if (report.computed > 0) {
      text = std::to_string(report.computed) + " singular value decompositions in " + as_duration(report.seconds);
      if (report.written) text += ", kept in " + report.file.string();
    }
    if (!report.note.empty()) text += (text.empty() ? "" : "; ") + report.file.string() + ": " + report.note;
    return text;
  }

  AdapterInfo load_adapter(const std::filesystem::path& folder) override { return ssam::load_adapter(*model_, folder); }

  void load_svdsam(const SvdsamCheckpoint& file, const std::string& source) override {
    load_svdsam_checkpoint(*model_, file, source);
  }

  void merge() override { ssam::merge(*context_, *model_); }

  bool merges_into_plain_sam() const override { return ssam::merges_into_plain_sam(*model_); }

  StateDict plain_weights() const override {
    return export_state(*model_, [](const Path&, const auto&, Group group) { return !is_adapter(group); });
  }

  HostTensor embed(const std::vector<float>& image) override {
    const Index side = model_->image_size();
    predictor().set_input(image, {side, side});
    return predictor().embedding();
  }

  void set_image(const Image& image, const std::optional<TextFeatures>& features) override {
    predictor_ = std::make_unique<Predictor>(model_, context_, features);
    predictor_->set_image(image);
  }

  std::vector<Prediction> predict(const std::vector<SamPrompt>& prompts) override {
    return predictor().predict(prompts);
  }

  std::vector<AutomaticMask> everything(const AutomaticMaskOptions& options) override {
    return generate_masks(predictor(), options);
  }

  Evaluation evaluate(const Dataset& data, const EvaluateOptions& options) override {
    return ssam::evaluate(*context_, *model_, data, options);
  }

  void set_recompute(bool recompute) override { model_->sam.image_encoder.recompute = recompute; }

  TrainResult train(const Dataset& data, const TrainRun<Dataset>& run) override {
    return ssam::train(*context_, *model_, data, run);
  }

 private:
  using Predictor = SamPredictor<ModelRecipe, Device, float>;

  Predictor& predictor() {
    if (!predictor_) predictor_ = std::make_unique<Predictor>(model_, context_);
    return *predictor_;
  }

  std::shared_ptr<Context<Device>> context_;
  std::shared_ptr<Model> model_;
  std::unique_ptr<Predictor> predictor_;
};

/// Counts by walking the model on no device, as parameter_count does, and adds what an adapter's file takes: per tensor
/// its values and, in the header, its name, type, shape and offsets.
template <class ModelRecipe>
Counts count_parameters(const SamConfig& config) {
  const ParameterCount count = parameter_count<ModelRecipe>(config);
  Counts counts{.trained = count.trained, .total = count.total};
  for (std::size_t i = 0; i < count_groups; ++i) {
    counts.groups.emplace_back(std::string(count_group_names[i]), count.groups[i]);
  }
  const TextPromptedSam<float, Meta, ModelRecipe> model(config);
  constexpr Index header_entry = 70;
  walk(model, [&](const Path& path, const auto& parameter, Group group, Layout) {
    const Index width = group == Group::counter ? 8 : 4;
    if (changes_in_training<decltype(parameter)>) {
      counts.adapter_bytes += width * parameter.value.size() + header_entry + static_cast<Index>(path.str().size());
    }
    if (!is_buffer(group) && !is_adapter(group) && path.part() != Part::text_affine) {
      counts.sam += parameter.value.size();
    }
  });
  return counts;
}

/// Recordings are compared in single precision throughout.
template <class Device>
inline constexpr bool replays =
    !std::is_same_v<Device, CpuBf16> && !std::is_same_v<Device, CudaTf32> && !std::is_same_v<Device, CudaBf16>;

/// The replay of SAM itself, of which selftest/replay_sam.hpp must be included.
template <class Device>
RecipeOnDevice with_sam_replay(RecipeOnDevice recipe) {
  if constexpr (replays<Device>) recipe.replay_sam = selftest::replay_sam<float, Device>;
  return recipe;
}

/// A recipe under the two naming rules on one device.
template <class Device, class Paper, class Release, bool has_recorded>
RecipeOnDevice recipe_on() {
  RecipeOnDevice recipe;
  recipe.make = [](Rule rule, const SamConfig& config, int threads) -> std::unique_ptr<Runner> {
    if (rule == Rule::paper) return std::make_unique<ModelRunner<Device, Paper>>(config, threads);
    return std::make_unique<ModelRunner<Device, Release>>(config, threads);
  };
  if constexpr (has_recorded && replays<Device>) {
    recipe.replay = [](Rule rule, const std::filesystem::path& folder, const std::string& run) {
      return rule == Rule::paper ? selftest::replay_training<float, Device, Paper>(folder, run, false)
                                 : selftest::replay_training<float, Device, Release>(folder, run, true);
    };
  }
  return recipe;
}

/// The registry's entry of a recipe under the two naming rules, on the host. `recorded` is the name of its golden runs,
/// "" where there are none.
template <class Paper, class Release, bool has_recorded>
Recipe make_recipe(std::vector<std::string> aliases, const char* summary, const char* recorded) {
  Recipe recipe{Paper::name, std::move(aliases), summary, recorded};
  recipe.count = [](Rule rule, const SamConfig& config) {
    return rule == Rule::paper ? count_parameters<Paper>(config) : count_parameters<Release>(config);
  };
  recipe.devices[static_cast<std::size_t>(DeviceKind::cpu)] = recipe_on<Cpu, Paper, Release, has_recorded>();
  recipe.devices[static_cast<std::size_t>(DeviceKind::cpu_bf16)] = recipe_on<CpuBf16, Paper, Release, has_recorded>();
  return recipe;
}

}  // namespace ssam::cli
