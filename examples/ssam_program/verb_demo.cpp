#include <algorithm>
#include <cstdio>
#include <ssam/data/dataset.hpp>
#include <ssam/io/atomic_file.hpp>
#include <ssam/io/folder_lock.hpp>
#include <ssam/io/json_file.hpp>
#include <ssam/sam/prompt.hpp>
#include <ssam/train/trainer.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "demo/generators.hpp"
#include "demo_report.hpp"
#include "open_model.hpp"

namespace ssam::cli {

namespace {

/// The small model that is installed with this program, or else the source tree's.
std::filesystem::path small_model() {
  std::error_code failure;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", failure);
  const std::filesystem::path installed = program.parent_path().parent_path() / "share/ssam/small_sam.safetensors";
  return !failure && std::filesystem::exists(installed, failure) ? installed : SSAM_DEMO_CHECKPOINT;
}

struct DemoOptions {
  std::filesystem::path out = "ssam_demo", checkpoint = small_model();
  Index epochs = 12;
  std::uint64_t seed = 0;
  int threads = 0;
  DeviceKind device = DeviceKind::cpu;
  bool json = false;
};

// One budget for every recipe: the same pictures, passes, batches and learning rates. Nothing is chosen per recipe.
constexpr demo::SplitCounts pictures{.train = 120, .val = 0, .test = 40};
constexpr Index picture_size = 128, batch_size = 8, shown_pictures = 4;

TrainOptions budget(const DemoOptions& options) {
  TrainOptions training;
  training.epochs = options.epochs;
  training.batch = batch_size;
  training.labels_together = true;
  training.lr = 1e-3;
  training.clip_norm = 1;
  training.schedule.kind = Schedule::cosine;
  training.schedule.warmup_steps = 20;
  training.seed = options.seed;
  return training;
}

Image laid_over(Image image, const std::vector<Mask>& masks) {
  for (std::size_t k = 0; k < masks.size(); ++k) image = overlay(image, masks[k], label_color(static_cast<Index>(k)));
  return image;
}

/// The drawn data, and which of its pictures are shown.
class DemoData {
 public:
  DemoData(const Manifest& manifest, const SamConfig& config, const TextFeatures& text)
      : train(manifest, Split::train, config.image_size, config.preparation),
        test(manifest, Split::test, config.image_size, config.preparation),
        features(text) {
    choose_shown();
  }

  Dataset train, test;
  TextFeatures features;
  std::vector<Index> shown;  ///< items of the test split
  std::vector<Image> images, truths;

