#include <doctest/doctest.h>

#include <limits>

#include "small_run.hpp"

using namespace ssam;
using SvdRecipe = recipes::SSam<>;

namespace {
std::string refusal(test::SmallRun<SvdRecipe>& run) {
  auto model = run.start();
  return test::message_of<ConfigError>([&] { run.run(model, "out"); });
}
}  // namespace

TEST_CASE("a run leaves metrics, adapters and a state") {
  test::SmallRun<SvdRecipe> run;
  run.options.epochs = 5;
  auto model = run.start();
  std::vector<TrainProgress> seen;
  const TrainResult result = run.run(model, "out", false, 1, [&](const TrainProgress& at) { seen.push_back(at); });
  // 10 samples in batches of 3: 3, 3 and 4, because batch norm cannot use one.
  CHECK(result.steps == 15);
  CHECK(test::contains(result.note, "4 samples"));
  CHECK(seen.size() == 15);
  CHECK(seen.back().eta == 0);
  CHECK(seen[7].epoch == 3);
  CHECK(seen[7].gradient_norm > 0);

  const auto lines = test::metrics(run.folder / "out");
  REQUIRE(lines.size() == 5);
  CHECK(lines[4]["epoch"] == 5);
  CHECK(lines[3]["val_dsc"].size() == 2);
  CHECK(lines[3]["val_dsc"].contains("Gall Bladder"));
  CHECK(lines[3]["val_samples"] == 6);
  CHECK(lines[3]["val_blank"] == 1);
  CHECK(lines[3]["val_dsc_nonblank"].size() == 2);
  CHECK(lines[3]["best_by"] == "loss");
  CHECK(lines[4]["best_epoch"] == result.best_epoch);
  CHECK(lines[3]["rate"]["lr"] == 1e-2);
  CHECK(lines[3]["lr"] == 1e-2);
  double best = 1e9;
  for (const auto& line : lines) best = std::min(best, line["val_loss"].get<double>());
  CHECK(result.best_loss == best);
  CHECK(lines[static_cast<std::size_t>(result.best_epoch) - 1]["val_loss"] == best);

  const AdapterInfo info = read_adapter_info((run.folder / "out") / "best");
  CHECK(info.epoch == result.best_epoch);
  CHECK(info.best_loss == best);
  // The saved adapters are the model: "last" as it is now, "best" with the loss that was reported.
  auto last = run.start(), reloaded = run.start();
  load_adapter(last, (run.folder / "out") / "last");
  CHECK(test::everything(last).tensors == test::everything(model).tensors);
  load_adapter(reloaded, (run.folder / "out") / "best");
  Context<Cpu> context(1);
  const Evaluation evaluation = evaluate(context, reloaded, run.validation, {.features = run.features});
  CHECK(evaluation.loss() == best);
  CHECK(evaluation.report.mean_dice() == result.best_dice);
  const auto& line = lines[static_cast<std::size_t>(result.best_epoch) - 1];
  CHECK(line["val_dsc_nonblank_mean"] == evaluation.report.mean_nonblank_dice());
  CHECK(line["val_false_blank"] == evaluation.report.total().n_false_blank);
  CHECK(line["val_false_alarm"] == evaluation.report.total().n_false_alarm());
}

TEST_CASE("the best epoch is the first with the highest DSC, where that is asked for") {
  test::SmallRun<SvdRecipe> run;
  run.options.epochs = 6;
  run.options.lr = 5e-2;
  run.options.best_by = BestBy::dice;
  auto model = run.start();
  const TrainResult result = run.run(model, "out");
  const auto lines = test::metrics(run.folder / "out");
  Index best = 1;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto dice = [&](std::size_t line) { return lines[line]["val_dsc_mean"].get<double>(); };
    if (dice(i) > dice(static_cast<std::size_t>(best) - 1)) best = static_cast<Index>(i) + 1;
    CHECK(lines[i]["best_epoch"] == best);
  }
  CHECK(result.best_epoch == best);
  const AdapterInfo info = read_adapter_info((run.folder / "out") / "best");
  CHECK(info.best_by == "dice");
  CHECK(info.epoch == best);
  CHECK(info.best_dice == result.best_dice);

  Context<Cpu> context(1);
  const std::string message = test::message_of<ConfigError>([&] {
    auto fresh = run.start();
    train(context, fresh, run.data, {.features = run.features, .options = run.options, .out = run.folder / "blind"});
  });
  CHECK(test::contains(message, "without a validation set"));
}

TEST_CASE("a batch larger than the data is the data") {
  test::SmallRun<SvdRecipe> run;
  run.options.epochs = 2;
  run.options.batch = Index{1} << 30;
  run.options.accumulate = Index{1} << 30;
  auto whole = run.start(), same = run.start();
  CHECK(run.run(whole, "whole").steps == 2);
  run.options.batch = 10;
  run.options.accumulate = 1;
  run.run(same, "same");
  CHECK(test::everything(whole).tensors == test::everything(same).tensors);
}

TEST_CASE("a new run in the folder of an old one starts anew") {
  test::SmallRun<SvdRecipe> run;
  run.options.epochs = 2;
  auto first = run.start(), second = run.start();
  run.run(first, "out");
  run.options.seed = 9;
  CHECK_FALSE(run.run(second, "out").resumed);
  CHECK(test::metrics(run.folder / "out").size() == 2);
  CHECK(test::everything(first).tensors != test::everything(second).tensors);
}

