#include <doctest/doctest.h>

#include <limits>
#include <optional>

#include "../loss_value.hpp"
#include "small_run.hpp"

using namespace ssam;
using NormRecipe = recipes::LayerNormTuning<>;

namespace {

/// Validation samples as they are stored.
struct Samples {
  Tensor<float, Cpu> images, text, masks;

  Samples(const test::SmallRun<NormRecipe>& run, const std::vector<Index>& which) {
    const Index count = static_cast<Index>(which.size()), size = run.config.image_size;
    std::vector<float> image_values(static_cast<std::size_t>(count * size * size * 3)), text_values;
    std::vector<float> mask_values(static_cast<std::size_t>(count * size * size));
    for (Index i = 0; i < count; ++i) {
      const Index sample = which[static_cast<std::size_t>(i)];
      run.validation.load(sample, std::nullopt, image_values.data() + i * size * size * 3,
                          mask_values.data() + i * size * size);
      const std::vector<float> row = run.features.at(run.validation.label_name(sample));
      text_values.insert(text_values.end(), row.begin(), row.end());
    }
    images = Tensor<float, Cpu>({count, size, size, 3}, image_values);
    text = Tensor<float, Cpu>({count, run.config.text_dim}, text_values);
    masks = Tensor<float, Cpu>({count, size, size}, mask_values);
  }
};

/// The scores of a split, image by image and label by label, at the original size.
Report one_by_one(TextPromptedSam<float, Cpu, NormRecipe>& model, const test::SmallRun<NormRecipe>& run) {
  Context<Cpu> context(1);
  Report report(run.validation.labels());
  for (Index i = 0; i < run.validation.size(); ++i) {
    WorkspaceScope<Cpu> scope(context);
    const Samples sample(run, {i});
    const auto embedding = model.sam.encode(context, sample.images);
    const auto token = model.embed_text(context, sample.text);
    const auto masks = model.sam.decode(context, embedding, Prompts{}, token, MaskOutput::single).low_res;
    const auto logits = postprocess_masks<float, Cpu>(context, masks, 32, 24, 32, 24, 32);
    std::vector<std::uint8_t> prediction;
    for (Index p = 0; p < logits.size(); ++p) prediction.push_back(logits.data()[p] > 0 ? 1 : 0);
    report.add(run.validation.sample(i).label, {count_pixels(prediction, run.validation.original_mask(i).values)});
  }
  return report;
}

}  // namespace

TEST_CASE("an evaluation is the mean over images and labels, however they are grouped") {
  const test::SmallRun<NormRecipe> run;
  auto model = run.start();
  const Report expected = one_by_one(model, run);
  CHECK(expected.mean_dice() > 0.01);
  CHECK(expected.mean_dice() < 0.99);
  for (const Index batch : {1, 2, 4, 6, 100}) {
    CAPTURE(batch);
    Context<Cpu> context(batch % 3 == 0 ? 2 : 1);
    std::vector<Index> done;
    const Evaluation evaluation =
        evaluate(context, model, run.validation,
                 {.features = run.features, .batch = batch, .progress = [&](Index images, Index all) {
                    done.push_back(10 * images + all);
                  }});
    CHECK(done == std::vector<Index>{13, 23, 33});
    REQUIRE(evaluation.report.labels() == expected.labels());
    for (std::size_t k = 0; k < 2; ++k) {
      const LabelScores &ours = evaluation.report.scores()[k], &theirs = expected.scores()[k];
      CHECK(ours.n == theirs.n);
      CHECK(ours.n_blank == theirs.n_blank);
      CHECK(ours.mean_dice() == doctest::Approx(theirs.mean_dice()).epsilon(1e-3));
      CHECK(ours.mean(Metric::iou) == doctest::Approx(theirs.mean(Metric::iou)).epsilon(1e-3));
    }
    CHECK_FALSE(context.training);
  }
}

TEST_CASE("the loss of an evaluation is the mean over samples of each one's own loss") {
  const test::SmallRun<NormRecipe> run;
  auto model = run.start();
  Context<Cpu> context(1);
  const ops::MaskLossOptions options{.form = ops::FocalForm::reference};
  double sum = 0;
  for (Index i = 0; i < 6; ++i) {
    WorkspaceScope<Cpu> scope(context);
    const Samples sample(run, {i});
    TextPromptedSam<float, Cpu, NormRecipe>::Record record;
    const auto probability = model.forward(context, sample.images, sample.text, record);
    sum += ssam::testing::loss_value<float>(context, probability, sample.masks, options);
  }
  const Evaluation evaluation = evaluate(context, model, run.validation, {.features = run.features, .loss = options});
  CHECK(evaluation.samples == 6);
  CHECK(evaluation.loss() == doctest::Approx(sum / 6).epsilon(1e-5));
  Evaluation twice = evaluation;  // two processes
  twice += evaluation;
  CHECK(twice.loss() == evaluation.loss());
  CHECK(twice.report.scores()[0].n == 2 * evaluation.report.scores()[0].n);
}

TEST_CASE("no number of an evaluation depends on the batch; no memory does beyond the images there are") {
  const test::SmallRun<NormRecipe> run;
  auto model = run.start();
  std::optional<Evaluation> first;
  for (const Index batch : {Index{1}, Index{2}, Index{3}, Index{8}, Index{64}, Index{1} << 60}) {
    CAPTURE(batch);
    Context<Cpu> context(1);
    const Evaluation found = evaluate(context, model, run.validation, {.features = run.features, .batch = batch});
    if (!first) first = found;
    CHECK(found.loss() == first->loss());
    CHECK(found.report.text() == first->report.text());
  }
}

TEST_CASE("an answer that is not finite is an error that names image and label, never a blank mask") {
  const test::SmallRun<NormRecipe> run;
  for (const float weight : {std::nanf(""), std::numeric_limits<float>::infinity(), 3e38f}) {
    CAPTURE(weight);
    auto model = run.start();
    auto& bias = model.sam.image_encoder.blocks[0].attn.proj.bias.value;
    std::fill_n(bias.data(), bias.size(), weight);
    Context<Cpu> context(1);
    const std::string message = test::message_of<NotFiniteError>(
        [&] { evaluate(context, model, run.validation, {.features = run.features, .batch = 2}); });
    CAPTURE(message);
    CHECK(test::contains(message, "not a finite number"));
    CHECK(test::contains(message, "5.png, label 'Liver'"));
    CHECK_FALSE(context.training);
  }
}

TEST_CASE("evaluations that cannot be done") {
  const test::SmallRun<NormRecipe> run;
  auto model = run.start();
  Context<Cpu> context(1);
  CHECK_THROWS_AS(evaluate(context, model, run.validation, {.features = run.features, .batch = 0}), ConfigError);
  const Dataset larger(run.manifest, Split::val, 64, run.config.preparation);
  CHECK_THROWS_AS(evaluate(context, model, larger, {.features = run.features, .batch = 2}), MismatchError);
  StateDict state;
  state.tensors["Liver"] = HostTensor::from(Shape{12}, std::vector<float>(12));
  save_safetensors(run.folder / "liver.safetensors", state);
  const TextFeatures liver = TextFeatures::load(run.folder / "liver.safetensors", 12);
  const std::string message = test::message_of<MismatchError>(
      [&] { evaluate(context, model, run.validation, {.features = liver, .batch = 2}); });
  CHECK(test::contains(message, "'Gall Bladder'"));
}
