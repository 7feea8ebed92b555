#include <doctest/doctest.h>

#include <cmath>
#include <ssam/data/memory_samples.hpp>
#include <ssam/nets/u_net.hpp>
#include <ssam/train/trainer.hpp>

#include "../data/files.hpp"

using namespace ssam;

namespace {

MemorySamples noise(int images, std::uint64_t seed) {
  MemorySamples samples({"A", "B"}, 16);
  Random random(seed);
  for (int i = 0; i < images; ++i) {
    Image image(16, 16);
    Mask a(16, 16), b(16, 16);
    for (auto& value : image.rgb) value = static_cast<std::uint8_t>(random.below(256));
    for (Index p = 0; p < 16 * 16; ++p) {
      a.values[static_cast<std::size_t>(p)] = image.rgb[static_cast<std::size_t>(3 * p)] > 128 ? 1 : 0;
      b.values[static_cast<std::size_t>(p)] = p % 16 < 8 ? 1 : 0;
    }
    samples.add(image, {a, b});
  }
  return samples;
}

/// Trains two epochs on a device; the losses of training and validation.
template <class Device>
std::pair<double, double> losses(const std::filesystem::path& out) {
  UNet<float, Device> model(UNetConfig{.image_size = 16, .labels = 2, .width = 2});
  Random random(3);
  model.initialize(random);
  Context<Device> context(2);
  const MemorySamples data = noise(4, 1), validation = noise(2, 2);
  TrainRun<MemorySamples> run{.validation = &validation, .out = out};
  run.options.epochs = 2;
  run.options.batch = 4;
  run.options.lr = 1e-3;
  const TrainResult result = train(context, model, data, run);
  load_adapter(model, out / "best");
  CHECK(evaluate(context, model, validation).loss() == result.best_loss);
  return {result.train_loss, result.best_loss};
}

}  // namespace

TEST_CASE("a U-Net is trained on the GPU as on the host, and its adapter goes from one to the other") {
  const test::Folder folder;
  const auto host = losses<Cpu>(folder / "host"), gpu = losses<Cuda>(folder / "gpu");
  CHECK(std::abs(gpu.first - host.first) < 1e-4 * host.first);
  CHECK(std::abs(gpu.second - host.second) < 1e-4 * host.second);
  UNet<float, Cpu> model(UNetConfig{.image_size = 16, .labels = 2, .width = 2});
  load_adapter(model, folder / "gpu" / "best");
  Context<Cpu> context(1);
  CHECK(std::abs(evaluate(context, model, noise(2, 2)).loss() - gpu.second) < 1e-4 * gpu.second);
}