TEST_CASE("options that cannot work are refused (A6)") {
  test::SmallRun<SvdRecipe> run;
  const auto with = [&](const auto& change) {
    const TrainOptions before = run.options;
    change(run.options);
    const std::string message = refusal(run);
    run.options = before;
    return message;
  };
  using test::contains;
  CHECK(contains(with([](TrainOptions& o) { o.lr = -1; }), "'lr'"));
  CHECK(contains(with([](TrainOptions& o) { o.lr = std::nan(""); }), "'lr'"));
  CHECK(contains(with([](TrainOptions& o) { o.lr = 0; }), "'lr'"));
  CHECK(contains(with([](TrainOptions& o) { o.weight_decay = -0.1; }), "'weight_decay'"));
  CHECK(contains(with([](TrainOptions& o) { o.clip_norm = std::nan(""); }), "'clip_norm'"));
  CHECK(contains(with([](TrainOptions& o) { o.epochs = 0; }), "'epochs'"));
  CHECK(contains(with([](TrainOptions& o) { o.accumulate = 0; }), "'accumulate'"));
  CHECK(contains(with([](TrainOptions& o) { o.validate_every = 0; }), "'validate_every'"));
  CHECK(contains(with([](TrainOptions& o) { o.schedule.step_factor = 0; }), "step_factor"));
  CHECK(contains(with([](TrainOptions& o) { o.batch = 0; }), "'batch'"));
  CHECK(contains(with([](TrainOptions& o) { o.batch = (Index{1} << 30) + 1; }), "'batch'"));
  CHECK(contains(with([](TrainOptions& o) { o.epochs = std::numeric_limits<Index>::max(); }), "'epochs'"));
  CHECK(contains(with([](TrainOptions& o) { o.changed = {"seed"}; }), "'changed'"));
  const std::string apart = with([](TrainOptions& o) {
    o.batch = 3;
    o.labels_together = true;
  });
  CHECK(contains(apart, "'batch'"));
  CHECK(contains(apart, "stay together"));
  CHECK_FALSE(std::filesystem::exists(run.folder / "out"));
}

TEST_CASE("a loss that is not a number stops the run and leaves the last good state") {
  test::SmallRun<SvdRecipe> run;
  run.options.epochs = 2;
  auto model = run.start();
  run.run(model, "out");
  const std::filesystem::path out = run.folder / "out";
  const std::string state = test::read_text(out / "run_state.safetensors");
  const std::string adapter = test::read_text(out / "last" / adapter_weights_file);
  run.options.epochs = 4;
  auto broken = run.start();
  broken.sam.image_encoder.blocks[0].attn.proj.bias.value.data()[0] = std::nanf("");
  const std::string message = test::message_of<Error>([&] { run.run(broken, "out", true); });
  CHECK(test::contains(message, "the loss is not a finite number"));
  CHECK(test::contains(message, "epoch 3, step 7"));
  CHECK(test::contains(message, "not finite in image_encoder.blocks.0.attn.proj.bias"));  // not the learning rate
  CHECK(test::read_text(out / "run_state.safetensors") == state);
  CHECK(test::read_text(out / "last" / adapter_weights_file) == adapter);
}

TEST_CASE("a batch of one is trained on running statistics, and the result says so") {
  test::SmallRun<SvdRecipe> run;
  run.options.epochs = 1;
  run.options.batch = 1;
  auto model = run.start();
  const TrainResult result = run.run(model, "out");
  CHECK(result.steps == 10);
  CHECK(test::contains(result.note, "running"));
  CHECK(model.text_affine.norm.num_batches_tracked.value.data()[0] == 0);
}

TEST_CASE("labels that stay together share their image and its changes") {
  test::SmallRun<SvdRecipe> run;
  run.options.epochs = 2;
  run.options.batch = 4;
  run.options.labels_together = true;
  auto model = run.start();
  const TrainResult result = run.run(model, "out");
  CHECK(result.steps == 6);  // 5 images, two at a time
  CHECK(std::isfinite(result.train_loss));

  // One image with both labels is what two samples drawn alike are.
  Context<Cpu> context(1);
  Batch<float, Cpu, Dataset> together(run.data, run.features, 1, 2), apart(run.data, run.features, 2, 1);
  const AugmentationSeed seed{.seed = 3, .epoch = 1};
  const std::vector<Index> image{2}, samples{4, 5};
  together.load(context, image, seed);
  apart.load(context, samples, AugmentationSeed{.seed = 3, .epoch = 1, .like = 4});
  CHECK(together.images().size() * 2 == apart.images().size());
  CHECK(
      std::equal(together.images().data(), together.images().data() + together.images().size(), apart.images().data()));
  CHECK(std::equal(together.prompts().text.data(), together.prompts().text.data() + together.prompts().text.size(),
                   apart.prompts().text.data()));
  CHECK(std::equal(together.masks().data(), together.masks().data() + together.masks().size(), apart.masks().data()));
}

TEST_CASE("a single label trains what is evaluated: its equal texts have no statistics") {
  const test::SmallRun<SvdRecipe> run;
  nlohmann::json manifest = parse_json(test::read_text(run.folder / "manifest.json"), "manifest.json");
  manifest["labels"] = {"Liver"};
  manifest["values"] = {{"Liver", 1}};
  manifest["background"] = {0, 2};
  const auto single = load_manifest(run.folder.write("single.json", manifest.dump()));
  const Dataset data(single, Split::train, run.config.image_size, run.config.preparation);
  TrainOptions options = run.options;
  options.epochs = 30;
  options.batch = 5;
  auto model = run.start();
  Context<Cpu> context(1);
  const auto result =
      train(context, model, data, {.features = run.features, .options = options, .out = run.folder / "out"});
  CHECK(test::contains(result.note, "single label"));
  CHECK(context.batch_statistics);
  const double evaluated = evaluate(context, model, data, {.features = run.features}).loss();
  CHECK(evaluated < 1.1 * result.train_loss);
  CHECK(evaluated > 0.5 * result.train_loss);
}
