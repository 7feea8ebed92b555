#include <doctest/doctest.h>

#include "small_run.hpp"

using namespace ssam;
using NormTuning = recipes::LayerNormTuning<>;

namespace {

/// Every tensor that a run has saved is finite.
void check_finite_files(const std::filesystem::path& out) {
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(out)) {
    if (entry.path().extension() != ".safetensors") continue;
    CAPTURE(entry.path().string());
    CHECK(load_safetensors(entry.path()).nonfinite().empty());
    ++files;
  }
  CHECK(files > 0);
}

/// Trains until it diverges, then does what the error says: returns the result of the run that was gone on with.
TrainResult follow_advice(test::SmallRun<NormTuning>& run, const Dataset* validation) {
  Context<Cpu> context(1);
  const auto go = [&](bool resume) {
    auto model = run.start();
    return train(context, model, run.data,
                 {.validation = validation,
                  .features = run.features,
                  .options = run.options,
                  .out = run.folder / "out",
                  .resume = resume});
  };
  try {
    go(false);
  } catch (const DivergedError& error) {
    CAPTURE(error.what());
    check_finite_files(run.folder / "out");
    CHECK(error.resumable);
    CHECK(test::contains(error.what(), "is not a finite number: training stops"));
    CHECK(error.lr < run.options.lr);
    run.options.lr = error.lr;
    run.options.changed = {"lr"};
    const TrainResult result = go(true);
    check_finite_files(run.folder / "out");
    CHECK(std::isfinite(read_adapter_info((run.folder / "out") / "best").best_loss));
    return result;
  }
  FAIL("the run did not diverge");
  return {};
}

}  // namespace

TEST_CASE("a rate that is far too large ends the run; a lower one goes on from what is kept") {
  for (const Index every : {0, 1}) {
    for (const bool validates : {true, false}) {
      CAPTURE(every);
      CAPTURE(validates);
      test::SmallRun<NormTuning> run;
      run.options.epochs = 3;
      run.options.lr = 1e30;
      run.options.checkpoint_every = every;
      const TrainResult result = follow_advice(run, validates ? &run.validation : nullptr);
      CHECK(result.epochs == 3);
      CHECK(std::isfinite(result.best_loss));
      CHECK(test::contains(result.note, "lr:"));
    }
  }
}

TEST_CASE("a schedule that explodes ends the run; the epochs before it are kept") {
  for (const Index every : {0, 1}) {
    CAPTURE(every);
    test::SmallRun<NormTuning> run;
    run.options.epochs = 4;
    run.options.checkpoint_every = every;
    run.options.schedule = {.kind = Schedule::step, .step_epochs = 2, .step_factor = 1e32};
    const TrainResult result = follow_advice(run, &run.validation);
    CHECK(result.epochs == 4);
    const auto lines = test::metrics(run.folder / "out");
    REQUIRE(lines.size() == 4);
    CHECK(lines[1]["rate"]["lr"] == 1e-2);
    CHECK(lines[2]["rate"]["lr"].get<double>() < 1e-30);
  }
}

TEST_CASE("a validation that is not finite ends the run: it is no best epoch, and nothing of it is saved") {
  test::SmallRun<NormTuning> run;
  run.options.epochs = 1;
  run.options.batch = 10;  // one step, which nothing but the validation looks at
  run.options.lr = 1e30;
  const TrainResult result = follow_advice(run, &run.validation);
  CHECK(result.best_epoch == 1);
  CHECK(std::isfinite(result.best_dice));
}

TEST_CASE("what steps at a huge rate have made of a model is not gone on from: the files of before them are") {
  test::SmallRun<NormTuning> run;
  run.options.epochs = 5;
  run.options.schedule = {.kind = Schedule::step, .step_epochs = 2, .step_factor = 1e3};  // 1e-2, 1e-2, 10, 10, 1e4
  const std::filesystem::path out = run.folder / "out";
  for (const Index every : {0, 1}) {
    CAPTURE(every);
    run.options.checkpoint_every = every;
    auto model = run.start(), short_run = run.start(), low = run.start(), resumed = run.start();
    double lower = 0;
    try {
      run.run(model, "out", false, 1, [&](const TrainProgress& at) {
        if (at.epoch == 4 && at.step % 2 == 0) model.sam.image_encoder.pos_embed.value.data()[0] = std::nanf("");
      });
      FAIL("NaN was trained");
    } catch (const DivergedError& error) {
      CAPTURE(error.what());
      CHECK(error.resumable);
      CHECK(test::contains(error.what(), "before steps of that size"));
      lower = error.lr;
    }
    // As if it had ended after its second epoch.
    run.options.epochs = 2;
    run.run(short_run, "short");
    run.options.epochs = 5;
    for (const char* kind : {"best", "last"}) {
      CHECK(test::read_text(out / kind / adapter_weights_file) ==
            test::read_text((run.folder / "short") / kind / adapter_weights_file));
    }
    TrainOptions before = run.options;
    run.options.lr = lower;
    run.options.changed = {"lr"};
    run.run(low, "short", true);
    run.run(resumed, "out", true);
    CHECK(test::everything(resumed).tensors == test::everything(low).tensors);
    CHECK(test::metrics(out) == test::metrics(run.folder / "short"));
    CHECK_FALSE(std::filesystem::exists(out / "set_aside"));
    run.options = before;
  }
}

TEST_CASE("weights that are broken from the start are named; the learning rate is not blamed") {
  test::SmallRun<NormTuning> run;
  auto model = run.start();
  model.sam.image_encoder.blocks[1].mlp.lin1.weight.value.data()[3] = std::nanf("");
  try {
    run.run(model, "out");
    FAIL("NaN was trained");
  } catch (const DivergedError& error) {
    CAPTURE(error.what());
    CHECK_FALSE(error.resumable);
    CHECK(test::contains(error.what(), "not finite in image_encoder.blocks.1.mlp.lin1.weight"));
    CHECK_FALSE(test::contains(error.what(), "kept"));
  }
  CHECK_FALSE(RunFolder(run.folder / "out").holds_run());
}

TEST_CASE("nothing that is not finite is written as an adapter or a run's state") {
  const test::Folder folder;
  const SamConfig config = test::small_config();
  auto model = test::prepared_model<NormTuning>(config);
  model.sam.image_encoder.blocks[0].norm1.weight.value.data()[0] = std::nanf("");
  CHECK_THROWS_AS(save_adapter(folder / "a", model, test::small_info<NormTuning>(config)), FormatError);
  CHECK_FALSE(std::filesystem::exists(folder / "a"));
  CHECK_THROWS_AS(save_run_state(folder / "state", model, AdamW<float, Cpu>(), RunPosition{}, {}), FormatError);
  CHECK_FALSE(std::filesystem::exists(folder / "state"));
}
