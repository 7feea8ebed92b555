// Images and masks in memory train as those of a manifest do, and what cannot be a sample is refused.

#include <doctest/doctest.h>

#include <ssam/data/memory_samples.hpp>

#include "small_run.hpp"

using namespace ssam;

namespace {

/// The samples of a data set, given as a program would that has them in memory: masks of 0 and 255.
MemorySamples in_memory(const Dataset& data) {
  const AugmentationSettings settings = data.manifest().augment;
  MemorySamples samples(data.labels(), data.image_size(), data.preparation(),
                        [settings](Random& random, Image& image, Mask& mask) {
                          apply(draw_augmentation(settings, random), image, mask);
                        });
  for (Index item = 0; item < data.items(); ++item) {
    const LabelMasks truth = data.original_masks(item);
    std::vector<Mask> masks;
    for (Index label = 0; label < static_cast<Index>(data.labels().size()); ++label) {
      masks.push_back(truth.present(label) ? truth.binary(label) : Mask{});
      for (std::uint8_t& value : masks.back().values) value = value != 0 ? 255 : 0;
    }
    samples.add(data.original_image(item), masks);
  }
  return samples;
}

}  // namespace

TEST_CASE("samples in memory train to the same bits as the same files of a manifest, augmented, and score alike") {
  test::SmallRun<recipes::SSam<>> run;
  run.manifest.augment.flip = true;
  run.manifest.augment.brightness = true;
  const Dataset files(run.manifest, Split::train, run.config.image_size, run.config.preparation);
  const MemorySamples memory = in_memory(files), validation = in_memory(run.validation);
  CHECK(memory.size() == files.size());
  auto from_files = run.start(), from_memory = run.start();
  Context<Cpu> context(1);
  const TrainResult expected = train(
      context, from_files, files,
      {.validation = &run.validation, .features = run.features, .options = run.options, .out = run.folder / "files"});
  const TrainResult found = train(
      context, from_memory, memory,
      {.validation = &validation, .features = run.features, .options = run.options, .out = run.folder / "memory"});
  CHECK(found.train_loss == expected.train_loss);
  CHECK(found.best_loss == expected.best_loss);
  CHECK(found.best_dice == expected.best_dice);
  CHECK(test::everything(from_memory).tensors == test::everything(from_files).tensors);
}

TEST_CASE("no samples, and pictures that are not what they say, are refused") {
  test::SmallRun<recipes::SSam<>> run;
  auto model = run.start();
  Context<Cpu> context(1);
  MemorySamples none({"Liver", "Gall Bladder"}, run.config.image_size);
  const auto refused = [&](const auto& call) {
    CHECK(test::contains(test::message_of<ConfigError>(call), "there are no samples"));
  };
  refused([&] { evaluate(context, model, none); });
  refused([&] { train(context, model, none, {.options = run.options, .out = run.folder / "none"}); });
  MemorySamples some = none;
  some.add(Image(8, 12), {Mask(8, 12), Mask{}});
  refused([&] { train(context, model, some, {.validation = &none, .options = run.options, .out = run.folder / "v"}); });
  CHECK(!std::filesystem::exists(run.folder / "none"));

  Image image(8, 12);
  image.rgb.pop_back();
  Mask mask(8, 12);
  CHECK_THROWS_AS(some.add(image, {mask, Mask{}}), ShapeError);
  CHECK_THROWS_AS(some.add(Image(8, 12), {mask}), ShapeError);
  CHECK_THROWS_AS(some.add(Image(8, 12), {Mask(12, 8), Mask{}}), ShapeError);
  mask.values.pop_back();
  CHECK_THROWS_AS(some.add(Image(8, 12), {mask, Mask{}}), ShapeError);
  CHECK(some.items() == 1);
}
