#include <algorithm>
#include <cstdio>
#include <ssam/core/closest_name.hpp>
#include <ssam/data/check_manifest.hpp>
#include <ssam/data/dataset.hpp>
#include <ssam/data/overlay.hpp>
#include <ssam/eval/intervals.hpp>
#include <ssam/io/folder_lock.hpp>
#include <ssam/io/scores_file.hpp>
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
  std::filesystem::path adapter, out;
  std::string split;
  Index batch = 8;
  DeviceKind device = DeviceKind::cpu;
  int threads = 0;
  bool unseen_labels = false, json = false;
  Index worst = 8;
  bool worst_apart = false;
  std::vector<std::string> images;
  bool distances = false, centerlines = false;
  double tolerance = 1;
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

/// Whether the folder holds an evaluation, finished or not.
bool holds_evaluation(const std::filesystem::path& folder) {
  try {
    load_scores(folder / "scores.csv");
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// The folder for what an evaluation writes, locked. An earlier evaluation is replaced, and its pictures go; nothing
/// else may be in the way. Throws IoError.
std::unique_ptr<FolderLock> open_folder(const std::filesystem::path& folder) {
  const std::filesystem::path worst = folder / "worst";
  if (!holds_evaluation(folder)) {
    for (const std::filesystem::path& path : {folder / "scores.csv", folder / "report.json", worst}) {
      if (!std::filesystem::exists(path)) continue;
      throw IoError(ErrorText{.what = "the evaluation would replace what it did not write",
                              .where = path.string(),
                              .advice = "choose another folder, or move it away"});
    }
  }
  return std::make_unique<FolderLock>(folder);
}

/// Removes the pictures of an earlier evaluation, which are named as picture_name() does.
void remove_pictures(const std::filesystem::path& worst) {
  if (!std::filesystem::is_directory(worst)) return;
  std::vector<std::filesystem::path> earlier;
  for (const auto& entry : std::filesystem::directory_iterator(worst)) {
    const std::string name = entry.path().filename().string();
    const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    if (digits >= 2 && name.substr(digits, 1) == "_" && name.ends_with(".png")) earlier.push_back(entry.path());
  }
  for (const std::filesystem::path& picture : earlier) std::filesystem::remove(picture);
}

/// "03_Gall_Bladder_frame_12.png": letters and digits of the label and of the image's file.
std::string picture_name(std::size_t place, const ImageScore& score) {
  const auto plain = [](std::string text) {
    for (char& c : text) {
      const bool kept = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
      if (!kept) c = '_';
    }
    return text.substr(0, 60);
  };
  return (place < 10 ? "0" : "") + std::to_string(place) + "_" + plain(score.label) + "_" +
         plain(std::filesystem::path(score.image).stem().string()) + ".png";
}

/// An image by its place in the folder of the manifest, so that runs can be compared wherever they were made.
std::string image_name(const std::string& image, const Manifest& manifest) {
  const std::filesystem::path& place = manifest.file;  // of a layout, its folder
  const std::filesystem::path base = std::filesystem::is_directory(place) ? place / "" : place.parent_path();
  return std::filesystem::path(image).lexically_normal().lexically_proximate(base.lexically_normal()).string();
}

/// Writes image, truth and answer of a case as pictures of their own: "01_Liver_a.png" and so on become
/// "01_Liver_a_image.png". Returns their names.
nlohmann::ordered_json save_apart(const std::filesystem::path& folder, const std::string& name, const WorstCase& found,
                                  const Dataset& data) {
  const Image image = data.original_image(found.item);
  const Color color = label_color(found.label);
  const auto save = [&](const char* kind, const Image& picture) {
    const std::string file = name.substr(0, name.size() - 4) + "_" + kind + ".png";
    save_png(folder / file, picture);
    return "worst/" + file;
  };
  return {{"image", save("image", image)},
          {"truth", save("truth", overlay(image, found.truth, color))},
          {"answer", save("answer", overlay(image, found.answer, color))}};
}

/// Writes the pictures of the worst cases; `apart`: save_apart() too. Returns what they show.
nlohmann::ordered_json save_worst(const std::filesystem::path& folder, const WorstCases& worst, const Dataset& data,
                                  bool apart) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::filesystem::create_directories(folder);
  for (const WorstCase& found : worst.cases()) {
    const double dsc = dice(found.score.score.counts);
    const std::string name = picture_name(list.size() + 1, found.score);
    save_png(folder / name,
             truth_beside_answer(data.original_image(found.item), found.truth, found.answer,
                                 std::filesystem::path(found.score.image).filename().string(), found.score.label,
                                 (found.score.score.blank_answer() ? "blank, DSC " : "DSC ") + as_decimal(dsc)));
    list.push_back({{"file", "worst/" + name},
                    {"image", printable(image_name(found.score.image, data.manifest()))},
                    {"label", found.score.label},
                    {"dice", dsc}});
    if (apart) list.back()["pictures"] = save_apart(folder, name, found, data);
  }
  return list;
}

/// Names the images of the scores by image_name(), and their split.
void name_images(Evaluation& evaluation, const Dataset& data, Split split) {
  for (ImageScore& row : evaluation.scores.rows) {
    row.image = image_name(row.image, data.manifest());
    row.split = to_string(split);
  }
}

/// Takes out all but the images that were asked for, by image_name(). Throws ConfigError with the nearest name.
void keep_images(Manifest& manifest, Split split, const std::vector<std::string>& images) {
  if (images.empty()) return;
  std::vector<std::string> names;
  std::vector<ManifestItem> kept;
  for (const ManifestItem& item : manifest.items) {
    if (item.split != split) continue;
    names.push_back(image_name(item_text(item), manifest));
    if (std::find(images.begin(), images.end(), names.back()) != images.end()) kept.push_back(item);
  }
  for (const std::string& image : images) {
    if (std::find(names.begin(), names.end(), image) != names.end()) continue;
    const std::string near = closest_name(image, names);
    throw ConfigError(
        ErrorText{.what = "the split has no image '" + image + "'",
                  .where = manifest.file.string() + ", split " + to_string(split),
                  .advice = near.empty() ? "names are as in scores.csv" : "did you mean '" + near + "'?"});
  }
  manifest.items = std::move(kept);
}

/// All that is known about the evaluation, as JSON.
nlohmann::ordered_json eval_json(const EvalOptions& options, const Dataset& data, Split split,
                                 const std::string& recipe, const std::string& features, const Evaluation& evaluation,
                                 const ScoreIntervals& intervals) {
  nlohmann::ordered_json json{{"data", printable(options.data.data)},
                              {"split", to_string(split)},
                              {"recipe", recipe},
                              {"device", to_string(options.device)},
                              {"text_features", features},
                              {"images", data.items()},
                              {"loss", evaluation.loss()},
                              {"loss_definition", evaluation_loss_definition}};
  json.update(evaluation.report.json());
  json["dice_intervals"] = intervals.json();
  return json;
}

/// Writes the scores, the pictures of the worst cases, and the report, which comes last.
void write_evaluation(const EvalOptions& options, const Evaluation& evaluation, const Dataset& data,
                      nlohmann::ordered_json json) {
  const std::filesystem::path& folder = options.out;
  std::filesystem::remove(folder / "report.json");
  remove_pictures(folder / "worst");
  save_scores(folder / "scores.csv", evaluation.scores);
  json["scores"] = "scores.csv";
  json["worst"] = save_worst(folder / "worst", evaluation.worst, data, options.worst_apart);
  atomic_write(folder / "report.json",
               json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

int eval(const EvalOptions& options) {
  check_text_options(options.text);
  Manifest manifest = open_data(options.data);
  const Split split = choose_split(manifest, options.split);
  keep_images(manifest, split, options.images);
  const OpenModel model = open_model(options.model, options.adapter, options.threads, options.device);
  if (!options.unseen_labels) check_labels(manifest, model.text.labels);
  warn_of_unknown_labels(model, manifest.labels);
  const TextFeatures features = open_features(model, options.text, manifest.labels, options.threads);
  Progress checking("checking the data set");
  warn_of(check_manifest(manifest, {.split = split, .preparation = model.config.preparation, .training = false},
                         [&](Index done, Index all) { checking.update(done, all); }));
  checking.clear();
  const Dataset data(manifest, split, model.config.image_size, model.config.preparation);
  const std::unique_ptr<FolderLock> folder = options.out.empty() ? nullptr : open_folder(options.out);
  Progress progress("evaluating");
  Evaluation evaluation =
      model.runner->evaluate(data, {.features = features,
                                    .batch = options.batch,
                                    .progress = [&](Index done, Index total) { progress.update(done, total); },
                                    .distances = options.distances,
                                    .tolerance = options.tolerance,
                                    .centerlines = options.centerlines,
                                    .worst = options.out.empty() ? 0 : options.worst});
  progress.clear();
  name_images(evaluation, data, split);
  const ScoreIntervals intervals = score_intervals(evaluation.scores, Metric::dice);
  const std::string recipe = model.adapter ? model.adapter->recipe : "none";
  const nlohmann::ordered_json json = eval_json(options, data, split, recipe, features.source(), evaluation, intervals);
  if (folder != nullptr) write_evaluation(options, evaluation, data, json);
  if (options.json) {
    print_json(json);
    return 0;
  }
  std::printf("%s, split %s, %s images; adapter: %s; device: %s; text features: %s\n\n%s\n%s\nloss %s: %s\n",
              options.data.data.c_str(), to_string(split).c_str(), with_commas(data.items()).c_str(), recipe.c_str(),
              to_string(options.device), features.source().c_str(), evaluation.report.text().c_str(),
              intervals.text("DSC").c_str(), as_decimal(evaluation.loss(), 6).c_str(), evaluation_loss_definition);
  if (folder != nullptr) {
    std::printf("in %s: scores.csv (an image and label a line), report.json, worst/ (%zu pictures)\n",
                options.out.string().c_str(), evaluation.worst.cases().size());
  }
  return 0;
}

}  // namespace

void add_eval(Program& program) {
  auto* verb = program.app.add_subcommand("eval", "Score a model on a data set, label by label");
  auto options = std::make_shared<EvalOptions>();
  add_model_options(*verb, options->model);
  verb->add_option(
          "--adapter", options->adapter,
          "A trained adapter: best or last of a run, a LoRA's folder of PEFT, or a .pth of S-SAM's authors; else "
          "the checkpoint alone")
      ->type_name("PATH");
  add_data_options(*verb, options->data);
  verb->add_option("--split", options->split, "train, val or test; else test where there is one")
      ->check(CLI::IsMember(split_names()));
  add_text_options(*verb, options->text);
  verb->add_flag("--unseen-labels", options->unseen_labels,
                 "Score labels of the data set that the model was not trained on too");
  add_whole(*verb, "--batch", options->batch, "Images that are read at a time; no number depends on it", 1, 4096);
  auto* out = verb->add_option("--out", options->out,
                               "A folder for scores.csv, report.json and worst/*.png: what ssam compare takes")
                  ->type_name("DIR");
  add_whole(*verb, "--worst", options->worst,
            "With --out: how many of the worst answers to labels that are there are drawn", 0, 1000)
      ->needs(out);
  verb->add_flag("--worst-apart", options->worst_apart,
                 "With --out: their image, truth and answer as pictures of their own too")
      ->needs(out);
  add_each(*verb, "--image", options->images, "Only this image, by its name in scores.csv; may be given often")
      ->type_name("NAME");
  auto* distances = verb->add_flag("--distances", options->distances, "Measure HD, HD95 and NSD too");
  add_real(*verb, "--tolerance", options->tolerance,
           "Of the NSD, in pixels; in millimetres where the data set has them", Real::not_negative)
      ->needs(distances);
  verb->add_flag("--centerlines", options->centerlines, "Measure the centre-line Dice (clDice) too");
  add_device(*verb, options->device);
  add_threads(*verb, options->threads);
  add_json(*verb, options->json);
  verb->footer(
      data_help() +
      "Masks are compared at the size of the image on disk; a blank answer to an absent label counts 1. Example:\n"
      "  ssam eval --checkpoint sam_vit_b.pth --adapter run/best --data manifest.json --distances --out scores");
  verb->callback([&program, options] { program.run = [options] { return eval(*options); }; });
}

}  // namespace ssam::cli
