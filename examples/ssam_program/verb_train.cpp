#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <ssam/data/check_manifest.hpp>
#include <ssam/data/dataset.hpp>
#include <ssam/data/open_data_set.hpp>
#include <ssam/sam/adapter_info.hpp>
#include <ssam/text/features.hpp>
#include <ssam/train/trainer.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "data_options.hpp"
#include "open_model.hpp"
#include "runner.hpp"

namespace ssam::cli {

namespace {

struct TrainArguments {
  ModelOptions model;
  TextOptions text;
  DataOptions data;
  std::filesystem::path out;
  std::string recipe, rule = "paper", schedule = "constant", loss = "corrected", best_by = "loss";
  TrainOptions options;
  DeviceKind device = DeviceKind::cpu;
  int threads = 0;
  bool recompute = false, resume = false, json = false;
};

/// Everything that can be refused without opening a file. Throws UsageError.
void settle(TrainArguments& arguments, const Recipe& recipe) {
  TrainOptions& options = arguments.options;
  options.schedule.kind = arguments.schedule == "step"     ? Schedule::step
                          : arguments.schedule == "cosine" ? Schedule::cosine
                                                           : Schedule::constant;
  options.best_by = arguments.best_by == "dsc" ? BestBy::dice : BestBy::loss;
  options.loss.form = arguments.loss == "reference" ? ops::FocalForm::reference : ops::FocalForm::corrected;
  if (recipe.count(find_rule(arguments.rule), vit_b(256)).trained == 0) {
    throw UsageError("the recipe '" + std::string(recipe.name) + "' trains nothing; see ssam params");
  }
  try {
    options.check(1);  // what does not depend on the data set
  } catch (const ConfigError& error) {
    throw UsageError(error.what());
  }
}

/// Prints a line for every epoch that the run has put into its metrics.jsonl.
class EpochLog {
 public:
  EpochLog(const std::filesystem::path& out, std::FILE* to) : file_(out / "metrics.jsonl"), to_(to) {}

  /// Called while epoch `epoch` runs; what is there when it is called first was said by an earlier run.
  void follow(Index epoch, Progress& progress) {
    if (seen_ < 0) seen_ = epoch - 1;
    if (seen_ >= epoch - 1) return;
    std::ifstream stream(file_);
    std::string line;
    for (Index i = 0; i < epoch - 1 && std::getline(stream, line); ++i) {
      if (i < seen_) continue;
      progress.clear();
      print(nlohmann::json::parse(line));
    }
    seen_ = epoch - 1;
  }

 private:
  void print(const nlohmann::json& entry) const {
    const auto number = [&](const char* key) {
      return entry.contains(key) && entry[key].is_number() ? as_decimal(entry[key].get<double>()) : std::string("-");
    };
    std::string scores;
    if (entry.contains("val_samples")) {
      scores = "  (non-blank " + number("val_dsc_nonblank_mean") + ", " + entry["val_false_blank"].dump() +
               " false blank, " + entry["val_false_alarm"].dump() + " false alarm)";
    }
    std::fprintf(to_, "epoch %4lld  loss %s  val loss %s  val DSC %s%s  %s\n", entry["epoch"].get<long long>(),
                 number("train_loss").c_str(), number("val_loss").c_str(), number("val_dsc_mean").c_str(),
                 scores.c_str(), as_duration(entry["seconds"].get<double>()).c_str());
    std::fflush(to_);
  }

