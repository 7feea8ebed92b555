#include <cstdio>
#include <ssam/data/dataset.hpp>
#include <ssam/train/evaluate.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "open_model.hpp"

namespace ssam::cli {

namespace {

struct EvalOptions {
  ModelOptions model;
  std::filesystem::path adapter, data, features;
  std::string split;
  Index batch = 8;
  DeviceKind device = DeviceKind::cpu;
  int threads = 0;
  bool json = false;
};

/// The test split where the data set has one, else the validation split.
Split default_split(const Manifest& manifest) {
  for (const ManifestItem& item : manifest.items) {
    if (item.split == Split::test) return Split::test;
  }
  return Split::val;
}

int eval(const EvalOptions& options) {
  const Manifest manifest = load_manifest(options.data);
  Split split = default_split(manifest);
  for (const Split candidate : {Split::train, Split::val, Split::test}) {
    if (options.split == to_string(candidate)) split = candidate;
  }
  const OpenModel model = open_model(options.model, options.adapter, options.threads, options.device);
  const TextFeatures features = open_features(model, options.features);
  const Dataset data(manifest, split, model.config.image_size, model.config.pixel_stats, model.config.padding);
  Progress progress("evaluating");
  const Evaluation scores = model.runner->evaluate(data, features, options.batch,
                                                   [&](Index done, Index total) { progress.update(done, total); });
  progress.clear();

  const std::string recipe = model.adapter ? model.adapter->recipe : "none";
  if (options.json) {
    nlohmann::ordered_json json{{"data", printable(options.data.string())},
                                {"split", to_string(split)},
                                {"recipe", recipe},
                                {"device", to_string(options.device)},
                                {"text_features", features.source()},
                                {"images", data.items()},
                                {"loss", scores.loss}};
    json.update(scores.report.json());
    print_json(json);
    return 0;
  }
  std::printf("%s, split %s, %s images; adapter: %s; device: %s; text features: %s\n\n%s",
              options.data.string().c_str(), to_string(split).c_str(), with_commas(data.items()).c_str(),
              recipe.c_str(), to_string(options.device), features.source().c_str(), scores.report.text().c_str());
  return 0;
}

}  // namespace

void add_eval(Program& program) {
  auto* verb = program.app.add_subcommand("eval", "Score a model on a data set, label by label");
  auto options = std::make_shared<EvalOptions>();
  add_model_options(*verb, options->model);
  verb->add_option("--adapter", options->adapter,
                   "A trained adapter (best or last of a run); else the checkpoint alone")
      ->type_name("DIR");
  verb->add_option("--data", options->data, "The data set: manifest.json")->required()->type_name("FILE");
  verb->add_option("--split", options->split, "train, val or test; else test where there is one")
      ->check(CLI::IsMember(split_names()));
  verb->add_option("--features", options->features, "Text features, one tensor per label; else hashed label names")
      ->type_name("FILE");
  add_whole(*verb, "--batch", options->batch, "Images at a time", 1, 4096);
  add_device(*verb, options->device);
  add_threads(*verb, options->threads);
  add_json(*verb, options->json);
  verb->footer(
      "Masks are compared at the size of the image on disk; a blank answer to an absent label counts 1. Example:\n"
      "  ssam eval --checkpoint sam_vit_b.pth --adapter run/best --data manifest.json");
  verb->callback([&program, options] { program.run = [options] { return eval(*options); }; });
}

}  // namespace ssam::cli
