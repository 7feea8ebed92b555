#include <doctest/doctest.h>

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
Report one_by_one(SsamModel<float, Cpu, NormRecipe>& model, const test::SmallRun<NormRecipe>& run) {
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
    report.add(run.validation.sample(i).label, count_pixels(prediction, run.validation.original_mask(i).values));
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
    const Evaluation evaluation = evaluate(context, model, run.validation, run.features, batch,
                                           [&](Index images, Index all) { done.push_back(10 * images + all); });
    CHECK(done == std::vector<Index>{13, 23, 33});
    REQUIRE(evaluation.report.labels() == expected.labels());
    for (std::size_t k = 0; k < 2; ++k) {
      const LabelScores &ours = evaluation.report.scores()[k], &theirs = expected.scores()[k];
      CHECK(ours.n == theirs.n);
      CHECK(ours.n_blank == theirs.n_blank);
      CHECK(ours.mean_dice() == doctest::Approx(theirs.mean_dice()).epsilon(1e-3));
      CHECK(ours.mean_iou() == doctest::Approx(theirs.mean_iou()).epsilon(1e-3));
    }
    CHECK_FALSE(context.training);
  }
}

TEST_CASE("the loss of an evaluation is the training loss of each batch, by samples") {
  const test::SmallRun<NormRecipe> run;
  auto model = run.start();
  Context<Cpu> context(1);
  const ops::MaskLossOptions options{.form = ops::FocalForm::reference};
  const auto loss_of = [&](const std::vector<Index>& which) {
    WorkspaceScope<Cpu> scope(context);
    const Samples samples(run, which);
    SsamModel<float, Cpu, NormRecipe>::Record record;
    const auto probability = model.forward(context, samples.images, samples.text, record);
    return ssam::testing::loss_value<float>(context, probability, samples.masks, options);
  };
  const auto evaluated = [&](Index size) {
    return evaluate(context, model, run.validation, run.features, size, nullptr, options).loss;
  };
  CHECK(evaluated(6) == doctest::Approx(loss_of({0, 1, 2, 3, 4, 5})).epsilon(1e-5));
  CHECK(evaluated(4) == doctest::Approx((4 * loss_of({0, 1, 2, 3}) + 2 * loss_of({4, 5})) / 6).epsilon(1e-5));
}

TEST_CASE("evaluations that cannot be done") {
  const test::SmallRun<NormRecipe> run;
  auto model = run.start();
  Context<Cpu> context(1);
  CHECK_THROWS_AS(evaluate(context, model, run.validation, run.features, 0), ConfigError);
  const Dataset larger(run.manifest, Split::val, 64, run.config.preparation);
  CHECK_THROWS_AS(evaluate(context, model, larger, run.features, 2), MismatchError);
  StateDict state;
  state.tensors["Liver"] = HostTensor::from(Shape{12}, std::vector<float>(12));
  save_safetensors(run.folder / "liver.safetensors", state);
  const TextFeatures liver = TextFeatures::load(run.folder / "liver.safetensors", 12);
  const std::string message =
      test::message_of<MismatchError>([&] { evaluate(context, model, run.validation, liver, 2); });
  CHECK(test::contains(message, "'Gall Bladder'"));
}
