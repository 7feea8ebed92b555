// What an evaluation measures beside the overlap, image by image.

#include <doctest/doctest.h>

#include <ssam/data/memory_samples.hpp>

#include "small_run.hpp"

using namespace ssam;

namespace {

using NormRecipe = recipes::LayerNormTuning<>;

/// The validation images of a small run in memory, each with a pixel spacing and a patient.
MemorySamples in_memory(const test::SmallRun<NormRecipe>& run, const std::optional<PixelSpacing>& spacing) {
  MemorySamples samples(run.validation.labels(), run.config.image_size, run.config.preparation);
  for (Index item = 0; item < run.validation.items(); ++item) {
    const LabelMasks truth = run.validation.original_masks(item);
    samples.add(run.validation.original_image(item), {truth.binary(0), truth.binary(1)}, spacing,
                "patient " + std::to_string(item / 2));
  }
  return samples;
}

}  // namespace

TEST_CASE("distances of an evaluation are those of its masks, in pixels or millimetres") {
  const test::SmallRun<NormRecipe> run;
  auto model = run.start();
  Context<Cpu> context(1);
  const PixelSpacing spacing{0.5, 2};
  const MemorySamples pixels = in_memory(run, std::nullopt), millimetres = in_memory(run, spacing);
  const EvaluateOptions options{
      .features = run.features, .distances = true, .tolerance = 1.5, .centerlines = true, .worst = 100};
  const Evaluation in_pixels = evaluate(context, model, pixels, options);
  const Evaluation in_mm = evaluate(context, model, millimetres, options);
  CHECK(in_pixels.scores.measures.unit == DistanceUnit::pixels);
  CHECK(in_mm.scores.measures.unit == DistanceUnit::millimetres);
  REQUIRE(in_pixels.scores.rows.size() == 6);
  CHECK(in_pixels.scores.labels() == run.validation.labels());
  CHECK(in_pixels.scores.rows[5].image == "image 2");
  CHECK(in_pixels.scores.rows[5].group == "patient 1");

  // Every case with the label is among the 100 worst; its masks give its scores.
  LabelScores::Sum hd95, nsd;
  Index nonblank = 0;
  double before = 0;
  for (const ImageScore& row : in_pixels.scores.rows) nonblank += row.score.blank_truth() ? 0 : 1;
  REQUIRE(static_cast<Index>(in_pixels.worst.cases().size()) == nonblank);
  CHECK(nonblank >= 3);
  for (std::size_t i = 0; i < in_pixels.worst.cases().size(); ++i) {
    const WorstCase& worst = in_pixels.worst.cases()[i];
    const std::size_t place = static_cast<std::size_t>(worst.item * 2 + worst.label);
    CHECK(in_pixels.scores.rows[place] == worst.score);
    CHECK(worst.truth == run.validation.original_masks(worst.item).binary(worst.label));
    const double dsc = dice(worst.score.score.counts);
    CHECK(dsc >= before);
    before = dsc;
    const auto expect = [&](const MaskScore& found, const PixelSpacing& used) {
      const SurfaceDistances distances = surface_distances(worst.answer.values, worst.truth.values, 24, 32, used);
      CHECK(found.nsd == surface_dice(distances, 1.5));
      CHECK(found.hd95.has_value() == (distances.empty == EmptyMasks::none));
      if (found.hd95) CHECK(found.hd95 == hausdorff(distances, 95));
      CHECK(found.centerline_dice == centerline_dice(worst.answer.values, worst.truth.values, 24, 32).dice);
    };
    expect(worst.score.score, {});
    expect(in_mm.scores.rows[place].score, spacing);
    CHECK(in_mm.scores.rows[place].score.counts == worst.score.score.counts);
  }
  for (const ImageScore& row : in_pixels.scores.rows) {
    if (row.label != "Liver") continue;
    if (row.score.hd95) hd95 += {*row.score.hd95, 1};
    nsd += {*row.score.nsd, 1};
  }
  CHECK(in_pixels.report.scores()[0].sum(Metric::hd95).n == hd95.n);
  if (hd95.n > 0) CHECK(in_pixels.report.scores()[0].mean(Metric::hd95) == doctest::Approx(hd95.mean()));
  CHECK(in_pixels.report.scores()[0].mean(Metric::nsd) == doctest::Approx(nsd.mean()));
  CHECK(in_mm.report.json()["mean"].contains("hd95_mm"));
  CHECK(in_mm.report.json()["mean"].contains("nsd_1.5mm"));
}

