#include <doctest/doctest.h>

#include <ssam/data/memory_samples.hpp>
#include <ssam/nets/u_net.hpp>
#include <ssam/testing/gradient_check.hpp>
#include <ssam/train/trainer.hpp>

#include "../data/files.hpp"
#include "../loss_value.hpp"

using namespace ssam;

static_assert(SegmentationModel<UNet<float, Cpu>>);
// 3 channels in, 64 to 1024 channels, one output.
static_assert(parameter_count_of(UNet<float, Meta, false>(UNetConfig{})).trained == 31'031'745);
static_assert(parameter_count_of(UNet<float, Meta>(UNetConfig{})).trained == 31'043'521);

namespace {

UNetConfig small(Index labels, Index size = 16) { return {.image_size = size, .labels = labels, .width = 4}; }

/// Bright squares that move about on noise are label A; dark ones, which every third image lacks, are B.
MemorySamples squares(int images, Index size, std::uint64_t seed) {
  MemorySamples samples({"A", "B"}, size);
  Random random(seed);
  for (int i = 0; i < images; ++i) {
    Image image(size, size);
    for (auto& value : image.rgb) value = static_cast<std::uint8_t>(100 + random.below(40));
    std::vector<Mask> masks{Mask(size, size), i % 3 == 0 ? Mask{} : Mask(size, size)};
    for (std::size_t label = 0; label < 2; ++label) {
      if (masks[label].values.empty()) continue;
      const Index half = size / 2, left = static_cast<Index>(random.below(half)),
                  top = static_cast<Index>(random.below(half / 2)) + (label == 0 ? 0 : half);
      for (Index y = top; y < top + half / 2; ++y) {
        for (Index x = left; x < left + half; ++x) {
          masks[label].at(y, x) = 1;
          for (int c = 0; c < 3; ++c) image.pixel(y, x)[c] = label == 0 ? 240 : 10;
        }
      }
    }
    samples.add(image, masks);
  }
  return samples;
}

}  // namespace

TEST_CASE_TEMPLATE("the gradients of a U-Net, with and without batch norm", Normalized, std::true_type,
                   std::false_type) {
  UNet<double, Cpu, Normalized::value> model(small(2));
  Context<Cpu> context(2);
  context.training = true;
  testing::randomize_parameters(model, 1);
  const Tensor<double, Cpu> images = testing::random_tensor<double>({2, 16, 16, 3}, 5);
  Tensor<double, Cpu> truth({4, 16, 16});
  for (Index i = 0; i < truth.size(); ++i) truth.data()[i] = (i / 7) % 3 == 0 ? 1 : 0;
  const std::vector<Index> labels{0, 1, 1, 1};
  typename decltype(model)::Record record;
  const auto run = [&](bool backward) {
    WorkspaceScope<Cpu> scope(context);
    const auto probability = model.forward(context, images, {{}, labels}, record);
    const auto dprobability = allocate<double>(context, probability.shape());
    const double loss = testing::loss_value<double>(context, probability, truth, {}, dprobability);
    if (backward) model.backward(context, record, dprobability);
    return loss;
  };
  run(true);
  testing::GradientReport report;
  testing::compare_parameters(
      report, model, [&] { return run(false); }, 4, 1e-6);
  CAPTURE(report.where);
  CHECK(report.error < 1e-5);  // a step small enough to meet few of the kinks of 18 ReLUs and of the pooling
  CHECK(report.tensors == (Normalized::value ? 18 * 4 + 8 + 2 : 18 * 2 + 8 + 2));
}

