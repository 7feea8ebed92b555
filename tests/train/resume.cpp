#include <doctest/doctest.h>
#include <sys/wait.h>

#include <csignal>

#include "small_run.hpp"

using namespace ssam;
using LoraRecipe = recipes::Lora<4>;  // its dropout makes the random state part of the run

namespace {

struct Interrupt {};

/// Whether a run in `out` that ends in `model` is the uninterrupted one, bit for bit.
void check_same_run(const test::SmallRun<LoraRecipe>& run, const SsamModel<float, Cpu, LoraRecipe>& model,
                    const SsamModel<float, Cpu, LoraRecipe>& expected, const std::string& out) {
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
    CHECK(result.resumed == (stop >= 3));  // states are saved after step 2 once step 3 begins, 3 (epoch), 4, 6, ...
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
  const auto refusal = [&](const auto& change) {
    test::SmallRun<LoraRecipe> other;
    other.options = run.options;
    other.options.epochs = 2;
    change(other);
    Context<Cpu> context(1);
    auto fresh = other.start();
    return test::message_of<MismatchError>([&] {
      train(context, fresh, other.data, nullptr, other.features, other.options, other.info, run.folder / "out", true);
    });
  };
  CHECK(test::contains(refusal([](auto& other) { other.options.lr = 1e-3; }), "'lr'"));
  CHECK(test::contains(refusal([](auto& other) { other.options.seed = 5; }), "'seed'"));
  CHECK(test::contains(refusal([](auto& other) { other.info.base_hash = "?"; }), "'base_hash'"));
  CHECK(test::contains(refusal([](auto& other) { other.options.schedule.kind = Schedule::cosine; }), "'epochs'"));
  CHECK(refusal([](auto&) {}) == "");  // more epochs of a constant rate

  const std::filesystem::path file = (run.folder / "out") / "run_state.safetensors";
  const std::string good = test::read_text(file);
  std::string bad = good;
  bad[bad.size() - 9] = static_cast<char>(bad[bad.size() - 9] ^ 1);
  test::write_text(file, bad);
  auto fresh = run.start();
  run.options.epochs = 3;
  CHECK_THROWS_AS(run.run(fresh, "out", true), FormatError);
  CHECK(test::everything(fresh).tensors == test::everything(run.start()).tensors);
}
