#include <doctest/doctest.h>
#include <sys/wait.h>

#include <csignal>

#include "small_run.hpp"

using namespace ssam;
using LoraRecipe = recipes::LoRA<4>;  // its dropout makes the random state part of the run

namespace {

struct Interrupt {};

/// Whether a run in `out` that ends in `model` is the uninterrupted one, bit for bit.
void check_same_run(const test::SmallRun<LoraRecipe>& run, const TextPromptedSam<float, Cpu, LoraRecipe>& model,
                    const TextPromptedSam<float, Cpu, LoraRecipe>& expected, const std::string& out) {
  CHECK(test::everything(model).tensors == test::everything(expected).tensors);
  CHECK(test::metrics(run.folder / out) == test::metrics(run.folder / "whole"));
  CHECK(test::metrics(run.folder / out).size() == 3);
  for (const char* kind : {"best", "last"}) {
    CHECK(test::read_text((run.folder / out) / kind / adapter_weights_file) ==
          test::read_text((run.folder / "whole") / kind / adapter_weights_file));
    CHECK(test::read_text((run.folder / out) / kind / adapter_info_file) ==
          test::read_text((run.folder / "whole") / kind / adapter_info_file));
  }
}

/// The settings that leave most to remember: accumulation, clipping, warm-up, a schedule.
struct DemandingRun : test::SmallRun<LoraRecipe> {
  DemandingRun() : SmallRun(8) {  // 16 samples: batches of 3, 3, 3, 3, 4; steps of 2, 2, 1 batches
    options.accumulate = 2;
    options.clip_norm = 0.5;
    options.checkpoint_every = 2;
    options.schedule = {.kind = Schedule::cosine, .warmup_steps = 3};
  }
};

}  // namespace

TEST_CASE("a run that was stopped at any step and resumed ends like an uninterrupted one, bit for bit (A5)") {
  const DemandingRun run;
  auto expected = run.start();
  CHECK(run.run(expected, "whole").steps == 9);
  CHECK(test::everything(expected).tensors != test::everything(run.start()).tensors);
  for (const Index stop : {1, 2, 3, 5, 6, 9}) {
    CAPTURE(stop);
    const std::string out = "stopped after " + std::to_string(stop);
    auto first = run.start();
    CHECK_THROWS_AS(run.run(first, out, false, 1,
                            [&](const TrainProgress& at) {
                              if (at.step == stop) throw Interrupt{};
                            }),
                    Interrupt);
    auto model = run.start();
    const TrainResult result = run.run(model, out, true);
    CHECK(result.resumed);  // states are saved before step 1, after step 2 once step 3 begins, 3 (epoch), 4, 6, ...
    CHECK(result.steps == 9);
    check_same_run(run, model, expected, out);
  }
  auto again = run.start();
  CHECK(run.run(again, "whole", true).resumed);  // a finished run: nothing is left to do
  CHECK(test::everything(again).tensors == test::everything(expected).tensors);
}

TEST_CASE("a run that was killed with SIGKILL and resumed ends like an uninterrupted one, bit for bit (A5)") {
  const DemandingRun run;
  auto expected = run.start();
  run.run(expected, "whole");
  for (const Index stop : {4, 8}) {
    const std::string out = "killed at " + std::to_string(stop);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      cv::setNumThreads(1);
      auto model = run.start();
      run.run(model, out, false, 1, [&](const TrainProgress& at) {
        if (at.step == stop) kill(getpid(), SIGKILL);
      });
      _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGKILL);
    auto model = run.start();
    CHECK(run.run(model, out, true, 2).resumed);
    check_same_run(run, model, expected, out);
  }
}

TEST_CASE("the number of threads changes nothing, bit for bit") {
  const DemandingRun run;
  auto one = run.start(), two = run.start();
  run.run(one, "whole", false, 1);
  run.run(two, "two threads", false, 2);
  check_same_run(run, two, one, "two threads");
}