TEST_CASE("a U-Net is trained, evaluated, saved, resumed and loaded by the same calls as SAM, from images in memory") {
  const test::Folder folder;
  const MemorySamples data = squares(12, 32, 1), validation = squares(6, 32, 2);
  Context<Cpu> context(2);
  const auto fresh = [] {
    auto model = UNet<float, Cpu>(small(2, 32));
    Random random(3);
    model.initialize(random);
    return model;
  };
  TrainRun<MemorySamples> run{.validation = &validation, .out = folder / "run"};
  run.options.epochs = 12;
  run.options.batch = 4;
  run.options.lr = 3e-3;
  auto model = fresh();
  const double untrained = evaluate(context, model, validation).report.mean_dice();
  const TrainResult result = train(context, model, data, run);
  CHECK(result.best_dice > untrained + 0.2);
  CHECK(result.best_dice > 0.8);
  const AdapterInfo info = read_adapter_info(folder / "run" / "best");
  CHECK(info.model == "u_net");
  CHECK(info.recipe == "u_net");
  CHECK(info.labels == std::vector<std::string>{"A", "B"});
  CHECK(info.config["width"] == 4);
  CHECK(info.count.trained == parameter_count_of(model).trained);

  auto loaded = fresh();
  load_adapter(loaded, folder / "run" / "best");
  const Evaluation again = evaluate(context, loaded, validation, {.batch = 3});
  CHECK(again.loss() == result.best_loss);
  CHECK(again.report.mean_dice() == result.best_dice);

  // Interrupted in the middle and resumed: the same bits.
  struct Interrupt {};
  TrainRun<MemorySamples> halted = run;
  halted.out = folder / "halted";
  halted.options.checkpoint_every = 1;
  halted.progress = [](const TrainProgress& at) {
    if (at.step == 20) throw Interrupt{};
  };
  auto first = fresh(), second = fresh();
  CHECK_THROWS_AS(train(context, first, data, halted), Interrupt);
  halted.progress = nullptr;
  halted.resume = true;
  Context<Cpu> one(1);
  const TrainResult resumed = train(one, second, data, halted);
  CHECK(resumed.best_loss == result.best_loss);
  CHECK(export_state(second, [](const auto&...) { return true; }).tensors ==
        export_state(model, [](const auto&...) { return true; }).tensors);

  // Other data, other widths, and SAM's files are refused.
  halted.options.epochs = 13;
  const MemorySamples others = squares(12, 32, 7);
  CHECK(test::contains(test::message_of<MismatchError>([&] { train(context, second, others, halted); }), "image 0"));
  UNet<float, Cpu> wider(UNetConfig{.image_size = 32, .labels = 2, .width = 8});
  CHECK(
      test::contains(test::message_of<MismatchError>([&] { load_adapter(wider, folder / "run" / "best"); }), "width"));

  const StateDict weights = export_state(model, [](const auto&...) { return true; });
  CHECK(weights.at("down1.maxpool_conv.1.double_conv.0.weight").shape == Shape{8, 4, 3, 3});
  CHECK(weights.at("up1.up.weight").shape == Shape{64, 32, 2, 2});
  UNet<float, Cpu> copy(small(2, 32));
  load_state(copy, weights, "here");
  CHECK(evaluate(context, copy, validation).loss() == evaluate(context, model, validation).loss());
  StateDict lacking = weights;
  lacking.tensors.erase("outc.conv.bias");
  CHECK(test::contains(test::message_of<MismatchError>([&] { load_state(copy, lacking, "here"); }), "outc.conv.bias"));
}

TEST_CASE("what a U-Net and samples in memory refuse") {
  CHECK_THROWS_AS((UNet<float, Cpu>(UNetConfig{.image_size = 24})), ConfigError);
  UNet<float, Cpu> model(small(1));
  Context<Cpu> context(1);
  const Tensor<float, Cpu> images({1, 16, 16, 3}), wrong({1, 32, 32, 3});
  const std::vector<Index> labels{0}, unknown{1};
  decltype(model)::Record record;
  WorkspaceScope<Cpu> scope(context);
  CHECK_THROWS_AS(model.forward(context, wrong, {{}, labels}, record), ShapeError);
  CHECK_THROWS_AS(model.forward(context, images, {{}, unknown}, record), ShapeError);
  CHECK_THROWS_AS(MemorySamples({}, 16), ConfigError);
  MemorySamples samples({"A"}, 16);
  CHECK_THROWS_AS(samples.add(Image(4, 4), {}), ShapeError);
  CHECK_THROWS_AS(samples.add(Image(4, 4), {Mask(4, 5)}), ShapeError);
  CHECK(samples.items() == 0);
}
