// A user's program for both devices: the same S-SAM training on the host and on the GPU, and embeddings in every
// precision. Without a GPU it ends with ssam's own error and exit code 1.

#include <cstdio>

#include "training.hpp"

using namespace consumer;

namespace {

template <class Device>
std::vector<float> embed() {
  Context<Device> context;
  TextPromptedSam<float, Device, recipes::ZeroShot> model(small_sam());
  randomize(model, Random(1));
  const Tensor<float, Device> image(Shape{1, 32, 32, 3}, wave<float>(32 * 32 * 3));
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
  const auto losses = train<float, Cuda>(), expected = train<float, Cpu>();
  for (std::size_t i = 0; i < losses.size(); ++i) {
    std::printf("step %zu: loss %.6f on the GPU, %.6f on the host\n", i + 1, losses[i], expected[i]);
  }
  const auto embedding = embed<Cpu>();
  const bool same = agree("losses", difference(losses, expected), 1e-4) &
                    agree("losses in double", difference(train_in_double(true), train_in_double(false)), 1e-9) &
                    agree("embedding", difference(embed<Cuda>(), embedding), 1e-4) &
                    agree("embedding in TF32", difference(embed<CudaTf32>(), embedding), 2e-2) &
                    agree("embedding in bfloat16", difference(embed<CudaBf16>(), embedding), 1e-1);
  return same ? 0 : 2;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
