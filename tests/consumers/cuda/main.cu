// A user's program for both devices: the same S-SAM training on the host and on the GPU, and embeddings in every
// precision. Without a GPU it ends with ssam's own error and exit code 1.

#include <cmath>
#include <cstdio>
#include <ssam/ssam.hpp>

using namespace ssam;

namespace {

using Recipe = recipes::SSam<Rule::release>;
static_assert(parameter_count<Recipe>(vit_b(256)).trained == 444'672);

constexpr SamConfig small_sam() {
  SamConfig config = vit_b(32);
  config.embed_dim = config.out_channels = 16;
  config.depth = config.heads = config.decoder_heads = 1;
  config.decoder_mlp = config.iou_hidden = 16;
  config.mask_channels = config.text_dim = 8;
  return config;
}

std::vector<float> wave(Index size) {
  std::vector<float> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(0.37f * static_cast<float>(i));
  return values;
}

/// Losses of three training steps.
template <class Device>
std::vector<double> train() {
  Context<Device> context;
  SsamModel<float, Device, Recipe> model(small_sam());
  randomize(model, Random(1));
  prepare(context, model);
  context.training = true;
  context.dropout = false;
  const Tensor<float, Device> images(Shape{2, 32, 32, 3}, wave(2 * 32 * 32 * 3)), text(Shape{2, 8}, wave(16));
  std::vector<float> inside = wave(2 * 32 * 32);
  for (float& value : inside) value = value > 0 ? 1.0f : 0.0f;
  const Tensor<float, Device> masks(Shape{2, 32, 32}, inside);
  AdamW<float, Device> optimizer({.lr = 1e-3});
  Tensor<double, Device> loss(Shape{1});
  typename decltype(model)::Record record;
  std::vector<double> losses;
  for (int step = 0; step < 3; ++step) {
    WorkspaceScope<Device> scope(context);
    const auto probability = model.forward(context, images, text, record);
    const auto gradient = allocate<float>(context, probability.shape());
    ops::fill<double>(context, loss.view(), 0);
    ops::mask_loss<float>(context, probability, masks, {}, gradient, 1, loss.view());
    model.backward(context, record, gradient);
    optimizer.step(context, model);
    losses.emplace_back();
    ops::download<double>(context, loss, &losses.back());
  }
  return losses;
}

template <class Device>
std::vector<float> embed() {
  Context<Device> context;
  SsamModel<float, Device, recipes::ZeroShot> model(small_sam());
  randomize(model, Random(1));
  const Tensor<float, Device> image(Shape{1, 32, 32, 3}, wave(32 * 32 * 3));
  const auto embedding = model.sam.encode(context, image);
  std::vector<float> values(static_cast<std::size_t>(embedding.size()));
  ops::download<float>(context, embedding, values.data());
  return values;
}

/// Largest difference, relative to the largest expected magnitude.
template <class S>
double difference(const std::vector<S>& found, const std::vector<S>& expected) {
  double error = 0, magnitude = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double off = std::abs(static_cast<double>(found[i]) - static_cast<double>(expected[i]));
    if (!(off <= error)) error = off;  // NaN counts
    magnitude = std::max(magnitude, std::abs(static_cast<double>(expected[i])));
  }
  return error / magnitude;
}

bool agree(const char* what, double difference, double tolerance) {
  std::printf("%s: differs from the host by %.1e (allowed: %.0e)\n", what, difference, tolerance);
  return difference <= tolerance;
}

}  // namespace

int main() try {
  const auto losses = train<Cuda>(), expected = train<Cpu>();
  for (std::size_t i = 0; i < losses.size(); ++i) {
    std::printf("step %zu: loss %.6f on the GPU, %.6f on the host\n", i + 1, losses[i], expected[i]);
  }
  const auto embedding = embed<Cpu>();
  const bool same = agree("losses", difference(losses, expected), 1e-4) &
                    agree("embedding", difference(embed<Cuda>(), embedding), 1e-4) &
                    agree("embedding in TF32", difference(embed<CudaTf32>(), embedding), 2e-2) &
                    agree("embedding in bfloat16", difference(embed<CudaBf16>(), embedding), 1e-1);
  return same ? 0 : 2;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