TEST_CASE("measuring more changes no other number, and nothing depends on batch or threads") {
  const test::SmallRun<NormRecipe> run;
  auto model = run.start();
  Context<Cpu> one(1), three(3);
  const Evaluation plain = evaluate(one, model, run.validation, {.features = run.features});
  CHECK_FALSE(plain.scores.measures.unit.has_value());
  CHECK(plain.worst.cases().empty());
  std::optional<Evaluation> first;
  for (const Index batch : {1, 2, 8}) {
    for (Context<Cpu>* context : {&one, &three}) {
      const Evaluation found =
          evaluate(*context, model, run.validation,
                   {.features = run.features, .batch = batch, .distances = true, .centerlines = true, .worst = 2});
      if (!first) first = found;
      CHECK(found.scores == first->scores);
      CHECK(found.report.text() == first->report.text());
      CHECK(found.worst.cases().size() == 2);
      CHECK(found.worst.cases()[0].answer == first->worst.cases()[0].answer);
      CHECK(found.loss() == plain.loss());
      CHECK(found.report.mean_dice() == plain.report.mean_dice());
      for (std::size_t i = 0; i < plain.scores.rows.size(); ++i) {
        CHECK(found.scores.rows[i].score.counts == plain.scores.rows[i].score.counts);
      }
    }
  }
  Evaluation twice = *first;  // two processes
  twice += *first;
  CHECK(twice.scores.rows.size() == 2 * first->scores.rows.size());
  CHECK(twice.worst.cases().size() == 2);
  CHECK(twice.report.mean(Metric::nsd) == doctest::Approx(first->report.mean(Metric::nsd)));
  CHECK_THROWS_AS(twice += plain, MismatchError);
}

TEST_CASE("evaluations that cannot be measured") {
  const test::SmallRun<NormRecipe> run;
  auto model = run.start();
  Context<Cpu> context(1);
  const auto refused = [&](const EvaluateOptions& options) {
    return test::message_of<ConfigError>([&] { evaluate(context, model, run.validation, options); });
  };
  CHECK(test::contains(refused({.distances = true, .tolerance = -1}), "a tolerance of the surface Dice is not usable"));
  CHECK(test::contains(refused({.worst = -1}), "number of worst cases"));
  MemorySamples mixed = in_memory(run, PixelSpacing{1, 1});
  mixed.add(Image(8, 12), {Mask{}, Mask{}});
  const std::string message =
      test::message_of<MismatchError>([&] { evaluate(context, model, mixed, {.distances = true}); });
  CHECK(test::contains(message,
                       "the spacing of the pixels is known for some pictures only [image 3]: expected a "
                       "spacing, as of image 0, found none"));
  CHECK_NOTHROW(evaluate(context, model, mixed));
  CHECK_THROWS_AS(mixed.add(Image(8, 12), {Mask{}, Mask{}}, PixelSpacing{0, 1}), ConfigError);
}

TEST_CASE("the worst cases are those of the lowest DSC that have the label; of equals, the larger one first") {
  WorstCases worst(3), others(1);
  const auto found = [](Index item, const Counts& counts) {
    return WorstCase{{.image = "", .split = "", .group = "", .label = "", .score = {counts}}, item, 0, {}, {}};
  };
  worst.add(found(0, {0, 0, 0}));  // blank
  worst.add(found(1, {0, 9, 0}));  // a false alarm is no image with the label
  CHECK(worst.cases().empty());
  worst.add(found(2, {5, 10, 10}));
  worst.add(found(3, {0, 0, 4}));
  worst.add(found(4, {9, 10, 10}));
  worst.add(found(5, {0, 3, 40}));
  others.add(found(6, {0, 0, 4}));
  const auto items = [](const WorstCases& kept) {
    std::vector<Index> list;
    for (const WorstCase& one : kept.cases()) list.push_back(one.item);
    return list;
  };
  CHECK(items(worst) == std::vector<Index>{5, 3, 2});
  worst += others;
  CHECK(items(worst) == std::vector<Index>{5, 3, 6});
}
