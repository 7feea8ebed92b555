// bench_ops: every op that a ViT-B spends its time in, at its own shapes: one image of 256 px (256 tokens) or 1024 px
// (4096 tokens). Beside the time stand the operations and bytes per second that the op needs at least, and which part
// that is of what the processor does in the same run: of its FMA rate, and of memory's (triad) for what lies in memory;
// what fits into a cache may pass 100%. SSAM_THREADS sets the threads. Softmax is a part of attention here.
#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ssam/adapt/lora_linear.hpp>
#include <ssam/ops/cpu/provider.hpp>
#include <ssam/sam/parameter_count.hpp>

#include "jobs.hpp"
#include "rates.hpp"

namespace {

using namespace ssam;
using bench::count;

struct Machine {
  double fma = 0, triad = 0;
} machine;

/// What an op must do at least: operations (two per multiply-add), bytes read and written.
struct Cost {
  double flops = 0, bytes = 0;
};

template <class Device>
auto matrix(Index rows, Index cols) {
  return bench::filled<Device>({rows, cols}, -1, 1);
}
constexpr double floats(double elements) { return 4 * elements; }

/// Times what make(context) returns, a function of the context; it is called when the benchmark runs.
template <class Device, class Make>
void time_op(benchmark::State& state, const Cost& cost, const Make& make) {
  Context<Device> context;
  context.training = true;
  auto run = make(context);
  const auto begin = std::chrono::steady_clock::now();
  for (auto _ : state) {
    WorkspaceScope<Device> scope(context);
    run(context);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const double per_second = static_cast<double>(state.iterations()) / seconds.count();
  if (cost.flops > 0) {
    state.counters["GFLOP/s"] = cost.flops * per_second * 1e-9;
    state.counters["%fma"] = 100 * cost.flops * per_second / machine.fma;
  }
  state.counters["MB"] = cost.bytes * 1e-6;
  state.counters["GB/s"] = cost.bytes * per_second * 1e-9;
  state.counters["%triad"] = 100 * cost.bytes * per_second / machine.triad;
}
template <class Device, class Make>
void add(const std::string& name, const Cost& cost, const Make& make) {
  const auto time = [=](benchmark::State& state) { time_op<Device>(state, cost, make); };
  benchmark::RegisterBenchmark(name.c_str(), time)->UseRealTime()->Unit(benchmark::kMillisecond);
}

/// Times job->forward(context) and job->backward(context) of the job that make() returns.
template <class Device, class Make>
void add_both(const std::string& name, const Cost& forward, const Cost& backward, const Make& make) {
  add<Device>(name + "/forward", forward,
              [=](Context<Device>&) { return [job = make()](Context<Device>& context) { job->forward(context); }; });
  add<Device>(name + "/backward", backward, [=](Context<Device>& context) {
    auto job = make();
    job->forward(context);  // what it leaves in the workspace stays there
    return [job](Context<Device>& with) { job->backward(with); };
  });
}

/// A layer [out, in] on `rows` tokens.
template <class Device, class Layer>
struct LayerJob {
  LayerJob(Index rows, Index out, Index in)
      : layer(Shape{out, in}), x(matrix<Device>(rows, in)), y(matrix<Device>(rows, out)), dx({rows, in}) {
    layer.weight.value = matrix<Device>(out, in);
    Random random(1);
    if constexpr (InitializedLayer<Layer>) layer.initialize(random);
    if constexpr (requires { requires Layer::stores_rounded; }) {
      Context<Device> context;
      layer.prepare(context);
    }
  }
  void forward(Context<Device>& context) { layer.forward(context, x.view().matrix(), y.view().matrix(), record); }
  void backward(Context<Device>& context) { layer.backward(context, record, y.view().matrix(), dx.view().matrix()); }

  Layer layer;
  typename Layer::Record record;
  Tensor<float, Device> x, y, dx;
};

template <class Device>
void add_linear(const std::string& device, Index rows, const char* name, Index out, Index in) {
  const double n = count(rows), m = count(out), k = count(in), r = std::min(m, k), product = n * m * k;
  const auto cost = [&](double macs) { return Cost{2 * macs, floats(n * (m + k) + m * k)}; };
  const auto title = [&](const char* layer) {
    return device + "/" + layer + "/" + name + "/" + std::to_string(rows) + "x" + std::to_string(out) + "x" +
           std::to_string(in);
  };
  const auto layer = [&]<class Layer>(const char* kind, std::type_identity<Layer>, double forward, double backward) {
    add_both<Device>(title(kind), cost(forward), cost(backward),
                     [=] { return std::make_shared<LayerJob<Device, Layer>>(rows, out, in); });
  };
  layer("frozen", std::type_identity<Linear<float, Device, Frozen, Frozen>>(), product, product);
  layer("trained", std::type_identity<Linear<float, Device, Trained, Trained>>(), product, 2 * product);
  const double low_rank = 4 * n * (m + k);
  layer("LoRA<4>", std::type_identity<LoRALinear<float, Device, 4>>(), product + low_rank, product + 2 * low_rank);
  using Svd = SVDLinear<float, Device>;
  const auto svd = [&](const char* kind, typename Svd::Form form, double forward, double backward) {
    add_both<Device>(title(kind), cost(forward), cost(backward), [=] {
      auto job = std::make_shared<LayerJob<Device, Svd>>(rows, out, in);
      Context<Device> context;
      bench::draw_factors(context, job->layer);
      job->layer.form = form;
      return job;
    });
  };
  svd("SVD factored", Svd::Form::factored, n * r * (m + k), n * r * (m + k));
  svd("SVD merged", Svd::Form::merged, product + r * m * k, 2 * product + r * m * k);
}

template <class Device>
void add_elementwise(const std::string& device, Index rows) {
  const auto title = [&](const char* name) { return device + "/" + name + "/" + std::to_string(rows); };
  const double narrow = floats(count(rows) * 768), wide = 4 * narrow;
  using Tensors = std::array<Tensor<float, Device>, 6>;
  // f(context, three matrices [rows, cols], two rows [cols] or [rows], a fourth matrix)
  const auto over = [&](const char* name, double bytes, Index cols, auto f) {
    add<Device>(title(name), {0, bytes}, [=](Context<Device>&) {
      return [f, cols,
              t = Tensors{matrix<Device>(rows, cols), matrix<Device>(rows, cols), matrix<Device>(rows, cols),
                          matrix<Device>(1, std::max(rows, cols)), matrix<Device>(1, std::max(rows, cols)),
                          matrix<Device>(1, cols)}](Context<Device>& context) mutable { f(context, t); };
    });
  };
  const auto of_rows = [rows](Tensor<float, Device>& values) {
    return TensorView<float, Device>{values.data(), Shape{rows}};
  };
  const auto of_cols = [](Tensor<float, Device>& values, Index cols) {
    return TensorView<float, Device>{values.data(), Shape{cols}};
  };
  over("layer norm/forward", 2 * narrow, 768, [=](Context<Device>& context, Tensors& t) {
    const auto weight = of_cols(t[5], 768);
    ops::layer_norm_forward<float>(context, t[0], weight, weight, 1e-6f, t[1].view(), of_rows(t[3]), of_rows(t[4]));
  });
  over("layer norm/backward of frozen", 3 * narrow, 768, [=](Context<Device>& context, Tensors& t) {
    ops::layer_norm_backward<float>(context, t[0], of_cols(t[5], 768), of_rows(t[3]), of_rows(t[4]), t[1], t[2].view(),
                                    {}, {});
  });
  over("layer norm/backward of trained", 3 * narrow, 768, [=](Context<Device>& context, Tensors& t) {
    const auto sums = of_cols(t[5], 768);
    ops::layer_norm_backward<float>(context, t[0], sums, of_rows(t[3]), of_rows(t[4]), t[1], t[2].view(), sums, {});
  });
  over("GELU/forward", 2 * wide, 3072,
       [](Context<Device>& context, Tensors& t) { ops::gelu_forward<float>(context, t[0], t[1].view()); });
  over("GELU/backward", 3 * wide, 3072,
       [](Context<Device>& context, Tensors& t) { ops::gelu_backward<float>(context, t[0], t[1], t[2].view()); });
  over("residual add", 3 * narrow, 768,
       [](Context<Device>& context, Tensors& t) { ops::accumulate<float>(context, t[0], t[1].view()); });
  over("bias add", 2 * wide, 3072, [=](Context<Device>& context, Tensors& t) {
    ops::add_row<float>(context, of_cols(t[5], 3072), t[0].view().matrix());
  });
}

template <class Device>
void add_attention(const std::string& device, Index side) {
  for (const Index window : {Index{14}, Index{0}}) {
    const bench::EncoderAttention<Device> like(1, side, window);
    add_both<Device>(device + "/attention " + (window > 0 ? "in windows/" : "global/") + std::to_string(side * side),
                     {like.flops_forward(), like.bytes_forward()}, {like.flops_backward(), like.bytes_backward()},
                     [=] { return std::make_shared<bench::EncoderAttention<Device>>(1, side, window); });
  }
}

/// A convolution or its like, from x to y.
template <class Device, class Layer>
struct MapJob {
  MapJob(Layer&& made, const Shape& from, const Shape& to)
      : layer(std::move(made)), x(bench::filled<Device>(from, -1, 1)), y(bench::filled<Device>(to, -1, 1)), dx(from) {}
  void forward(Context<Device>& context) { layer.forward(context, x, y.view(), record); }
  void backward(Context<Device>& context) { layer.backward(context, record, y, dx.view()); }

  Layer layer;
  typename Layer::Record record;
  Tensor<float, Device> x, y, dx;
};

template <class Device>
void add_maps(const std::string& device, Index side) {
  using Conv = Convolution<float, Device, Linear<float, Device, Frozen, Absent>>;
  using Doubling = ConvTranspose2x2<float, Device>;
  const auto map = [&]<class Layer>(const char* name, const Layer&, auto make, const Shape& from, const Shape& to,
                                    double macs) {
    const Cost cost{2 * macs, floats(count(from.elements() + to.elements()))};
    add_both<Device>(device + "/" + name + "/" + std::to_string(side * side), cost, cost,
                     [=] { return std::make_shared<MapJob<Device, Layer>>(make(), from, to); });
  };
  const double n = count(side * side);
  map(
      "patch embedding", Conv(), [] { return Conv(3, 768, 16, 16, 0); }, {1, 16 * side, 16 * side, 3},
      {1, side, side, 768}, n * 768 * 768);
  map(
      "neck 1x1", Conv(), [] { return Conv(768, 256, 1, 1, 0); }, {1, side, side, 768}, {1, side, side, 256},
      n * 768 * 256);
  map(
      "neck 3x3", Conv(), [] { return Conv(256, 256, 3, 1, 1); }, {1, side, side, 256}, {1, side, side, 256},
      n * 9 * 256 * 256);
  map(
      "decoder doubling 1", Doubling(), [] { return Doubling(256, 64); }, {1, side, side, 256},
      {1, 2 * side, 2 * side, 64}, n * 256 * 256);
  map(
      "decoder doubling 2", Doubling(), [] { return Doubling(64, 32); }, {1, 2 * side, 2 * side, 64},
      {1, 4 * side, 4 * side, 32}, 4 * n * 64 * 128);
  add<Device>(device + "/im2col 3x3/" + std::to_string(side * side), {0, floats(n * 256 * 10)}, [=](Context<Device>&) {
    return [side, x = bench::filled<Device>({1, side, side, 256}, -1, 1),
            y = Tensor<float, Device>({side * side, 9 * 256})](Context<Device>& context) mutable {
      ops::im2col<float>(context, x, 3, 1, 1, y.view().matrix());
    };
  });
}

/// An attention of the decoder: 8 heads of 16 channels between 6 tokens and the image.
template <class Device>
struct DecoderAttention {
  DecoderAttention(Index queries, Index keys)
      : geometry{.batch = 1, .heads = 8, .head_dim = 16, .queries = queries, .keys = keys},
        q(matrix<Device>(queries, 128)),
        k(matrix<Device>(keys, 128)),
        v(matrix<Device>(keys, 128)),
        out({queries, 128}),
        dq({queries, 128}),
        dk({keys, 128}),
        dv({keys, 128}),
        lse({ops::attention_lse_size(geometry)}) {}
  void forward(Context<Device>& context) {
    ops::attention_forward<float>(context, geometry, q.view().matrix(), k.view().matrix(), v.view().matrix(), {}, {},
                                  {}, out.view().matrix(), lse.view());
  }
  void backward(Context<Device>& context) {
    const auto queries = q.view().matrix();  // as the answer's gradient, too
    ops::attention_backward<float>(context, geometry, queries, k.view().matrix(), v.view().matrix(), {}, {}, {},
                                   out.view().matrix(), lse, queries, dq.view().matrix(), dk.view().matrix(),
                                   dv.view().matrix(), {}, {}, {});
  }

  ops::AttentionGeometry geometry;
  Tensor<float, Device> q, k, v, out, dq, dk, dv, lse;
};

/// The whole mask decoder for one label.
template <class Device>
struct DecoderJob {
  using Decoder = MaskDecoder<float, Device, recipes::SSam<Rule::paper>>;
  explicit DecoderJob(Index size)
      : decoder(vit_b(size)),
        embedding(bench::filled<Device>({1, size / 16, size / 16, 256}, -1, 1)),
        positions(matrix<Device>(size / 16 * (size / 16), 256)),
        token(bench::filled<Device>({1, 1, 256}, -1, 1)),
        dense(bench::filled<Device>({256}, -1, 1)),
        dmask(bench::filled<Device>({1, size / 4, size / 4}, -1, 1)),
        dembedding(embedding.shape()),
        dtoken({1, 1, 256}) {
    randomize(decoder, Random(1));
  }
  void forward(Context<Device>& context) { decoder.forward(context, embedding, positions, token, dense, record); }
  void backward(Context<Device>& context) {
    decoder.backward(context, record, dmask, dembedding.view(), dtoken.view());
  }

  Decoder decoder;
  typename Decoder::Record record;
  Tensor<float, Device> embedding, positions, token, dense, dmask, dembedding, dtoken;
};

template <class Device>
void add_decoder(const std::string& device, Index side) {
  const Index n = side * side;
  const auto attention = [&](const char* name, Index queries, Index keys) {
    const double products = 2 * count(queries) * count(keys) * 128;
    const double bytes = floats(2 * 128 * count(queries + keys));
    add_both<Device>(device + "/decoder attention, " + name + "/" + std::to_string(n), {2 * products, bytes},
                     {5 * products, 2 * bytes},
                     [=] { return std::make_shared<DecoderAttention<Device>>(queries, keys); });
  };
  attention("tokens to image", 6, n);
  attention("image to tokens", n, 6);
  const auto flops = bench::step_flops(vit_b(16 * side), bench::Method::ssam, 1, 1).decoder / 2;
  const Cost cost{flops, floats(count(n) * (256 + 16))};
  add_both<Device>(device + "/mask decoder/" + std::to_string(n), cost, cost,
                   [=] { return std::make_shared<DecoderJob<Device>>(16 * side); });
}

template <class Device>
void add_loss(const std::string& device, Index size) {
  const double bytes = floats(count(size * size));
  const auto title = [&](const char* name) { return device + "/" + name + "/" + std::to_string(size) + "px"; };
  const auto map = [=](Index side) { return bench::filled<Device>({1, side, side, 1}, 0.01, 0.99); };
  const auto over = [&](const char* name, double passes, auto f) {
    add<Device>(title(name), {0, passes * bytes}, [=](Context<Device>&) {
      return [f, small = map(size / 4), p = map(size), t = map(size), dp = map(size),
              loss = Tensor<double, Device>(Shape{1})](Context<Device>& context) mutable {
        f(context, small, p, t, dp, loss);
      };
    });
  };
  using Map = Tensor<float, Device>;
  using Loss = Tensor<double, Device>;
  over("resize/forward", 17.0 / 16, [](Context<Device>& context, Map& small, Map& p, Map&, Map&, Loss&) {
    ops::resize_bilinear_forward<float>(context, small, p.view());
  });
  over("resize/backward", 17.0 / 16, [](Context<Device>& context, Map& small, Map& p, Map&, Map&, Loss&) {
    ops::resize_bilinear_backward<float>(context, p, small.view());
  });
  over("sigmoid/forward", 2, [](Context<Device>& context, Map&, Map& p, Map&, Map& dp, Loss&) {
    ops::sigmoid_forward<float>(context, p, dp.view());
  });
  over("sigmoid/backward", 3, [](Context<Device>& context, Map&, Map& p, Map& t, Map& dp, Loss&) {
    ops::sigmoid_backward<float>(context, p, t, dp.view());
  });
  over("mask loss", 3, [](Context<Device>& context, Map&, Map& p, Map& t, Map& dp, Loss& loss) {
    ops::mask_loss<float>(context, p, t, {}, dp.view(), 1, loss.view());
  });
}

template <class Device>
void add_adamw(const std::string& device, const char* name, Index size) {
  add<Device>(device + "/AdamW/" + name, {0, floats(9 * count(size))}, [=](Context<Device>&) {
    return [size,
            t = std::array{matrix<Device>(1, size), matrix<Device>(1, size), Tensor<float, Device>({size}),
                           Tensor<float, Device>({size})},
            square = Tensor<double, Device>(Shape{1})](Context<Device>& context) mutable {
      using Entry = ops::AdamWTensor<float>;
      const Tensor<Entry, Device> table(
          Shape{1},
          {Entry{.value = t[0].data(), .grad = t[1].data(), .m = t[2].data(), .v = t[3].data(), .size = size}});
      ops::squared_norm<float>(context, table, ops::adamw_chunks(size), square.view());
      ops::adamw_step<float>(context, table, ops::adamw_chunks(size), {}, 0, square);
    };
  });
}

/// All ops of a device, under its name.
template <class Device>
void add_all(const std::string& device) {
  for (const Index side : {16, 64}) {
    const Index rows = side * side;
    add_linear<Device>(device, rows, "qkv", 2304, 768);
    add_linear<Device>(device, rows, "proj", 768, 768);
    add_linear<Device>(device, rows, "lin1", 3072, 768);
    add_linear<Device>(device, rows, "lin2", 768, 3072);
    add_attention<Device>(device, side);
    add_elementwise<Device>(device, rows);
    add_maps<Device>(device, side);
    add_decoder<Device>(device, side);
    add_loss<Device>(device, 16 * side);
  }
  add_adamw<Device>(device, "S-SAM", parameter_count<recipes::SSam<Rule::paper>>(vit_b(256)).trained);
  add_adamw<Device>(device, "everything", parameter_count<recipes::FullFineTuning<Rule::paper>>(vit_b(256)).trained);
}

}  // namespace

int main(int argc, char** argv) try {
  add_all<Cpu>("cpu");
  if (has_bf16_instructions()) add_all<CpuBf16>("cpu_bf16");  // of which %fma may be 200
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  Context<Cpu> context;
  machine.fma = bench::fma_rate(context);
  const bench::Bandwidth memory = bench::bandwidth(context);
  machine.triad = memory.triad;
  const auto say = [](const char* name, double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value * 1e-9);
    benchmark::AddCustomContext(name, text);
  };
  say("fma_gflops", machine.fma);
  say("read_gb_per_s", memory.read);
  say("write_gb_per_s", memory.write);
  say("triad_gb_per_s", memory.triad);
  benchmark::AddCustomContext("threads", std::to_string(context.threads()));
  benchmark::AddCustomContext("matrix_products", ops::matrix_provider());
  benchmark::RunSpecifiedBenchmarks();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
