// The two jobs of a user on an NVIDIA GPU, SAM ViT-B with random weights, and the ops that are bound by memory or by
// our own attention. Compiled once per precision: SSAM_BENCH_DEVICE.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <ssam/sam/state.hpp>
#include <ssam/train/adamw.hpp>

#include "cuda.hpp"

namespace bench {

using namespace ssam;

namespace {

constexpr double count(Index n) { return static_cast<double>(n); }

template <class Device>
Tensor<float, Device> filled(const Shape& shape, double low, double high) {
  Random random(static_cast<std::uint64_t>(shape.elements()));
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (float& value : values) value = static_cast<float>(random.uniform(low, high));
  return Tensor<float, Device>(shape, values);
}

/// Milliseconds of f(), the median of `steps` calls after three.
template <class Device, class F>
double median_time(Context<Device>& context, int steps, const F& f) {
  cudaEvent_t begin = nullptr, end = nullptr;
  detail::check_cuda(cudaEventCreate(&begin), "cudaEventCreate");
  detail::check_cuda(cudaEventCreate(&end), "cudaEventCreate");
  std::vector<float> times;
  for (int step = -3; step < steps; ++step) {
    detail::check_cuda(cudaEventRecord(begin, context.stream()), "cudaEventRecord");
    f();
    detail::check_cuda(cudaEventRecord(end, context.stream()), "cudaEventRecord");
    context.synchronize();
    float milliseconds = 0;
    detail::check_cuda(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
    if (step >= 0) times.push_back(milliseconds);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::sort(times.begin(), times.end());
  return static_cast<double>(times[times.size() / 2]);
}

double free_memory() {
  std::size_t free = 0, total = 0;
  detail::check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return static_cast<double>(free);
}

template <class Device>
CardRates card_rates(int steps) {
  constexpr bool bf16 = Device::precision == MatmulPrecision::bf16;
  constexpr cudaDataType_t operand = bf16 ? CUDA_R_16BF : CUDA_R_32F;
  constexpr cublasComputeType_t compute =
      Device::precision == MatmulPrecision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  constexpr int side = 8192;
  Context<Device> context;
  const Shape shape{side, side};
  // Also read as pairs of bfloat16: the upper halves are the numbers', the lower ones are made to be.
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  std::uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    const std::uint32_t half = 0x3f00u + (state >> 25), bits = half << 16 | half;
    std::memcpy(&value, &bits, sizeof(value));
  }
  const Tensor<float, Device> a(shape, values), b(shape, values);
  Tensor<float, Device> c(shape);
  const float one = 1, zero = 0;
  const double product = median_time(context, steps, [&] {
    detail::check_cublas(
        cublasGemmEx(context.blas(), CUBLAS_OP_T, CUBLAS_OP_N, side, side, side, &one, a.data(), operand, side,
                     b.data(), operand, side, &zero, c.data(), CUDA_R_32F, side, compute, CUBLAS_GEMM_DEFAULT),
        "a matrix product");
  });
  const std::size_t bytes = values.size() * sizeof(float);
  const double copy = median_time(context, steps, [&] {
    detail::check_cuda(cudaMemcpyAsync(c.data(), a.data(), bytes, cudaMemcpyDeviceToDevice, context.stream()), "copy");
  });
  return {2.0 * side * side * side / (product * 1e-3), 2.0 * static_cast<double>(bytes) / (copy * 1e-3)};
}

/// Operations of the image encoder per image, forward.
double encoder_flops(const SamConfig& config) {
  const double grid = count(config.grid()), tokens = grid * grid, channels = count(config.embed_dim);
  const double patch = count(config.patch_size * config.patch_size * 3), out = count(config.out_channels);
  double macs = tokens * patch * channels + tokens * out * (channels + 9 * out);
  for (Index block = 0; block < config.depth; ++block) {
    const Index windows = config.is_global(block) ? 1 : (config.grid() + config.window - 1) / config.window;
    const double side = config.is_global(block) ? grid : count(config.window);
    macs += tokens * 12 * channels * channels;
    macs += count(windows * windows) * side * side * channels * (2 * side * side + 2 * side);
  }
  return 2 * macs;
}

template <class Device>
Measurement embed(Index size, Index batch, int steps) {
  const double free = free_memory();
  Context<Device> context;
  TextPromptedSam<float, Device, recipes::ZeroShot> model(vit_b(size));
  randomize(model, Random(1));
  const auto images = filled<Device>({batch, size, size, 3}, -2, 2);
  const double time = median_time(context, steps, [&] {
    WorkspaceScope<Device> scope(context);
    model.sam.encode(context, images);
  });
  return {"embed " + std::to_string(size) + " batch " + std::to_string(batch), time, free - free_memory(),
          count(batch) * encoder_flops(vit_b(size))};
}

/// Counted as three forward passes of the encoder, less the gradients of its frozen weights: two.
template <class Device>
Measurement train(Index size, Index batch, int steps) {
  const double free = free_memory();
  Context<Device> context;
  TextPromptedSam<float, Device, recipes::SSam<Rule::paper>> model(vit_b(size));
  randomize(model, Random(1));
  prepare(context, model);
  const auto images = filled<Device>({batch, size, size, 3}, -2, 2), text = filled<Device>({batch, 512}, -1, 1);
  auto inside = filled<Cpu>({batch, size, size}, 0, 1);
  for (Index i = 0; i < inside.size(); ++i) inside.data()[i] = inside.data()[i] > 0.5f ? 1.0f : 0.0f;
  const Tensor<float, Device> masks(inside.shape(), inside.to_host());
  AdamW<float, Device> optimizer;
  Tensor<double, Device> loss(Shape{1});
  context.training = true;
  typename decltype(model)::Record record;
  const double time = median_time(context, steps, [&] {
    WorkspaceScope<Device> scope(context);
    const auto probability = model.forward(context, images, text, record);
    const auto dprobability = allocate<float>(context, probability.shape());
    ops::mask_loss<float>(context, probability, masks, {}, dprobability, 1, loss.view());
    model.backward(context, record, dprobability);
    optimizer.step(context, model);
  });
  return {"S-SAM step " + std::to_string(size) + " batch " + std::to_string(batch), time, free - free_memory(),
          2 * count(batch) * encoder_flops(vit_b(size))};
}

/// `relative`: with relative positions.
template <class Device>
Measurement attention(Index window, bool relative, bool backward, int steps) {
  Context<Device> context;
  const Index side = 64, heads = 12, dim = 64, channels = heads * dim, tokens = side * side;
  const Index extent = window > 0 ? window : side, windows = (side + extent - 1) / extent;
  const ops::AttentionGeometry g{.batch = 1,
                                 .heads = heads,
                                 .head_dim = dim,
                                 .queries = tokens,
                                 .keys = tokens,
                                 .grid_h = side,
                                 .grid_w = side,
                                 .window = window};
  auto qkv = filled<Device>({tokens, 3 * channels}, -1, 1);
  const auto pad = filled<Device>({3 * channels}, -1, 1), table = filled<Device>({2 * extent - 1, dim}, -1, 1);
  const auto dout = filled<Device>({tokens, channels}, -1, 1);
  const TensorView<const float, Device> positions = relative ? table.view() : TensorView<const float, Device>{};
  Tensor<float, Device> out({tokens, channels}), dqkv({tokens, 3 * channels}), lse({ops::attention_lse_size(g)});
  const auto part = [&](auto& tensor, Index i) { return tensor.view().matrix().columns(i * channels, channels); };
  const auto forward = [&] {
    ops::attention_forward<float>(context, g, part(qkv, 0), part(qkv, 1), part(qkv, 2), pad, positions, positions,
                                  out.view().matrix(), lse.view());
  };
  forward();
  const double time = median_time(context, steps, [&] {
    if (!backward) return forward();
    ops::attention_backward<float>(context, g, part(qkv, 0), part(qkv, 1), part(qkv, 2), pad, positions, positions,
                                   out.view().matrix(), lse, dout.view().matrix(), part(dqkv, 0), part(dqkv, 1),
                                   part(dqkv, 2), {}, {}, {});
  });
  const double products = backward ? 5 : 2, matrices = backward ? 8 : 4;
  const std::string where = std::string(window > 0 ? "in windows" : "global") + (relative ? "" : ", no positions");
  return {"attention " + where + (backward ? ", backward" : ""), time,
          matrices * count(tokens * channels) * sizeof(float),
          2 * products * count(windows * windows) * count(extent * extent) * count(extent * extent) * count(channels)};
}

template <class Device>
std::vector<Measurement> single_ops(int steps) {
  Context<Device> context;
  const Shape shape{32768, 768};
  const double bytes = count(shape.elements()) * sizeof(float);
  const auto x = filled<Device>(shape, -1, 1), weight = filled<Device>({768}, 0, 1), bias = filled<Device>({768}, 0, 1);
  Tensor<float, Device> y(shape), mean({shape[0]}), rstd({shape[0]});
  std::vector<Measurement> results;
  const auto add = [&](const char* name, double passes, const auto& f) {
    results.push_back({name, median_time(context, steps, f), passes * bytes, 0});
  };
  add("layer norm", 2,
      [&] { ops::layer_norm_forward<float>(context, x, weight, bias, 1e-6f, y.view(), mean.view(), rstd.view()); });
  add("layer norm backward (input)", 3,
      [&] { ops::layer_norm_backward<float>(context, x, weight, mean, rstd, y, y.view(), {}, {}); });
  add("GELU", 2, [&] { ops::gelu_forward<float>(context, x, y.view()); });
  add("GELU backward", 3, [&] { ops::gelu_backward<float>(context, x, y, y.view()); });
  return results;
}

}  // namespace

template <class Device>
PrecisionResult measure(int steps) {
  PrecisionResult result;
  result.card = card_rates<Device>(steps);
  result.jobs.push_back(embed<Device>(1024, 1, steps));
  result.jobs.push_back(embed<Device>(1024, 8, steps));
  result.jobs.push_back(train<Device>(256, 32, steps));
  result.jobs.push_back(train<Device>(1024, 4, steps));
  for (const bool backward : {false, true}) {
    result.ops.push_back(attention<Device>(0, true, backward, steps));
    result.ops.push_back(attention<Device>(0, false, backward, steps));
    result.ops.push_back(attention<Device>(14, true, backward, steps));
  }
  if constexpr (Device::precision == MatmulPrecision::fp32) {  // these multiply no matrices
    const auto more = single_ops<Device>(steps);
    result.ops.insert(result.ops.end(), more.begin(), more.end());
  }
  return result;
}

template PrecisionResult measure<SSAM_BENCH_DEVICE>(int steps);

}  // namespace bench
