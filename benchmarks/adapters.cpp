// What an adapter costs beside the plain layer: forward and backward of one linear layer at ViT-B's shapes, and the two
// forms of the SVD layer (`SVDLinear::cheaper_form` chooses between them).
#include <benchmark/benchmark.h>

#include <ssam/adapt/lora_linear.hpp>
#include <ssam/adapt/svd_linear.hpp>

using namespace ssam;

namespace {

template <class Layer>
void step(benchmark::State& state, Layer& layer, Context<Cpu>& context) {
  const Index n = state.range(0), out = state.range(1), in = state.range(2);
  Random random(1);
  std::vector<float> values(static_cast<std::size_t>(n * std::max(in, out)));
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  const MatrixView<const float, Cpu> x{values.data(), n, in, in}, dy{values.data(), n, out, out};
  Tensor<float, Cpu> y({n, out}), dx({n, in});
  typename Layer::Record record;
  for (auto _ : state) {
    WorkspaceScope<Cpu> scope(context);
    layer.forward(context, x, y.view().matrix(), record);
    layer.backward(context, record, dy, dx.view().matrix());
  }
}

template <class Layer>
Layer random_layer(const benchmark::State& state) {
  Layer layer(Shape{state.range(1), state.range(2)});
  Random random(2);
  std::vector<float> values(static_cast<std::size_t>(layer.weight.value.size()));
  for (float& value : values) value = static_cast<float>(0.02 * random.normal());
  layer.weight.value = Tensor<float, Cpu>(layer.weight.value.shape(), values);
  if constexpr (InitializedLayer<Layer>) layer.initialize(random);
  return layer;
}

template <class Layer>
void plain(benchmark::State& state) {
  Context<Cpu> context;
  Layer layer = random_layer<Layer>(state);
  step(state, layer, context);
}

void svd(benchmark::State& state, SVDLinear<float, Cpu>::Form form) {
  Context<Cpu> context;
  auto layer = random_layer<SVDLinear<float, Cpu>>(state);
  layer.form = form;
  layer.prepare(context);
  step(state, layer, context);
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"tokens", "out", "in"})->UseRealTime()->Unit(benchmark::kMillisecond);
  for (const Index tokens : {256, 4096}) {
    benchmark->Args({tokens, 2304, 768})->Args({tokens, 768, 768})->Args({tokens, 3072, 768});
  }
}

BENCHMARK(plain<Linear<float, Cpu, Frozen, Frozen>>)->Name("frozen")->Apply(shapes);
BENCHMARK(plain<Linear<float, Cpu, Trained, Trained>>)->Name("fully trained")->Apply(shapes);
BENCHMARK(plain<LoRALinear<float, Cpu, 4>>)->Name("LoRA<4>")->Apply(shapes);
BENCHMARK_CAPTURE(svd, factored, SVDLinear<float, Cpu>::Form::factored)->Apply(shapes);
BENCHMARK_CAPTURE(svd, merged, SVDLinear<float, Cpu>::Form::merged)->Apply(shapes);

}  // namespace
