// The two jobs of a user: embedding an image and one S-SAM training step, with SAM ViT-B of random weights. `peak_MiB`
// is the workspace's peak (activations and scratch, without the weights).
#include <benchmark/benchmark.h>

#include <ssam/sam/state.hpp>
#include <ssam/train/adamw.hpp>

using namespace ssam;

namespace {

Tensor<float, Cpu> filled(const Shape& shape, double low, double high) {
  Random random(static_cast<std::uint64_t>(shape.elements()));
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (float& value : values) value = static_cast<float>(random.uniform(low, high));
  return Tensor<float, Cpu>(shape, values);
}

void report_peak(benchmark::State& state, const Context<Cpu>& context) {
  state.counters["peak_MiB"] = static_cast<double>(context.workspace.peak() >> 20);
}

void embed(benchmark::State& state) {
  const Index size = state.range(0), batch = state.range(1);
  Context<Cpu> context;
  TextPromptedSam<float, Cpu, recipes::ZeroShot> model(vit_b(size));
  randomize(model, Random(1));
  const auto images = filled({batch, size, size, 3}, -2, 2);
  for (auto _ : state) {
    WorkspaceScope<Cpu> scope(context);
    benchmark::DoNotOptimize(model.sam.encode(context, images).data());
  }
  report_peak(state, context);
}

template <class Recipe, bool recompute = false>
void train(benchmark::State& state) {
  const Index size = state.range(0), batch = state.range(1);
  Context<Cpu> context;
  TextPromptedSam<float, Cpu, Recipe> model(vit_b(size));
  randomize(model, Random(1));
  prepare(context, model);
  model.sam.image_encoder.recompute = recompute;
  const auto images = filled({batch, size, size, 3}, -2, 2), text = filled({batch, 512}, -1, 1);
  auto masks = filled({batch, size, size}, 0, 1);
  for (Index i = 0; i < masks.size(); ++i) masks.data()[i] = masks.data()[i] > 0.5f ? 1.0f : 0.0f;
  AdamW<float, Cpu> optimizer;
  Tensor<double, Cpu> loss(Shape{1});
  context.training = true;
  typename TextPromptedSam<float, Cpu, Recipe>::Record record;
  for (auto _ : state) {
    WorkspaceScope<Cpu> scope(context);
    const auto probability = model.forward(context, images, text, record);
    const auto dprobability = allocate<float>(context, probability.shape());
    ops::mask_loss<float>(context, probability, masks, {}, dprobability, 1, loss.view());
    model.backward(context, record, dprobability);
    optimizer.step(context, model);
  }
  report_peak(state, context);
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"image", "batch"})->UseRealTime()->Unit(benchmark::kMillisecond);
}

BENCHMARK(embed)->Apply(sizes)->Args({256, 1})->Args({1024, 1});
BENCHMARK(train<recipes::SSam<Rule::paper>>)->Name("train S-SAM")->Apply(sizes)->Args({256, 4})->Args({1024, 1});
BENCHMARK(train<recipes::SSam<Rule::paper>, true>)->Name("train S-SAM, recomputed")->Apply(sizes)->Args({1024, 1});
BENCHMARK(train<recipes::LoRA<4, Rule::paper>>)->Name("train LoRA<4>")->Apply(sizes)->Args({256, 4});
BENCHMARK(train<recipes::FullFineTuning<Rule::paper>>)->Name("train all")->Apply(sizes)->Args({256, 4});

}  // namespace
