#include <doctest/doctest.h>

#include "small_run.hpp"

using namespace ssam;

namespace {
/// Everything is trained but TAL, so that no batch norm ties the samples of a batch together.
struct WholeRecipe : recipes::FullFineTuning<> {
  using TextAffine = Frozen;
};
}  // namespace

TEST_CASE("training lowers the loss") {
  test::SmallRun<WholeRecipe> run;
  run.options.epochs = 8;
  run.options.lr = 3e-3;
  run.options.loss.dice_weight = 0;
  auto model = run.start();
  CHECK(run.run(model, "out").steps == 8 * 4);  // 10 samples: 3, 3, 3, 1
  const auto lines = test::metrics(run.folder / "out");
  const auto loss = [&](std::size_t line, const char* key) { return lines.at(line)[key].get<double>(); };
  CHECK(loss(7, "train_loss") < 0.85 * loss(0, "train_loss"));
  CHECK(loss(7, "val_loss") < 0.9 * loss(0, "val_loss"));
}

TEST_CASE("accumulating two batches is one step with the mean of their gradients, by samples") {
  // The focal part is a mean over pixels: alone it must give what one large batch gives.
  test::SmallRun<WholeRecipe> run;
  run.options.epochs = 1;
  run.options.loss.dice_weight = 0;
  run.options.batch = 10;
  auto whole = run.start(), parts = run.start();
  const TrainResult a = run.run(whole, "whole");
  run.options.batch = 6;  // 6 and 4
  run.options.accumulate = 2;
  const TrainResult b = run.run(parts, "parts");
  CHECK(a.steps == 1);
  CHECK(b.steps == 1);
  CHECK(a.train_loss == doctest::Approx(b.train_loss).epsilon(1e-5));
  const auto slots = [&](const std::string& out) {
    return load_safetensors((run.folder / out) / "run_state.safetensors");
  };
  const StateDict ours = slots("parts"), theirs = slots("whole");
  Index compared = 0;
  for (const auto& entry : theirs.tensors) {
    const std::string& name = entry.first;
    const HostTensor& tensor = entry.second;
    if (!name.starts_with("adamw.m.")) continue;
    const std::vector<float> m = ours.at(name).to<float>(), expected = tensor.to<float>();
    double difference = 0, size = 1e-14;  // key biases have no gradient but rounding
    for (std::size_t i = 0; i < m.size(); ++i) {
      difference += std::pow(double(m[i]) - double(expected[i]), 2);
      size += std::pow(double(expected[i]), 2);
    }
    CAPTURE(name);
    CHECK(difference < 1e-6 * size);
    compared += size > 1e-12 ? 1 : 0;
  }
  CHECK(compared > 50);
}