  std::filesystem::path file_;
  std::FILE* to_;
  Index seen_ = -1;
};

/// Nothing in --out may be one of the files that are read; a new run replaces nothing at all.
void check_out(const TrainArguments& arguments) {
  const std::filesystem::path& out = arguments.out;
  std::vector<NamedPath> outputs;
  for (const char* name : {"run_state.safetensors", "metrics.jsonl", "best/adapter_model.safetensors",
                           "best/adapter_config.json", "last/adapter_model.safetensors", "last/adapter_config.json"}) {
    if (std::filesystem::exists(out / name)) outputs.push_back({"a file of --out", out / name});
  }
  check_files(outputs, {{"--checkpoint", arguments.model.checkpoint},
                        {"--config", arguments.model.config},
                        {"--data", parse_data_spec(arguments.data.data).path},
                        {"--features", arguments.text.features},
                        {"--clip", arguments.text.clip.weights},
                        {"--vocab", arguments.text.clip.vocabulary}});
  const RunFolder folder(out);
  if (arguments.resume) return folder.require_run();
  if (folder.holds_run()) {
    throw ConfigError(ErrorText{.what = "the folder holds a run already",
                                .where = out.string(),
                                .advice = std::filesystem::exists(folder.state())
                                              ? "continue it with --resume, or choose another --out"
                                              : "choose another --out"});
  }
  for (const char* name : {"metrics.jsonl", "best", "last"}) {
    // A run that ended before its first epoch leaves an empty list.
    if (!std::filesystem::exists(out / name) || std::filesystem::is_empty(out / name)) continue;
    throw ConfigError(ErrorText{.what = "the run would replace what the folder holds",
                                .where = (out / name).string(),
                                .advice = "choose another --out, or move it away"});
  }
}

/// Opens every file of the data set before the run begins. Throws ConfigError with all that is wrong.
void check_data(const std::string& name, const Manifest& manifest, const SamConfig& config, std::FILE* log) {
  Progress progress("checking the data set");
  const ManifestReport report =
      check_manifest(manifest, {.image_size = config.image_size, .preparation = config.preparation},
                     [&](Index done, Index all) { progress.update(done, all); });
  progress.clear();
  warn_of(report);
  std::fprintf(log, "data      %s: %s train, %s val, %s test images, %zu labels\n", name.c_str(),
               with_commas(report.items[0]).c_str(), with_commas(report.items[1]).c_str(),
               with_commas(report.items[2]).c_str(), manifest.labels.size());
}

/// How often the image encoder runs in an epoch, by far the most of its work, and what --labels-together would save;
/// "" where an image has one label only.
std::string encodings(const TrainOptions& options, const Dataset& data) {
  const auto labels = static_cast<Index>(data.labels().size());
  if (labels < 2) return {};
  const std::string once = with_commas(data.items());
  if (options.labels_together)
    return once + " images an epoch, each once for its " + std::to_string(labels) + " labels";
  return with_commas(data.size()) + " images an epoch, each once for every label; with --labels-together " + once +
         " (another order of samples, and one augmentation for all labels of an image)";
}

/// The most memory of this machine that the process had at a time.
Index peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<Index>(usage.ru_maxrss) * 1024;
}

void print_result(const TrainArguments& arguments, const TrainResult& result) {
  const Index activations = static_cast<Index>(result.activation_bytes), process = peak_memory();
  if (!arguments.json) {
    std::printf("memory    activations %s at most, the whole process %s; %s s a step\n", as_bytes(activations).c_str(),
                as_bytes(process).c_str(), as_decimal(result.seconds_per_step, 3).c_str());
    std::printf("done in %s%s: best epoch %lld (by %s), loss %s, DSC %s\n%s\n", as_duration(result.seconds).c_str(),
                result.resumed ? " (resumed)" : "", static_cast<long long>(result.best_epoch),
                arguments.best_by == "dsc" ? "DSC" : "loss", as_decimal(result.best_loss).c_str(),
                as_decimal(result.best_dice).c_str(), (arguments.out / "best").string().c_str());
    return;
  }
  const nlohmann::ordered_json json{{"out", printable(arguments.out.string())},
                                    {"recipe", arguments.recipe},
                                    {"rule", arguments.rule},
                                    {"device", to_string(arguments.device)},
                                    {"epochs", result.epochs},
                                    {"steps", result.steps},
                                    {"train_loss", result.train_loss},
                                    {"best_by", arguments.best_by},
                                    {"best_epoch", result.best_epoch},
                                    {"best_loss", result.best_loss},
                                    {"best_dice", result.best_dice},
                                    {"seconds", result.seconds},
                                    {"seconds_per_step", result.seconds_per_step},
                                    {"recompute", arguments.recompute},
                                    {"activation_bytes", activations},
                                    {"peak_memory_bytes", process},
                                    {"resumed", result.resumed},
                                    {"note", result.note}};
  print_json(json);
}

int train(TrainArguments arguments) {
  const Recipe& recipe = find_recipe(arguments.recipe);
  const Rule rule = find_rule(arguments.rule);
  settle(arguments, recipe);
  check_text_options(arguments.text);
  require_built_for(arguments.device);
  check_out(arguments);
  std::FILE* const log = arguments.json ? stderr : stdout;

  const Manifest manifest = open_data(arguments.data);
  arguments.options.check(static_cast<Index>(manifest.labels.size()));
  SamCheckpoint checkpoint = open_checkpoint(arguments.model);
  const SamConfig config = checkpoint.config;
  check_data(arguments.data.data, manifest, config, log);
  const Counts counts = recipe.count(rule, config);
  const TextFeatures features = features_to_train(arguments.text, manifest.labels, config.text_dim, arguments.threads);
  const Dataset data(manifest, Split::train, config.image_size, config.preparation);
  std::optional<Dataset> validation;
  for (const ManifestItem& item : manifest.items) {
    if (item.split != Split::val || validation) continue;
    validation.emplace(manifest, Split::val, config.image_size, config.preparation);
  }
  std::fprintf(log, "model     %s %s at %lld px\nrecipe    %s (rule %s): %s\n", checkpoint.backbone.c_str(),
               to_string(config.variant), static_cast<long long>(config.image_size), recipe.name,
               arguments.rule.c_str(), recipe.summary);
  std::fprintf(log, "          trainable params: %s || all params: %s || trainable%%: %s\n",
               with_commas(counts.trained).c_str(), with_commas(counts.total).c_str(),
               as_decimal(100.0 * static_cast<double>(counts.trained) / static_cast<double>(counts.total)).c_str());
  std::fprintf(log, "pictures  prepared as %s, intensity %s%s\n", form_text(config.preparation).c_str(),
               to_string(config.preparation.intensity).c_str(), config.preparation.soft_masks ? ", soft masks" : "");
  if (const std::string advice = encodings(arguments.options, data); !advice.empty()) {
    std::fprintf(log, "encoder   %s\n", advice.c_str());
  }
  std::fprintf(log, "text      %s\nloss      dice + focal (%s form)\ndevice    %s\n", features.source().c_str(),
               arguments.loss.c_str(), to_string(arguments.device));
  std::fflush(log);

  const auto runner = recipe.make(rule, config, arguments.threads, arguments.device);
  runner->load(std::move(checkpoint.weights), arguments.model.checkpoint.string(), arguments.options.seed);
  const std::string note = runner->prepare(arguments.model.checkpoint);
  if (!note.empty()) std::fprintf(log, "svd       %s\n", note.c_str());
  runner->set_recompute(arguments.recompute);

  check_out(arguments);  // another run may have come and gone while the model was loaded
  Progress progress("training: step");
  EpochLog epochs(arguments.out, log);
  const auto report = [&](const TrainProgress& at) {
    epochs.follow(at.epoch, progress);
    progress.update(at.step, at.steps, "loss " + as_decimal(at.loss));
  };
  const TrainResult result = [&] {
    try {
      return runner->train(data, {.validation = validation ? &*validation : nullptr,
                                  .features = features,
                                  .options = arguments.options,
                                  .out = arguments.out,
                                  .resume = arguments.resume,
                                  .progress = report});
    } catch (const DivergedError& error) {
      if (!error.resumable) throw;
      char options[64];
      std::snprintf(options, sizeof options, " (--resume --lr %g)", error.lr);
      throw Error(error.what() + std::string(options));
    }
  }();
  epochs.follow(result.epochs + 1, progress);
  progress.clear();
  if (!result.note.empty()) std::fprintf(log, "note      %s\n", result.note.c_str());
  print_result(arguments, result);
  return 0;
}

}  // namespace