 private:
  /// The pictures that show the most labels, the first ones first.
  void choose_shown() {
    std::vector<std::pair<Index, Index>> ranked;
    std::vector<std::vector<Mask>> masks(static_cast<std::size_t>(test.items()));
    for (Index item = 0; item < test.items(); ++item) {
      const LabelMasks truth = test.original_masks(item);
      Index present = 0;
      for (Index k = 0; k < static_cast<Index>(test.labels().size()); ++k) {
        const Mask mask = truth.binary(k);
        present += std::find(mask.values.begin(), mask.values.end(), 1) != mask.values.end() ? 1 : 0;
        masks[static_cast<std::size_t>(item)].push_back(mask);
      }
      ranked.emplace_back(-present, item);
    }
    std::sort(ranked.begin(), ranked.end());
    for (Index i = 0; i < std::min(shown_pictures, test.items()); ++i) {
      const Index item = ranked[static_cast<std::size_t>(i)].second;
      shown.push_back(item);
      images.push_back(test.original_image(item));
      truths.push_back(laid_over(images.back(), masks[static_cast<std::size_t>(item)]));
    }
  }
};

/// Scores of a model on the test split, and its masks of the pictures that are shown.
void judge(const OpenModel& model, const DemoData& data, DemoRow& row) {
  row.scores = model.runner->evaluate(data.test, {.features = data.features, .batch = batch_size}).report;
  std::vector<SamPrompt> prompts;
  for (const std::string& label : data.test.labels()) prompts.push_back({.label = label});
  for (const Image& image : data.images) {
    model.runner->set_image(image, data.features);
    std::vector<Mask> masks;
    for (const Prediction& answer : model.runner->predict(prompts)) masks.push_back(answer.mask());
    row.overlays.push_back(laid_over(image, masks));
  }
}

/// Trains one recipe into `out`. Returns the seconds that took.
double train_recipe(const DemoOptions& options, const Recipe& recipe, const ModelOptions& base, const DemoData& data,
                    const std::filesystem::path& out) {
  Progress progress(std::string("training ") + recipe.name + ": step");
  SamCheckpoint checkpoint = open_checkpoint(base);
  const auto runner = recipe.make(find_rule("paper"), checkpoint.config, options.threads, options.device);
  runner->load(std::move(checkpoint.weights), base.checkpoint.string(), options.seed);
  runner->prepare(base.checkpoint);
  runner->train(
      data.train,
      {.features = data.features, .options = budget(options), .out = out, .progress = [&](const TrainProgress& at) {
         progress.update(at.step, at.steps, "loss " + as_decimal(at.loss));
       }});
  return progress.seconds();
}

DemoRow run_recipe(const DemoOptions& options, const Recipe& recipe, const ModelOptions& base, const DemoData& data) {
  DemoRow row{.recipe = recipe.name, .counts = {}, .scores = Report(data.test.labels()), .overlays = {}};
  std::filesystem::path adapter;
  if (recipe.name != std::string("zero_shot")) {
    const std::filesystem::path run = options.out / "runs" / recipe.name;
    row.seconds = train_recipe(options, recipe, base, data, run);
    adapter = run / "last";
    row.adapter_bytes = static_cast<Index>(std::filesystem::file_size(adapter / "adapter_model.safetensors"));
  }
  const OpenModel model =
      open_model(base, adapter, options.threads, options.device);  // from its files, as anyone would use it
  row.counts = recipe.count(find_rule("paper"), model.config);
  judge(model, data, row);
  return row;
}

void write_results(const DemoOptions& options, const DemoData& data, const std::vector<DemoRow>& rows,
                   const nlohmann::ordered_json& results) {
  atomic_write(options.out / "results.json", results.dump(2) + "\n");
  std::filesystem::create_directories(options.out / "overlays");
  for (const DemoRow& row : rows) {
    for (std::size_t i = 0; i < row.overlays.size(); ++i) {
      save_png(options.out / "overlays" / (row.recipe + "_" + std::to_string(data.shown[i]) + ".png"), row.overlays[i]);
    }
  }
  save_png(options.out / "contact_sheet.png", demo_sheet(data.images, data.truths, rows));
}

/// Whether the folder holds the results of a demonstration.
bool holds_results(const std::filesystem::path& folder) {
  try {
    const nlohmann::json json = load_json(folder / "results.json");
    return json.contains("definition") && json.contains("recipes");
  } catch (const Error&) {
    return false;
  }
}

/// An earlier demonstration, finished or not, may be replaced, nothing else. Throws IoError.
void check_folder(const std::filesystem::path& folder, const std::string& checkpoint) {
  if (holds_results(folder)) return;
  const std::filesystem::path copy = folder / "small_sam.safetensors";
  const bool begun = std::filesystem::exists(copy) && read_file(copy, std::size_t{1} << 32) == checkpoint;
  for (const char* name : {"results.json", "small_sam.safetensors", "contact_sheet.png", "overlays", "runs"}) {
    if (!std::filesystem::exists(folder / name) || (begun && name != std::string("results.json"))) continue;
    throw IoError(ErrorText{.what = "the demonstration would replace what it did not write",
                            .where = (folder / name).string(),
                            .advice = "choose another folder, or move it away"});
  }
}

int demonstrate(const DemoOptions& options) {
  std::FILE* const log = options.json ? stderr : stdout;
  require_built_for(options.device);
  if (!std::filesystem::exists(options.checkpoint)) {
    throw IoError(ErrorText{.what = "the small pre-trained SAM is not there",
                            .where = options.checkpoint.string(),
                            .advice = "give one with --checkpoint"});
  }
  const std::string checkpoint = read_file(options.checkpoint, std::size_t{1} << 32);
  check_folder(options.out, checkpoint);
  const FolderLock lock(options.out);
  ModelOptions base;
  base.checkpoint = options.out / "small_sam.safetensors";  // a copy: decompositions are kept beside it
  atomic_write(base.checkpoint, checkpoint);
  const Progress whole("demo");
  const OpenModel plain = open_model(base, {}, options.threads, options.device);
  const TextFeatures features = open_features(plain, {}, {}, options.threads);
  const auto manifest =
      demo::write_dataset(demo::Kind::phantoms, options.out / "data", pictures, picture_size, options.seed);
  const DemoData data(load_manifest(manifest), plain.config, features);
  const TrainOptions training = budget(options);
  std::fprintf(
      log,
      "A small SAM, pre-trained on drawn scenes, meets drawn ultrasound: %lld training and %lld test pictures,\n"
      "each asked for %zu labels (often absent). Every recipe gets the same %lld epochs of batches of %lld, lr %g.\n"
      "Text features: %s.\n\n",
      static_cast<long long>(data.train.items()), static_cast<long long>(data.test.items()), data.test.labels().size(),
      static_cast<long long>(training.epochs), static_cast<long long>(batch_size), training.lr,
      data.features.source().c_str());
  std::fflush(log);
  std::vector<DemoRow> rows;
  for (const Recipe& recipe : recipes()) {
    rows.push_back(run_recipe(options, recipe, base, data));
    const Report& scores = rows.back().scores;
    std::fprintf(log, "  %-18s mean DSC %s (non-blank %s)  %s\n", recipe.name,
                 as_decimal(scores.mean_dice(), 3).c_str(), as_decimal(scores.mean_nonblank_dice(), 3).c_str(),
                 as_duration(rows.back().seconds).c_str());
    std::fflush(log);
  }
  nlohmann::ordered_json results{{"definition", metric_definition(Metric::dice, {})},
                                 {"epochs", training.epochs},
                                 {"batch", batch_size},
                                 {"lr", training.lr},
                                 {"seed", options.seed},
                                 {"device", to_string(options.device)},
                                 {"train_images", data.train.items()},
                                 {"test_images", data.test.items()},
                                 {"text_features", data.features.source()},
                                 {"recipes", demo_json(rows)}};
  write_results(options, data, rows, results);
  if (options.json) {
    print_json(results);
  } else {
    std::printf("\n%s\n%s\n%s\nin %s: results.json, contact_sheet.png, overlays, adapters (runs/*/last); %s in all\n",
                demo_table(rows).c_str(), demo_bars(rows).c_str(),
                "DSC = 2I / (P + T) per picture and label, 1 when both are empty; mean over pictures, then labels.\n"
                "non-blank: the same over the pictures that have the label; false blank: they have it, the answer is\n"
                "empty; false alarm: they lack it, the answer is not empty.",
                options.out.string().c_str(), as_duration(whole.seconds()).c_str());
  }
  return 0;
}

}  // namespace

void add_demo(Program& program) {
  auto* verb =
      program.app.add_subcommand("demo", "Adapt a small SAM to drawn ultrasound with every recipe, and compare");
  auto options = std::make_shared<DemoOptions>();
  verb->add_option("--out", options->out, "The folder to write")->capture_default_str()->type_name("DIR");
  verb->add_option("--checkpoint", options->checkpoint, "Another small SAM with a trained text affine layer")
      ->type_name("FILE");
  add_whole(*verb, "--epochs", options->epochs, "Passes over the pictures, for every recipe", 1, 100'000);
  add_seed(*verb, options->seed, "Pictures, order and start of the adapters");
  add_threads(*verb, options->threads);
  add_device(*verb, options->device);
  add_json(*verb, options->json);
  verb->footer(
      "Needs nothing but this program: model and pictures are its own. Some minutes on two cores. Example:\n"
      "  ssam demo --out ssam_demo");
  verb->callback([&program, options] { program.run = [options] { return demonstrate(*options); }; });
}

}  // namespace ssam::cli
