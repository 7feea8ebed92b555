#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <ssam/sam/prompt.hpp>
#include <ssam/train/trainer.hpp>

#include "../../examples/ssam_program/runner.hpp"
#include "../train/small_run.hpp"

/// What the tests of whole models on the GPU share.
namespace test {

/// A small run of a recipe, the same on every device.
struct DeviceRun : SmallRun<ssam::recipes::SSam<>> {
  std::string recipe = "ssam";
  ssam::StateDict base;

  explicit DeviceRun(const std::string& trained = "ssam", int images = 8) : SmallRun(images), recipe(trained) {
    const auto random = ssam::cli::find_recipe("zero_shot").make(ssam::Rule::paper, config, 1);
    random->randomize(7);
    base = random->plain_weights();
    options.epochs = 2;
    options.lr = 1e-3;
    options.clip_norm = 0.5;
  }

  /// The base weights in the recipe's model. `factors`: where its singular values are kept.
  std::unique_ptr<ssam::cli::Runner> start(ssam::cli::DeviceKind device, const std::string& factors = {}) const {
    auto runner = ssam::cli::find_recipe(recipe).make(ssam::Rule::paper, config, 2, device);
    load(*runner, factors.empty() ? std::string("factors of ") + to_string(device) : factors);
    return runner;
  }
  void load(ssam::cli::Runner& runner, const std::string& factors) const {
    runner.load(base, "base", 1);
    runner.prepare(folder / factors);
  }

  ssam::TrainResult train(ssam::cli::Runner& runner, const std::string& out, bool resume = false,
                          const std::function<void(const ssam::TrainProgress&)>& progress = nullptr) const {
    return runner.train(data, {.validation = &validation,
                               .features = features,
                               .options = options,
                               .out = folder / out,
                               .resume = resume,
                               .progress = progress});
  }
};

inline double relative(double found, double expected) { return std::abs(found - expected) / std::abs(expected); }

/// |a - b| / |b|
template <class S>
double difference(const std::vector<S>& a, const std::vector<S>& b) {
  REQUIRE(a.size() == b.size());
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    error += (x - y) * (x - y);
    norm += y * y;
  }
  return error == 0 ? 0 : std::sqrt(error / norm);
}

inline std::vector<float> random_input() {
  ssam::Random random(3);
  std::vector<float> values(32 * 32 * 3);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

/// A picture of noise, 48 x 64.
inline ssam::Image random_image() {
  ssam::Random random(3);
  ssam::Image image(48, 64);
  for (std::uint8_t& value : image.rgb) value = static_cast<std::uint8_t>(random.below(256));
  return image;
}

}  // namespace test