TEST_CASE("a run is not resumed as another one") {
  test::SmallRun<LoraRecipe> run;
  run.options.epochs = 1;
  auto model = run.start();
  run.run(model, "out");
  std::string base = test::base_hash;
  const auto refusal = [&](const auto& change) {
    test::SmallRun<LoraRecipe> other;
    other.options = run.options;
    other.options.epochs = 2;
    change(other);
    Context<Cpu> context(1);
    auto fresh = other.start();
    return test::message_of<MismatchError>([&] {
      fresh.set_base_hash(base);
      train(context, fresh, other.data,
            {.validation = &other.validation,
             .features = other.features,
             .options = other.options,
             .out = run.folder / "out",
             .resume = true});
    });
  };
  CHECK(test::contains(refusal([](auto& other) { other.options.lr = 1e-3; }), "'lr'"));
  CHECK(test::contains(refusal([](auto& other) { other.options.seed = 5; }), "'seed'"));
  CHECK(test::contains(refusal([](auto& other) { other.options.best_by = BestBy::dice; }), "'best_by'"));
  CHECK(test::contains(refusal([&](auto&) { base = "?"; }), "'base_hash'"));
  base = test::base_hash;
  CHECK(test::contains(refusal([](auto& other) { other.options.schedule.kind = Schedule::cosine; }), "'epochs'"));
  CHECK(refusal([](auto&) {}) == "");  // more epochs of a constant rate; other folders with the same content

  const std::filesystem::path file = (run.folder / "out") / "run_state.safetensors";
  const std::string good = test::read_text(file);
  std::string bad = good;
  bad[bad.size() - 9] = static_cast<char>(bad[bad.size() - 9] ^ 1);
  run.options.epochs = 3;
  for (const std::string& damaged : {bad, good.substr(0, 1000), std::string("x")}) {
    test::write_text(file, damaged);
    auto fresh = run.start();
    const std::string message = test::message_of<FormatError>([&] { run.run(fresh, "out", true); });
    CHECK(test::contains(message, "the state of the run is damaged"));
    CHECK(test::contains(message, "start a new run in another folder"));
    CHECK(test::everything(fresh).tensors == test::everything(run.start()).tensors);
  }
}

TEST_CASE("a run is resumed with another rate where that is asked for, and says so") {
  test::SmallRun<LoraRecipe> run;
  run.options.epochs = 1;
  auto model = run.start();
  run.run(model, "out");
  run.options.epochs = 2;
  run.options.lr = 1e-3;
  run.options.clip_norm = 0.5;
  run.options.changed = {"lr", "warmup_steps"};
  auto refused = run.start(), other = run.start();
  CHECK(test::contains(test::message_of<MismatchError>([&] { run.run(refused, "out", true); }), "'clip_norm'"));
  run.options.changed = {"lr", "clip_norm"};
  const TrainResult result = run.run(other, "out", true);
  CHECK(result.epochs == 2);
  CHECK(test::contains(result.note, "lr: 0.001 (was 0.01)"));
  CHECK(test::contains(result.note, "clip_norm: 0.5 (was 0.0)"));
  const auto lines = test::metrics(run.folder / "out");
  CHECK(lines.at(0)["rate"]["lr"] == 1e-2);
  CHECK(lines.at(1)["rate"]["lr"] == 1e-3);
  CHECK(lines.at(1)["rate"]["clip_norm"] == 0.5);
  run.options.changed.clear();
  run.options.epochs = 3;
  auto again = run.start();
  CHECK(run.run(again, "out", true).note ==
        "the last batch of an epoch has 4 samples: a rest of one is too small for "
        "batch norm");  // these are its settings now
}

TEST_CASE("what is no run is not resumed, and nothing is written there") {
  test::SmallRun<LoraRecipe> run;
  run.options.epochs = 2;
  auto model = run.start();
  const auto refusal = [&](const std::string& out) {
    return test::message_of<IoError>([&] { run.run(model, out, true); });
  };
  run.run(model, "experiment");
  const std::string mistyped = refusal("experimnet");
  CHECK(test::contains(mistyped, "there is no run to resume"));
  CHECK(test::contains(mistyped, "did you mean 'experiment'?"));
  CHECK_FALSE(std::filesystem::exists(run.folder / "experimnet"));
  std::filesystem::create_directory(run.folder / "empty");
  CHECK(test::contains(refusal("empty"), "a folder without run_state.safetensors"));
  CHECK(std::filesystem::is_empty(run.folder / "empty"));

  run.options.epochs = 1;
  const std::string fewer = test::message_of<ConfigError>([&] { run.run(model, "experiment", true); });
  CHECK(test::contains(fewer, "more epochs already"));
  CHECK(test::contains(fewer, "at least 2, found 1"));

  const std::filesystem::path best = run.folder / "experiment" / "best" / adapter_weights_file;
  const std::string weights = test::read_text(best);
  std::filesystem::remove(run.folder / "experiment" / "run_state.safetensors");
  CHECK(test::contains(refusal("experiment"), "the state of the run is missing"));
  CHECK(test::read_text(best) == weights);
}

