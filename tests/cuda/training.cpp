// Whole runs on the GPU against the same runs on the host, through the models of the command line.

#include <ssam_emulation.hpp>

#include "device_run.hpp"

using namespace ssam;
using cli::DeviceKind;
using test::DeviceRun, test::difference, test::random_input, test::relative;

namespace {

/// The largest difference of what two runs have trained. Left out are the bias before TAL's batch norm and the running
/// mean that follows it: its true gradient is zero, so AdamW blows up rounding noise.
double largest_difference(const std::filesystem::path& a, const std::filesystem::path& b, std::string& where) {
  const StateDict ours = load_safetensors(a), theirs = load_safetensors(b);
  REQUIRE(ours.tensors.size() == theirs.tensors.size());
  double largest = 0;
  for (const auto& [name, tensor] : ours.tensors) {
    if (name.ends_with("Affine.0.bias") || name.ends_with("running_mean")) continue;
    const double found = difference(tensor.to<double>(), theirs.at(name).to<double>());
    CHECK(std::isfinite(found));
    if (found > largest) {
      largest = found;
      where = name;
    }
  }
  return largest;
}

Prediction ask(cli::Runner& runner) {
  runner.set_image(test::random_image(), std::nullopt);
  return runner.predict({{.points = {{20, 24}}, .multimask_output = true}}).at(0);
}

}  // namespace

TEST_CASE("training on the GPU does what it does on the host; its adapter is used on either, and merges") {
  for (const std::string recipe : {"ssam", "lora"}) {
    CAPTURE(recipe);
    const DeviceRun run(recipe);
    const auto host = run.start(DeviceKind::cpu), gpu = run.start(DeviceKind::cuda);
    const TrainResult expected = run.train(*host, "host"), found = run.train(*gpu, "gpu");
    CHECK(found.steps == expected.steps);
    CHECK(found.best_epoch == expected.best_epoch);
    CHECK(relative(found.train_loss, expected.train_loss) < 1e-4);
    const auto lines = test::metrics(run.folder / "gpu"), reference = test::metrics(run.folder / "host");
    REQUIRE(lines.size() == 2);
    REQUIRE(reference.size() == 2);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      CHECK(relative(lines[i]["train_loss"], reference[i]["train_loss"]) < 1e-4);
      CHECK(relative(lines[i]["val_loss"], reference[i]["val_loss"]) < 1e-4);
      CHECK(std::abs(lines[i]["val_dsc_mean"].get<double>() - reference[i]["val_dsc_mean"].get<double>()) < 0.01);
      CHECK(lines[i]["val_samples"] == reference[i]["val_samples"]);
    }
    std::string where;
    const std::filesystem::path adapter = run.folder / "gpu" / "last";
    const double largest =
        largest_difference(adapter / adapter_weights_file, run.folder / "host" / "last" / adapter_weights_file, where);
    CAPTURE(where);
    CHECK(largest < 1e-3);

    const auto other = run.start(DeviceKind::cpu), back = run.start(DeviceKind::cuda);
    other->load_adapter(adapter);
    back->load_adapter(adapter);
    const Evaluation on_gpu = gpu->evaluate(run.validation, {.features = run.features, .batch = 2});
    CHECK(back->evaluate(run.validation, {.features = run.features, .batch = 2}).loss() == on_gpu.loss());
    const Evaluation on_host = other->evaluate(run.validation, {.features = run.features, .batch = 2});
    CHECK(relative(on_host.loss(), on_gpu.loss()) < 1e-5);
    CHECK(gpu->evaluate(run.validation, {.features = run.features, .batch = 1}).loss() == on_gpu.loss());
    CHECK(std::abs(on_host.report.mean_dice() - on_gpu.report.mean_dice()) < 0.01);

    const Prediction before = ask(*gpu), there = ask(*other);
    CHECK(difference(before.logits, there.logits) < 1e-4);
    CHECK(difference(before.iou, there.iou) < 1e-4);
    CHECK(difference(before.low_res, there.low_res) < 1e-4);
    gpu->merge();
    other->merge();
    CHECK(difference(ask(*gpu).logits, before.logits) < 1e-4);
    CHECK(difference(gpu->embed(random_input()).to<float>(), other->embed(random_input()).to<float>()) < 1e-5);
    const StateDict merged = gpu->plain_weights(), merged_there = other->plain_weights();
    REQUIRE(merged.tensors.size() == merged_there.tensors.size());
    for (const auto& entry : merged.tensors) {
      CAPTURE(entry.first);
      CHECK(difference(entry.second.to<double>(), merged_there.at(entry.first).to<double>()) < 1e-5);
    }
  }
}

