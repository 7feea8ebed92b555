#include <doctest/doctest.h>

#include "../small_model.hpp"

using namespace ssam;

namespace {

/// Adapters in series and in parallel, which copy what they keep.
struct RecomputedBottlenecks : FrozenRecipe {
  static constexpr const char* name = "recomputed_bottlenecks";
  template <class S, class D>
  using AttentionBranch = Bottleneck<S, D>;
  template <class S, class D>
  using SerialMlpBranch = Bottleneck<S, D, 2>;
  using TextAffine = Trained;
};

/// What two training steps leave: every gradient, the answer, the state of the dropout's random numbers.
struct StepsTaken {
  std::vector<std::vector<float>> values;
  Random::State random;
  std::size_t peak = 0;  ///< of the workspace, in bytes
};

template <class Recipe>
StepsTaken take_steps(SamConfig config, bool recompute, int threads, std::uint64_t seed = 11) {
  auto model = test::prepared_model<Recipe>(config);
  test::disturb(model);  // LoRA's and the bottlenecks' zeros would hide what is in front of them
  model.sam.image_encoder.recompute = recompute;
  Context<Cpu> context(threads, seed);
  context.training = true;
  Random numbers(3);
  const auto random = [&](const Shape& shape) {
    std::vector<float> values;
    for (Index i = 0; i < shape.elements(); ++i) values.push_back(static_cast<float>(numbers.normal()));
    return Tensor<float, Cpu>(shape, values);
  };
  const Index size = config.image_size;
  const auto images = random({3, size, size, 3}), text = random({3, config.text_dim}), slope = random({3, size, size});
  typename TextPromptedSam<float, Cpu, Recipe>::Record record;
  StepsTaken taken;
  for (int step = 0; step < 2; ++step) {
    WorkspaceScope<Cpu> scope(context);
    const auto probability = model.forward(context, images, text, record);
    taken.values.emplace_back(probability.data(), probability.data() + probability.size());
    model.backward(context, record, slope);
  }
  walk(model, [&](const Path&, auto& parameter, Group, Layout) {
    if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) taken.values.push_back(parameter.grad.to_host());
  });
  taken.random = context.random.state();
  taken.peak = context.workspace.peak();
  return taken;
}

template <class Recipe>
void check_recomputed(const SamConfig& config, bool dropout) {
  const StepsTaken kept = take_steps<Recipe>(config, false, 1);
  for (const int threads : {1, 2}) {
    const StepsTaken again = take_steps<Recipe>(config, true, threads);
    CHECK(again.values == kept.values);  // bit for bit, which NaN would not be
    CHECK(again.random == kept.random);
  }
  CHECK((kept.random.counter > 0) == dropout);
  // Where there is dropout, other masks would be seen.
  CHECK((take_steps<Recipe>(config, true, 1, 12).values == kept.values) == !dropout);
}

SamConfig with_blocks(Index depth) {
  SamConfig config = test::small_config();
  config.depth = depth;
  return config;
}

}  // namespace

TEST_CASE("blocks that are computed once more have the same gradients, bit for bit") {
  const SamConfig config = with_blocks(4);
  check_recomputed<recipes::SSam<>>(config, false);
  check_recomputed<recipes::SSam<Rule::release>>(svdsam_release(config), false);
  check_recomputed<recipes::FullFineTuning<>>(config, false);
  check_recomputed<RecomputedBottlenecks>(config, false);
}

TEST_CASE("blocks that are computed once more have the dropout masks that they had") {
  check_recomputed<recipes::LoRA<4, Rule::release>>(with_blocks(4), true);
  check_recomputed<recipes::SAMed<2>>(with_blocks(4), false);
}

TEST_CASE("a block that is computed once more keeps its input alone") {
  const auto of_four_blocks = [](bool recompute) {
    const auto peak = [&](Index depth) {
      return static_cast<Index>(take_steps<recipes::SSam<>>(with_blocks(depth), recompute, 1).peak);
    };
    return peak(24) - peak(20);  // enough blocks for the peak to be theirs
  };
  const SamConfig config = test::small_config();
  const Index grid = config.image_size / config.patch_size;
  const Index input = 3 * grid * grid * config.embed_dim * Index{sizeof(float)};
  CHECK(of_four_blocks(true) == 4 * input);
  CHECK(of_four_blocks(false) > 10 * 4 * input);
}

TEST_CASE("a model may change its mind between steps, and encodes as before") {
  auto model = test::prepared_model<recipes::SSam<>>(test::small_config());
  Context<Cpu> context(1);
  const Tensor<float, Cpu> images({1, 32, 32, 3}, std::vector<float>(32 * 32 * 3, 0.5f));
  const Tensor<float, Cpu> slope({1, 4, 4, 16}, std::vector<float>(4 * 4 * 16, 1.0f));
  decltype(model.sam.image_encoder)::Record record;
  std::vector<std::vector<float>> gradients, embeddings;
  for (const bool recompute : {false, true, false}) {
    WorkspaceScope<Cpu> scope(context);
    model.sam.image_encoder.recompute = recompute;
    const auto embedding = model.sam.image_encoder.forward(context, images, record, true);
    model.sam.image_encoder.recompute = !recompute;  // the record knows how it was made
    model.sam.image_encoder.backward(context, record, slope, {});
    gradients.push_back(model.sam.image_encoder.blocks[0].mlp.lin1.scale.grad.to_host());
    model.sam.image_encoder.blocks[0].mlp.lin1.scale.grad = {};
    const auto encoded = model.sam.encode(context, images);
    embeddings.emplace_back(encoded.data(), encoded.data() + encoded.size());
    embeddings.emplace_back(embedding.data(), embedding.data() + embedding.size());
  }
  CHECK(gradients[1] == gradients[0]);
  CHECK(gradients[2] == gradients[0]);
  for (const auto& values : embeddings) CHECK(values == embeddings[0]);
}
