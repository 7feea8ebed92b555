// The kernels that a ViT-B encoder spends its time in, at its own sizes. `items` are multiply-adds.
#include <benchmark/benchmark.h>

#include <ssam/ops/ops.hpp>

using namespace ssam;

namespace {

Tensor<float, Cpu> filled(const Shape& shape) {
  Random random(static_cast<std::uint64_t>(shape.elements()));
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  return Tensor<float, Cpu>(shape, values);
}

void count_macs(benchmark::State& state, Index macs) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * macs);
}

void gemm(benchmark::State& state) {
  Context<Cpu> context;
  const Index n = state.range(0), out = state.range(1), in = state.range(2);
  const auto x = filled({n, in}), w = filled({out, in});
  Tensor<float, Cpu> y({n, out});
  for (auto _ : state) {
    ops::matmul<float>(context, ops::Transpose::no, ops::Transpose::yes, x.view().matrix(), w.view().matrix(),
                       y.view().matrix());
  }
  count_macs(state, n * out * in);
}

void attention(benchmark::State& state) {
  Context<Cpu> context;
  const Index grid = state.range(0), window = state.range(1), heads = 12, dim = 64, channels = heads * dim;
  const bool backward = state.range(2) != 0;
  const Index extent = window > 0 ? window : grid, tokens = grid * grid;
  const ops::AttentionGeometry g{.batch = 1,
                                 .heads = heads,
                                 .head_dim = dim,
                                 .queries = tokens,
                                 .keys = tokens,
                                 .grid_h = grid,
                                 .grid_w = grid,
                                 .window = window};
  const auto qkv = filled({tokens, 3 * channels}), pad = filled({3 * channels}), table = filled({2 * extent - 1, dim});
  const auto dout = filled({tokens, channels});
  Tensor<float, Cpu> out({tokens, channels}), dqkv({tokens, 3 * channels}), lse({ops::attention_lse_size(g)});
  const auto part = [&](auto& tensor, Index i) { return tensor.view().matrix().columns(i * channels, channels); };
  const auto forward = [&] {
    ops::attention_forward<float>(context, g, part(qkv, 0), part(qkv, 1), part(qkv, 2), pad, table, table,
                                  out.view().matrix(), lse.view());
  };
  forward();
  for (auto _ : state) {
    if (!backward) {
      forward();
    } else {
      ops::attention_backward<float>(context, g, part(qkv, 0), part(qkv, 1), part(qkv, 2), pad, table, table,
                                     out.view().matrix(), lse, dout.view().matrix(), part(dqkv, 0), part(dqkv, 1),
                                     part(dqkv, 2), {}, {}, {});
    }
  }
  const Index windows = window > 0 ? ((grid + window - 1) / window) * ((grid + window - 1) / window) : 1;
  count_macs(state, (backward ? 5 : 2) * windows * extent * extent * extent * extent * channels);
}

void layer_norm(benchmark::State& state) {
  Context<Cpu> context;
  const auto x = filled({4096, 768}), weight = filled({768}), bias = filled({768});
  Tensor<float, Cpu> y({4096, 768}), mean({4096}), rstd({4096});
  for (auto _ : state) {
    ops::layer_norm_forward<float>(context, x, weight, bias, 1e-6f, y.view(), mean.view(), rstd.view());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * 2 * 4096 * 768 * 4);
}

void gelu(benchmark::State& state) {
  Context<Cpu> context;
  const auto x = filled({4096, 3072});
  Tensor<float, Cpu> y({4096, 3072});
  for (auto _ : state) ops::gelu_forward<float>(context, x, y.view());
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * 2 * 4096 * 3072 * 4);
}

BENCHMARK(gemm)
    ->Args({4096, 2304, 768})
    ->Args({4096, 3072, 768})
    ->Args({4096, 768, 3072})
    ->Args({256, 768, 768})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(attention)
    ->ArgNames({"grid", "window", "backward"})
    ->Args({64, 0, 0})
    ->Args({64, 0, 1})
    ->Args({64, 14, 0})
    ->Args({64, 14, 1})
    ->Args({16, 14, 0})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(layer_norm)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(gelu)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
