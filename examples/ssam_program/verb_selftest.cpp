#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <ssam/core/context.hpp>

#include "console.hpp"
#include "model_options.hpp"
#include "runner.hpp"
#include "selftest/replay_clip.hpp"
#include "selftest/replay_preparation.hpp"

namespace ssam::cli {

namespace {

constexpr double tolerance = 1e-4;

struct SelftestOptions {
  std::filesystem::path golden, vocabulary;
  DeviceKind device = DeviceKind::cpu;
  int threads = 0;
  bool json = false;
};

/// What was replayed, and which recordings the folder does not have.
struct Outcome {
  std::vector<selftest::CaseResult> results;
  std::vector<std::string> absent;
};

/// A recording that cannot even be replayed is a failed case: the others still run.
template <class Replay>
void add_replay(Outcome& outcome, const std::string& name, const Replay& replay) {
  try {
    for (selftest::CaseResult& result : replay()) outcome.results.push_back(std::move(result));
  } catch (const DeviceError&) {  // not the recording's fault: it would be the same for all
    throw;
  } catch (const Error& error) {
    outcome.results.push_back({name, INFINITY, error.what()});
  }
}

Outcome replay_folder(const SelftestOptions& options) {
  const std::filesystem::path& folder = options.golden;
  Outcome outcome;
  Progress progress("replaying");
  Index done = 0;
  const Index total = 1 + 2 * static_cast<Index>(recipes().size());
  const DeviceKind device = options.device;
  const auto present = [&](const std::string& file) { return std::filesystem::exists(folder / file); };
  progress.update(done++, total);
  if (present("sam.safetensors")) {
    add_replay(outcome, "sam", [&] { return find_recipe("full_fine_tuning").on(device).replay_sam(folder); });
  } else {
    outcome.absent.push_back("sam");
  }
  if (present("preparation.safetensors")) {
    add_replay(outcome, "preparation", [&] { return selftest::replay_preparation(folder); });
  } else {
    outcome.absent.push_back("preparation");
  }
  if (present("clip_text.safetensors")) {
    add_replay(outcome, "clip text encoder", [&] { return selftest::replay_clip_text(folder); });
  } else {
    outcome.absent.push_back("clip_text");
  }
  if (present("clip_tokens.json") && !options.vocabulary.empty()) {
    add_replay(outcome, "clip tokenizer", [&] { return selftest::replay_clip_tokens(folder, options.vocabulary); });
  } else {
    outcome.absent.push_back(present("clip_tokens.json") ? "CLIP's vocabulary (--vocab), for clip_tokens"
                                                         : "clip_tokens");
  }
  for (const Recipe& recipe : recipes()) {
    for (const std::string rule : {"paper", "release"}) {
      progress.update(done++, total, recipe.name);
      const RecipeOnDevice& models = recipe.on(device);
      if (models.replay == nullptr) continue;
      const std::string run = recipe.recorded + ("_" + rule);
      if (present(run + "_weights.safetensors") && present(run + "_train.safetensors")) {
        add_replay(outcome, run, [&] { return models.replay(find_rule(rule), folder, run); });
      } else {
        outcome.absent.push_back(run);
      }
    }
  }
  return outcome;
}

int run_selftest(const SelftestOptions& options) {
  require_built_for(options.device);
  if (!std::filesystem::is_directory(options.golden)) {
    throw IoError(ErrorText{.what = "no such folder", .where = options.golden.string()});
  }
  const Context<Cpu> checked(options.threads);  // SSAM_THREADS that is no number is not the recordings' fault
  // The replays make contexts of their own, which ask the environment.
  if (options.threads > 0) ::setenv("SSAM_THREADS", std::to_string(options.threads).c_str(), 1);
  const Outcome outcome = replay_folder(options);
  std::size_t failed = 0;
  double worst = 0;
  for (const auto& result : outcome.results) {
    if (!(result.error <= tolerance)) ++failed;
    worst = std::max(worst, result.error);
  }
  const bool passed = failed == 0 && !outcome.results.empty();

  if (options.json) {
    nlohmann::ordered_json json{{"folder", printable(options.golden.string())},
                                {"device", to_string(options.device)},
                                {"tolerance", tolerance}};
    json["cases"] = nlohmann::ordered_json::array();
    for (const auto& result : outcome.results) {  // an infinite error becomes null: JSON has no infinity
      json["cases"].push_back({{"case", result.name},
                               {"error", result.error},
                               {"worst", result.worst},
                               {"passed", result.error <= tolerance}});
    }
    json["absent"] = outcome.absent;
    json["largest_error"] = worst;
    json["failed"] = failed;
    json["passed"] = passed;
    print_json(json);
    return passed ? 0 : 1;
  }
  Table table({"case", "error", "", "worst tensor"}, true);
  for (const auto& result : outcome.results) {
    char error[32];
    std::snprintf(error, sizeof error, "%.1e", result.error);
    table.add({result.name, error, result.error <= tolerance ? "ok" : "FAILED", result.worst});
  }
  std::printf("%s\n", table.text().c_str());
  for (const std::string& name : outcome.absent) std::printf("not in this folder: %s\n", name.c_str());
  std::printf(
      "%zu cases on %s, %zu failed, %zu recordings not in this folder. Error: largest relative error of a tensor; "
      "at most %.0e passes.\n",
      outcome.results.size(), to_string(options.device), failed, outcome.absent.size(), tolerance);
  if (outcome.results.empty()) {
    throw Error(ErrorText{.what = "nothing to replay",
                          .where = options.golden.string(),
                          .expected = "files such as sam.safetensors, ssam_paper_train.safetensors"});
  }
  return passed ? 0 : 1;
}

}  // namespace

void add_selftest(Program& program) {
  auto* verb =
      program.app.add_subcommand("selftest", "Replay recorded PyTorch runs and show how far our results are off");
  auto options = std::make_shared<SelftestOptions>();
  verb->add_option("--golden", options->golden, "A folder of recordings; dimensions are read from their metadata")
      ->required()
      ->type_name("DIR");
  verb->add_option("--vocab", options->vocabulary,
                   "CLIP's vocabulary, which is not part of the recordings: its tokenizer is replayed, too")
      ->type_name("FILE");
  add_device(*verb, options->device, {"cpu", "cuda"});
  add_threads(*verb, options->threads);
  add_json(*verb, options->json);
  verb->footer(
      "Preparation of pictures, forward, every kind of prompt, the predictor, gradients, losses, weights after "
      "training, CLIP's text encoder and tokenizer (on the host). Exit code 1 above 1e-4.\n"
      "Example:\n  ssam selftest --golden tests/golden");
  verb->callback([&program, options] { program.run = [options] { return run_selftest(*options); }; });
}

}  // namespace ssam::cli