void add_train(Program& program) {
  auto* verb = program.app.add_subcommand("train", "Train an adapter on images and masks");
  auto arguments = std::make_shared<TrainArguments>();
  TrainOptions& options = arguments->options;
  constexpr Index most = 1'000'000'000;  // products of two of these fit 64 bits
  add_model_options(*verb, arguments->model);
  add_data_options(*verb, arguments->data);
  verb->add_option("--recipe", arguments->recipe, "What stands where and what is trained; see ssam params")
      ->required()
      ->type_name("NAME");
  verb->add_option("--rule", arguments->rule, "paper or release: which norms a recipe trains")
      ->capture_default_str()
      ->check(CLI::IsMember({"paper", "release"}));
  verb->add_option("--out", arguments->out, "The run's folder: best, last, metrics.jsonl, run_state.safetensors")
      ->required()
      ->type_name("DIR");
  add_text_options(*verb, arguments->text);
  add_whole(*verb, "--epochs", options.epochs, "Passes over the training images", 1, most);
  add_whole(*verb, "--batch", options.batch, "(image, label) samples of one pass", 1, most);
  verb->add_flag("--soft-masks", arguments->model.soft_masks,
                 "Train on the covered fraction of each cell of a mask, in place of 0 and 1");
  verb->add_flag(
      "--labels-together", options.labels_together,
      "An image comes with all its labels and is encoded once for them; --batch is a multiple of their number");
  verb->add_flag("--recompute", arguments->recompute,
                 "Keep only the input of each of the image encoder's blocks and compute the block once more on the way "
                 "back: less memory, more time, the same bits");
  add_whole(*verb, "--accumulate", options.accumulate,
            "Batches of one optimiser step; not one large batch: dice and batch norm are of each batch", 1, most);
  add_real(*verb, "--lr", options.lr, "Learning rate of AdamW", Real::positive)
      ->take_last();  // so that a command that diverged goes on with what its error adds to it
  add_real(*verb, "--weight-decay", options.weight_decay, "Weight decay of AdamW", Real::not_negative);
  add_real(*verb, "--clip-norm", options.clip_norm, "Longest gradient; 0: any", Real::not_negative);
  verb->add_option("--schedule", arguments->schedule, "constant, step or cosine")
      ->capture_default_str()
      ->check(CLI::IsMember({"constant", "step", "cosine"}));
  add_whole(*verb, "--step-epochs", options.schedule.step_epochs, "Epochs between the steps of --schedule step", 1,
            most);
  add_real(*verb, "--step-factor", options.schedule.step_factor, "Factor of a step", Real::positive);
  add_whole(*verb, "--warmup", options.schedule.warmup_steps, "Optimiser steps over which the rate climbs", 0, most);
  verb->add_option("--best-by", arguments->best_by,
                   "What the best epoch is chosen by: the validation's loss (mean over samples, whatever the batch) or "
                   "its mean DSC (dsc)")
      ->capture_default_str()
      ->check(CLI::IsMember({"loss", "dsc"}));
  verb->add_option("--loss", arguments->loss,
                   "Focal term: corrected (cross entropy of the probability) or reference (as published)")
      ->capture_default_str()
      ->check(CLI::IsMember({"reference", "corrected"}));
  add_seed(*verb, options.seed, "Order, augmentation, dropout and the start of the adapters");
  add_whole(*verb, "--validate-every", options.validate_every, "Epochs between validations", 1, most);
  add_whole(*verb, "--checkpoint-every", options.checkpoint_every,
            "Steps between saves of the run inside an epoch; 0: at its end only", 0, most);
  verb->add_flag(
      "--resume", arguments->resume,
      "Go on with the run in --out; it ends as if never interrupted. Settings and data are the same, but for --lr, "
      "--clip-norm, --step-epochs, --step-factor and --warmup where they are given anew");
  add_device(*verb, arguments->device);
  add_threads(*verb, arguments->threads);
  add_json(*verb, arguments->json);
  verb->footer(
      "The whole data set is checked before the first epoch (as ssam data check does). A run may be killed at any\n"
      "moment and resumed.\n" +
      data_help() +
      "A manifest, its keys explained in include/ssam/data/README.md (ssam data convert writes one):\n"
      "  {\"labels\": [\"Liver\"], \"items\": [{\"image\": \"a.png\", \"split\": \"train\", \"masks\": {\"Liver\": "
      "\"a_liver.png\"}}]}\n"
      "Example:\n"
      "  ssam train --checkpoint sam_vit_b.pth --data manifest.json --recipe ssam --image-size 256 --out run");
  verb->callback([&program, verb, arguments] {
    const std::vector<std::pair<const char*, const char*>> rates{{"--lr", "lr"},
                                                                 {"--clip-norm", "clip_norm"},
                                                                 {"--step-epochs", "step_epochs"},
                                                                 {"--step-factor", "step_factor"},
                                                                 {"--warmup", "warmup_steps"}};
    for (const auto& [option, setting] : rates) {
      if (arguments->resume && verb->count(option) > 0) arguments->options.changed.push_back(setting);
    }
    program.run = [arguments] { return train(*arguments); };
  });
}

}  // namespace ssam::cli
