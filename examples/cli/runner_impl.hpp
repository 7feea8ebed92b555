#pragma once

#include <ssam/sam/adapter.hpp>
#include <ssam/sam/postprocess.hpp>
#include <ssam/sam/svd_cache.hpp>
#include <ssam/train/trainer.hpp>

#include "../selftest/replay_training.hpp"
#include "console.hpp"
#include "runner.hpp"

namespace ssam::cli {

/// The Runner of a composed model in single precision.
template <class Device, class ModelRecipe>
class ModelRunner final : public Runner {
 public:
  using Model = SsamModel<float, Device, ModelRecipe>;
  using View = TensorView<float, Device>;
  using ConstView = TensorView<const float, Device>;

  ModelRunner(const SamConfig& config, int threads) : context_(threads), model_(config) {}

  void randomize(std::uint64_t seed) override { ssam::randomize(model_, Random(seed)); }

  void load(StateDict weights, const std::string& source, std::uint64_t seed) override {
    load_weights(model_, std::move(weights), source, Random(seed));
  }

  std::string prepare(const std::filesystem::path& checkpoint, const std::string& hash) override {
    const SvdCacheReport report = prepare_cached(context_, model_, checkpoint, hash);
    std::string text;
    if (report.computed > 0) {
      text = std::to_string(report.computed) + " singular value decompositions in " + as_duration(report.seconds);
      if (report.written) text += ", kept in " + report.file.string();
    }
    if (!report.note.empty()) text += (text.empty() ? "" : "; ") + report.file.string() + ": " + report.note;
    return text;
  }

  void load_adapter(const std::filesystem::path& folder, const AdapterInfo& info, const std::string& hash) override {
    ssam::load_adapter(model_, folder, info, hash);
  }

  void merge() override { ssam::merge(context_, model_); }

  bool merges_into_plain_sam() const override {
    return !(model_.sam.config.published_padding && ModelRecipe::published_without_padding);
  }

  StateDict plain_weights() const override {
    return export_state(model_, [](const Path&, const auto&, Group group) {
      return group != Group::singular_values && group != Group::low_rank;
    });
  }

  HostTensor embed(std::span<const float> image) override {
    WorkspaceScope<Device> scope(context_);
    const View embedding = encode(image);
    const Shape shape{1, embedding.dim(3), embedding.dim(1), embedding.dim(2)};
    const View channels_first = allocate<float>(context_, shape);
    ops::nhwc_to_nchw<float>(context_, embedding, channels_first);
    std::vector<float> values;
    append(channels_first, values);
    require_finite(values, "the image embedding");
    return HostTensor::from(shape, values);
  }

  SegmentResult segment(std::span<const float> image, const SegmentRequest& request) override {
    WorkspaceScope<Device> scope(context_);
    const ConstView embedding = encode(image);
    {
      std::vector<float> values;
      append(embedding, values);
      require_finite(values, "the image embedding");
    }
    SegmentResult result;
    const auto add = [&](const Prompts& prompts, ConstView tokens, MaskOutput output) {
      WorkspaceScope<Device> decoding(context_);
      const auto decoded = model_.sam.decode(context_, embedding, prompts, tokens, output);
      const View full = postprocess_masks<float, Device>(context_, decoded.low_res, model_.sam.config.image_size,
                                                         request.resized.height, request.resized.width,
                                                         request.original.height, request.original.width);
      PromptMasks& answer = result.prompts.emplace_back();
      answer.masks = full.dim(1);
      append(decoded.low_res, answer.low_res);
      append(full, answer.logits);
      append(decoded.iou, answer.iou);
      const std::string prompt = " of prompt " + std::to_string(result.prompts.size());
      require_finite(answer.low_res, "the mask" + prompt);
      require_finite(answer.iou, "the predicted IoU" + prompt);
    };
    if (request.geometric) {
      add({1, request.points, request.point_labels, request.box, request.mask}, {},
          request.multimask ? MaskOutput::multi : MaskOutput::single);
    }
    for (const std::vector<float>& text : request.texts) {  // one by one: as many masks of full size would fill memory
      WorkspaceScope<Device> prompt(context_);
      const View feature = upload(text, {1, static_cast<Index>(text.size())});
      add({1, {}, {}, {}, {}}, model_.embed_text(context_, feature), MaskOutput::single);  // as labels are trained
    }
    return result;
  }

  Evaluation evaluate(const Dataset& data, const TextFeatures& features, Index batch,
                      const std::function<void(Index, Index)>& progress) override {
    return ssam::evaluate(context_, model_, data, features, batch, progress);
  }

  TrainResult train(const Dataset& data, const Dataset* validation, const TextFeatures& features,
                    const TrainOptions& options, const AdapterInfo& info, const std::filesystem::path& out, bool resume,
                    const std::function<void(const TrainProgress&)>& progress) override {
    AdapterInfo own = info;
    own.recipe = ModelRecipe::name;
    own.count = parameter_count<ModelRecipe>(model_.sam.config);
    return ssam::train(context_, model_, data, validation, features, options, own, out, resume, progress);
  }

 private:
  View encode(std::span<const float> image) {
    const Index size = model_.sam.config.image_size;
    context_.training = false;
    return model_.sam.encode(context_, upload(image, {1, size, size, 3}));
  }

  View upload(std::span<const float> values, const Shape& shape) {
    const View copy = allocate<float>(context_, shape);
    ops::upload<float>(context_, values.data(), copy);
    return copy;
  }

  /// Waits for the device.
  void append(ConstView view, std::vector<float>& values) {
    const std::size_t before = values.size();
    values.resize(before + static_cast<std::size_t>(view.size()));
    ops::download<float>(context_, view, values.data() + before);
  }

  Context<Device> context_;
  Model model_;
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
  const SsamModel<float, Meta, ModelRecipe> model(config);
  constexpr Index header_entry = 70;
  walk(model, [&](const Path& path, const auto& parameter, Group group, Layout) {
    const bool own = std::remove_cvref_t<decltype(parameter)>::trained;
    const bool statistics = path.starts_with("text_affine") && (group == Group::buffer || group == Group::counter);
    const bool adapter = group == Group::singular_values || group == Group::low_rank;
    const Index width = group == Group::counter ? 8 : 4;
    if (own || (statistics && ModelRecipe::TextAffine::trained)) {
      counts.adapter_bytes += width * parameter.value.size() + header_entry + static_cast<Index>(path.str().size());
    }
    if (group != Group::buffer && group != Group::counter && !adapter && !path.starts_with("text_affine")) {
      counts.sam += parameter.value.size();
    }
  });
  return counts;
}

/// Recordings are compared in single precision throughout.
template <class Device>
inline constexpr bool replays = !std::is_same_v<Device, CudaTf32> && !std::is_same_v<Device, CudaBf16>;

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
  recipe.devices[0] = recipe_on<Cpu, Paper, Release, has_recorded>();
  return recipe;
}

}  // namespace ssam::cli
