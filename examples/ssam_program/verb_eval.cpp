#include <algorithm>
#include <cstdio>
#include <ssam/core/closest_name.hpp>
#include <ssam/data/check_manifest.hpp>
#include <ssam/data/dataset.hpp>
#include <ssam/train/evaluate.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "data_options.hpp"
#include "open_model.hpp"

namespace ssam::cli {

namespace {

struct EvalOptions {
  ModelOptions model;
  TextOptions text;
  DataOptions data;
  std::filesystem::path adapter;
  std::string split;
  Index batch = 8;
  DeviceKind device = DeviceKind::cpu;
  int threads = 0;
  bool unseen_labels = false, json = false;
};

/// The split that was asked for; else the test split where the data set has one, else the validation split. Throws
/// ConfigError, which says what there is, where it has no items.
Split choose_split(const Manifest& manifest, const std::string& asked) {
  const auto has = [&](Split split) {
    return std::any_of(manifest.items.begin(), manifest.items.end(),
                       [&](const ManifestItem& item) { return item.split == split; });
  };
  Split split = has(Split::test) ? Split::test : Split::val;
  for (const Split candidate : {Split::train, Split::val, Split::test}) {
    if (asked == to_string(candidate)) split = candidate;
  }
  if (has(split)) return split;
  throw ConfigError(ErrorText{.what = asked.empty() ? "the data set has neither a split \"test\" nor a split \"val\""
                                                    : "the data set has no split \"" + asked + "\"",
                              .where = manifest.file.string(),
                              .found = split_counts(manifest) + " images",
                              .advice = "choose one of them with --split"});
}

/// Labels that the model was not trained on score by chance: throws MismatchError, which names the near ones.
void check_labels(const Manifest& manifest, const std::vector<std::string>& trained) {
  std::string unseen, near;
  for (const std::string& label : manifest.labels) {
    if (trained.empty() || std::find(trained.begin(), trained.end(), label) != trained.end()) continue;
    unseen += (unseen.empty() ? "'" : ", '") + label + "'";
    const std::string other = closest_name(label, trained);
    if (!other.empty()) near += (near.empty() ? "'" : ", '") + other + "'";
  }
  if (unseen.empty()) return;
  std::string known;
  for (const std::string& label : trained) known += (known.empty() ? "'" : ", '") + label + "'";
  throw MismatchError(
      ErrorText{.what = "the model was not trained on every label of the data set",
                .where = manifest.file.string(),
                .expected = known,
                .found = unseen,
                .advice = (near.empty() ? "" : "did you mean " + near + "? ") +
                          std::string("rename the labels in the manifest, or score them all the same with "
                                      "--unseen-labels")});
}

int eval(const EvalOptions& options) {
  check_text_options(options.text);
  const Manifest manifest = open_data(options.data);
  const Split split = choose_split(manifest, options.split);
  const OpenModel model = open_model(options.model, options.adapter, options.threads, options.device);
  if (!options.unseen_labels) check_labels(manifest, model.text.labels);
  const TextFeatures features = open_features(model, options.text, manifest.labels, options.threads);
  Progress checking("checking the data set");
  warn_of(check_manifest(manifest, {.split = split, .preparation = model.config.preparation, .training = false},
                         [&](Index done, Index all) { checking.update(done, all); }));
  checking.clear();
  const Dataset data(manifest, split, model.config.image_size, model.config.preparation);
  Progress progress("evaluating");
  const Evaluation scores = model.runner->evaluate(
      data, {.features = features, .batch = options.batch, .progress = [&](Index done, Index total) {
               progress.update(done, total);
             }});
  progress.clear();

  const std::string recipe = model.adapter ? model.adapter->recipe : "none";
  if (options.json) {
    nlohmann::ordered_json json{{"data", printable(options.data.data)},
                                {"split", to_string(split)},
                                {"recipe", recipe},
                                {"device", to_string(options.device)},
                                {"text_features", features.source()},
                                {"images", data.items()},
                                {"loss", scores.loss()},
                                {"loss_definition", evaluation_loss_definition}};
    json.update(scores.report.json());
    print_json(json);
    return 0;
  }
  std::printf("%s, split %s, %s images; adapter: %s; device: %s; text features: %s\n\n%sloss %s: %s\n",
              options.data.data.c_str(), to_string(split).c_str(), with_commas(data.items()).c_str(), recipe.c_str(),
              to_string(options.device), features.source().c_str(), scores.report.text().c_str(),
              as_decimal(scores.loss(), 6).c_str(), evaluation_loss_definition);
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
  add_data_options(*verb, options->data);
  verb->add_option("--split", options->split, "train, val or test; else test where there is one")
      ->check(CLI::IsMember(split_names()));
  add_text_options(*verb, options->text);
  verb->add_flag("--unseen-labels", options->unseen_labels,
                 "Score labels of the data set that the model was not trained on too");
  add_whole(*verb, "--batch", options->batch, "Images that are read at a time; no number depends on it", 1, 4096);
  add_device(*verb, options->device);
  add_threads(*verb, options->threads);
  add_json(*verb, options->json);
  verb->footer(
      data_help() +
      "Masks are compared at the size of the image on disk; a blank answer to an absent label counts 1. Example:\n"
      "  ssam eval --checkpoint sam_vit_b.pth --adapter run/best --data manifest.json");
  verb->callback([&program, options] { program.run = [options] { return eval(*options); }; });
}

}  // namespace ssam::cli