TEST_CASE("a run on the GPU that was stopped and resumed ends like an uninterrupted one, bit for bit") {
  struct Interrupt {};
  DeviceRun run("lora");  // its dropout makes the random state part of the run
  run.options.checkpoint_every = 2;
  const auto whole = run.start(DeviceKind::cuda), first = run.start(DeviceKind::cuda);
  const TrainResult expected = run.train(*whole, "whole");
  const auto interrupt = [](const TrainProgress& at) {
    if (at.step == 8) throw Interrupt{};  // in the second epoch
  };
  CHECK_THROWS_AS(run.train(*first, "stopped", false, interrupt), Interrupt);
  const auto second = run.start(DeviceKind::cuda);
  const TrainResult result = run.train(*second, "stopped", true);
  CHECK(result.resumed);
  CHECK(result.steps == expected.steps);
  for (const char* kind : {"best", "last"}) {
    CHECK(test::read_text((run.folder / "stopped") / kind / adapter_weights_file) ==
          test::read_text((run.folder / "whole") / kind / adapter_weights_file));
  }
  CHECK(test::metrics(run.folder / "stopped") == test::metrics(run.folder / "whole"));
}

TEST_CASE("blocks that are computed once more on the GPU train the same, bit for bit, with the same dropout") {
  for (const std::string recipe : {"ssam", "lora"}) {
    CAPTURE(recipe);
    const DeviceRun run(recipe);
    const auto kept = run.start(DeviceKind::cuda), again = run.start(DeviceKind::cuda);
    again->set_recompute(true);
    run.train(*kept, "kept");
    run.train(*again, "again");
    CHECK(test::read_text((run.folder / "again") / "last" / adapter_weights_file) ==
          test::read_text((run.folder / "kept") / "last" / adapter_weights_file));
    CHECK(test::metrics(run.folder / "again") == test::metrics(run.folder / "kept"));
  }
}

TEST_CASE("NaN is found on the GPU too: in an evaluation, and before anything of a diverged run is saved") {
  DeviceRun run;
  StateDict broken = run.base;
  std::vector<float> scale = broken.at("image_encoder.neck.3.weight").to<float>();
  scale[2] = 3e38f;  // finite, unlike what comes of it
  broken.tensors["image_encoder.neck.3.weight"] =
      HostTensor::from(broken.at("image_encoder.neck.3.weight").shape, scale);
  std::swap(run.base, broken);
  const auto nan = run.start(DeviceKind::cuda);
  CHECK(test::contains(
      test::message_of<NotFiniteError>([&] { nan->evaluate(run.validation, {.features = run.features, .batch = 2}); }),
      "8.png"));
  std::swap(run.base, broken);

  run.options.lr = 1e30;
  const auto diverging = run.start(DeviceKind::cuda), again = run.start(DeviceKind::cuda);
  CHECK_THROWS_AS(run.train(*diverging, "run"), DivergedError);
  CHECK(load_safetensors((run.folder / "run") / "run_state.safetensors").nonfinite().empty());
  run.options.lr = 1e-4;
  run.options.changed = {"lr"};
  CHECK(std::isfinite(run.train(*again, "run", true).best_loss));
}

TEST_CASE("a steady step copies the batch in and two numbers out, allocates nothing and waits at its ends only") {
  for (const std::string recipe : {"ssam", "lora"}) {
    CAPTURE(recipe);
    DeviceRun run(recipe, 9);  // 18 samples: 6 batches of 3
    run.options.epochs = 1;
    const auto gpu = run.start(DeviceKind::cuda);
    ssam_emulation::set_async(true);
    int steady = 0;
    run.train(*gpu, "run", false, [&](const TrainProgress& at) {
      if (at.step > 3) {  // the first steps warm up
        const ssam_emulation::Counters& found = ssam_emulation::counters();
        CHECK(found.mallocs == 0);
        CHECK(found.frees == 0);
        CHECK(found.host_to_device == 3);  // images, text, masks
        const Index pixels = 32 * 32;
        CHECK(found.host_to_device_bytes == static_cast<std::uint64_t>(4 * 3 * (pixels * 3 + 12 + pixels)));
        CHECK(found.device_to_host == 2);  // loss and norm of the gradient
        CHECK(found.device_to_host_bytes == 2 * sizeof(double));
        CHECK(found.pageable_async == 0);
        CHECK(found.synchronisations == 3);  // the batch before is copied; the two numbers
        CHECK(found.launches > 0);
        CHECK(found.heuristics == 0);  // which algorithms multiply is known by now
        ++steady;
      }
      ssam_emulation::reset_counters();
    });
    ssam_emulation::set_async(false);
    CHECK(steady == 3);
  }
}