TEST_CASE("a run knows its data by content, and says what is another") {
  test::SmallRun<LoraRecipe> run;
  run.options.epochs = 1;
  auto model = run.start();
  run.run(model, "out");
  run.options.epochs = 2;
  const auto manifest = [&] { return parse_json(test::read_text(run.folder / "manifest.json"), "manifest.json"); };
  const auto refusal = [&](const nlohmann::json& changed, bool validates = true) {
    const auto read = load_manifest(run.folder.write("changed.json", changed.dump()));
    const auto open = [&](Split split) { return Dataset(read, split, run.config.image_size, run.config.preparation); };
    const Dataset data = open(Split::train), validation = open(Split::val);
    Context<Cpu> context(1);
    auto fresh = run.start();
    return test::message_of<MismatchError>([&] {
      train(context, fresh, data,
            {.validation = validates ? &validation : nullptr,
             .features = run.features,
             .options = run.options,
             .out = run.folder / "out",
             .resume = true});
    });
  };
  const auto says = [](const std::string& message, const std::string& what) {
    CAPTURE(message);
    CHECK(test::contains(message, what));
  };
  nlohmann::json changed = manifest();
  std::swap(changed["items"][0], changed["items"][1]);
  says(refusal(changed), "another order of the same items");
  changed = manifest();
  changed["augment"] = {{"flip", true}};
  says(refusal(changed), "the augmentation");
  changed = manifest();
  changed["values"] = {{"Liver", 2}, {"Gall Bladder", 1}};
  says(refusal(changed), "the table of values");
  changed = manifest();
  changed["background"] = {0, 7};
  says(refusal(changed), "the background");
  changed = manifest();
  changed["items"].erase(0);
  says(refusal(changed), "4 images, which were 5");
  changed = manifest();
  changed["items"][7]["split"] = "test";
  says(refusal(changed), "the run's validation set is another one");
  says(refusal(manifest(), false), "none where there was one");

  const std::string mask = test::read_text(run.folder / "mask3.png");
  test::write_text(run.folder / "mask3.png", test::read_text(run.folder / "mask4.png"));
  says(refusal(manifest()), "another content of the mask " + (run.folder / "mask3.png").string());
  test::write_text(run.folder / "mask3.png", mask);
  const std::string image = test::read_text(run.folder / "6.png");
  test::write_text(run.folder / "6.png", test::read_text(run.folder / "7.png"));
  says(refusal(manifest()), "another content of the image " + (run.folder / "6.png").string());
  test::write_text(run.folder / "6.png", image);
  std::filesystem::rename(run.folder / "6.png", run.folder / "renamed.png");
  changed = manifest();
  changed["items"][6]["image"] = "renamed.png";
  CHECK(refusal(changed) == "");  // the same content under another name
}

TEST_CASE("a run and its adapter know their text features by content") {
  test::SmallRun<LoraRecipe> run;
  const auto write = [&](const std::string& name, float first) {
    StateDict state;
    for (const char* label : {"Liver", "Gall Bladder"}) {
      std::vector<float> values(12, label[0] == 'L' ? 1.0f : -1.0f);
      values[0] = first;
      state.tensors[label] = HostTensor::from(Shape{12}, values);
    }
    save_safetensors(run.folder / name, state);
    return TextFeatures::load(run.folder / name, 12);
  };
  run.features = write("text.safetensors", 0.5f);
  run.options.epochs = 1;
  auto model = run.start();
  run.run(model, "out");
  CHECK(read_adapter_info((run.folder / "out") / "last").text_hash == run.features.hash());
  auto trained = run.start();
  CHECK(load_adapter(trained, (run.folder / "out") / "last").features->hash() == run.features.hash());
  run.options.epochs = 2;
  run.features = write("copy.safetensors", 0.5f);
  auto same = run.start();
  CHECK(run.run(same, "out", true).resumed);
  run.options.epochs = 3;
  run.features = write("text.safetensors", 0.25f);
  auto other = run.start();
  CHECK(test::contains(test::message_of<MismatchError>([&] { run.run(other, "out", true); }), "'text_features'"));
}
