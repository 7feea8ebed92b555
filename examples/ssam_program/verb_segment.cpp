#include <algorithm>
#include <cstdio>
#include <numeric>
#include <ssam/core/decimal.hpp>
#include <ssam/data/image.hpp>
#include <ssam/data/overlay.hpp>
#include <ssam/io/npy.hpp>
#include <ssam/io/state_dict.hpp>
#include <ssam/sam/prompt.hpp>
#include <ssam/sam/segment_volume.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "segment_options.hpp"

namespace ssam::cli {

namespace {

/// "1.5,2,0" -> {1.5, 2, 0}. Throws UsageError unless it holds between `least` and `most` numbers.
std::vector<double> numbers_of(const std::string& text, std::size_t least, std::size_t most, const char* form) {
  std::vector<double> numbers;
  bool good = true;
  for (std::size_t begin = 0; good && begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const auto number = parse_real(std::string_view(text).substr(begin, end - begin));
    good = number.has_value();
    numbers.push_back(number.value_or(0));
    begin = end + 1;
  }
  if (!good || numbers.size() < least || numbers.size() > most) {
    throw UsageError(std::string("'") + text + "' is not of the form " + form);
  }
  return numbers;
}

}  // namespace

SamPrompt read_geometry(const SegmentOptions& options) {
  SamPrompt prompt{.multimask_output = options.multimask};
  for (const std::string& text : options.points) {
    const std::vector<double> point = numbers_of(text, 2, 3, "x,y or x,y,1 (foreground) or x,y,0 (background)");
    const double label = point.size() == 3 ? point[2] : 1;
    if (label != 0 && label != 1) throw UsageError("the third number of --point '" + text + "' must be 0 or 1");
    prompt.points.push_back({point[0], point[1]});
    prompt.point_labels.push_back(static_cast<int>(label));
  }
  if (!options.box.empty()) {
    const std::vector<double> box = numbers_of(options.box, 4, 4, "x0,y0,x1,y1");
    if (box[0] >= box[2] || box[1] >= box[3]) {
      throw UsageError("--box '" + options.box + "' is empty: x0 < x1 and y0 < y1 are needed");
    }
    prompt.box = {box[0], box[1], box[2], box[3]};
  }
  return prompt;
}

namespace {

/// A mask prompt: logits of one mask at four times the embedding's grid.
std::vector<float> load_mask_prompt(const std::filesystem::path& path, Index side) {
  const HostTensor stored = load_npy(path);
  const bool leading_one = stored.shape.rank() == 3 && stored.shape[0] == 1;
  const int rank = stored.shape.rank();
  if (!(rank == 2 || leading_one) || stored.shape[-1] != side || stored.shape[-2] != side ||
      !is_floating(stored.dtype)) {
    throw MismatchError(ErrorText{.what = "this array is no mask prompt",
                                  .where = path.string(),
                                  .expected = "floating point " + Shape{1, side, side}.str(),
                                  .found = std::string(dtype_name(stored.dtype)) + " " + stored.shape.str(),
                                  .advice = "--low-res writes one"});
  }
  check_finite(stored, path.string());
  return stored.to<float>();
}

/// One answer: the best mask of a prompt.
struct Answer {
  std::string name;
  Prediction prediction;
  Mask mask;  ///< 0 and 255

  Index best() const { return prediction.best(); }
};

/// One answer: 0 and 255. Several: 0 and 1..n, where masks overlap the one that is surer.
Mask picture_of(const std::vector<Answer>& answers) {
  if (answers.size() == 1) return answers[0].mask;
  std::vector<const Prediction*> all;
  for (const Answer& answer : answers) all.push_back(&answer.prediction);
  return label_map(all);
}

nlohmann::ordered_json describe(const Answer& answer, std::size_t index) {
  Index pixels = 0, left = answer.mask.width, top = answer.mask.height, right = 0, bottom = 0;
  for (Index y = 0; y < answer.mask.height; ++y) {
    for (Index x = 0; x < answer.mask.width; ++x) {
      if (answer.mask.at(y, x) == 0) continue;
      ++pixels;
      left = std::min(left, x);
      right = std::max(right, x + 1);
      top = std::min(top, y);
      bottom = y + 1;
    }
  }
  nlohmann::ordered_json json{{"index", index + 1},
                              {"name", printable(answer.name)},
                              {"iou", answer.prediction.iou[static_cast<std::size_t>(answer.best())]},
                              {"scores", answer.prediction.iou},
                              {"best", answer.best()},
                              {"pixels", pixels}};
  json["box"] = nullptr;
  if (pixels > 0) json["box"] = {left, top, right, bottom};
  return json;
}

void print(const SegmentOptions& options, const std::vector<Answer>& answers, const ImageSize& size,
           const std::string& features) {
  nlohmann::ordered_json json{{"image", printable(options.image.string())},
                              {"height", size.height},
                              {"width", size.width},
                              {"out", printable(options.out.string())},
                              {"device", to_string(options.device)},
                              {"text_features", nullptr}};
  if (!features.empty()) json["text_features"] = features;
  json["masks"] = nlohmann::ordered_json::array();
  for (std::size_t a = 0; a < answers.size(); ++a) json["masks"].push_back(describe(answers[a], a));
  if (options.json) {
    print_json(json);
    return;
  }
  Table table({"mask", "value", "predicted IoU", "pixels", "% of image"});
  for (std::size_t a = 0; a < answers.size(); ++a) {
    const auto pixels = json["masks"][a]["pixels"].get<Index>();
    table.add({answers[a].name, answers.size() == 1 ? "255" : std::to_string(a + 1),
               as_decimal(json["masks"][a]["iou"].get<double>(), 3), with_commas(pixels),
               as_decimal(100.0 * static_cast<double>(pixels) / static_cast<double>(size.height * size.width), 2)});
  }
  std::printf("%s", table.text().c_str());
  if (!features.empty()) std::printf("text features: %s\n", features.c_str());
  std::printf("%s\n", options.out.string().c_str());
}

/// What the options ask for together. Throws UsageError.
void check_prompts(const SegmentOptions& options, bool geometric) {
  if (options.multimask && !geometric && !options.labels.empty()) {
    throw UsageError(
        "--multimask is for points, a box or a mask: labels are trained on, and answered by, one mask of their own");
  }
  if (options.multimask && !options.labels.empty() && !options.logits.empty()) {
    throw UsageError(
        "--logits is one array, with as many masks for every prompt: with --multimask ask for the labels in a second "
        "call");
  }
  if (!options.low_res.empty() && !geometric && options.labels.size() > 1) {
    throw UsageError("--low-res holds one mask: give one --label, or points, a box or a mask");
  }
}

/// Logits of every mask of every prompt, [P, M, height, width].
HostTensor all_logits(const std::vector<Answer>& answers, const ImageSize& size) {
  std::vector<float> values;
  for (const Answer& answer : answers) {
    values.insert(values.end(), answer.prediction.logits.begin(), answer.prediction.logits.end());
  }
  const auto prompts = static_cast<Index>(answers.size());
  return HostTensor::from(Shape{prompts, answers[0].prediction.masks, size.height, size.width}, values);
}

}  // namespace

void check_paths(const SegmentOptions& options) {
  for (const std::string& label : options.labels) {
    if (std::count(options.labels.begin(), options.labels.end(), label) > 1) {
      throw UsageError("--label '" + label + "' is given twice");
    }
  }
  if (!names_volume(options.out)) {
    require_extension("--out", options.out, ".png", "a mask (of a volume: .nii or .nii.gz)");
  }
  require_extension("--overlay", options.overlay, ".png", "a picture");
  require_extension("--logits", options.logits, ".npy", "an array");
  require_extension("--low-res", options.low_res, ".npy", "an array");
  check_files({{"--out", options.out},
               {"--overlay", options.overlay},
               {"--logits", options.logits},
               {"--low-res", options.low_res}},
              {{"--checkpoint", options.model.checkpoint},
               {"--config", options.model.config},
               {"--adapter", options.adapter},
               {"--image", options.image},
               {"--features", options.text.features},
               {"--clip", options.text.clip.weights},
               {"--vocab", options.text.clip.vocabulary},
               {"--mask-input", options.mask_input}});
}

namespace {

/// Everything in the picture: masks 1..n, the smaller ones on top.
int segment_everything(const SegmentOptions& options) {
  if (!options.labels.empty() || !options.points.empty() || !options.box.empty() || !options.mask_input.empty() ||
      !options.logits.empty() || !options.low_res.empty() || !options.text.features.empty() ||
      !options.text.clip.weights.empty() || options.multimask) {
    throw UsageError(
        "--everything prompts by itself: leave labels, features, points, box, mask, --multimask and arrays out");
  }
  check_paths(options);
  const OpenModel model = open_model(options.model, options.adapter, options.threads, options.device);
  const Image image = open_picture(
      options.image,
      options.slices.as_picture(options.image, options.intensity.value_or(model.config.preparation.intensity)));
  model.runner->set_image(image, std::nullopt);
  Progress progress("segmenting: point");
  AutomaticMaskOptions wanted = options.automatic;
  wanted.progress = [&](Index done, Index all) { progress.update(done, all); };
  std::vector<AutomaticMask> found = model.runner->everything(wanted);
  progress.clear();
  const std::size_t all = found.size();
  if (all > 255) {
    std::fprintf(stderr, "ssam: note: %zu masks were found; one file holds the surest 255\n", all);
    found.resize(255);
  }
  std::vector<std::size_t> order(found.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return found[a].area > found[b].area; });
  Mask picture(image.height, image.width);
  Image laid = image;
  for (const std::size_t i : order) {
    for (std::size_t p = 0; p < picture.values.size(); ++p) {
      if (found[i].mask.values[p] != 0) picture.values[p] = static_cast<std::uint8_t>(i + 1);
    }
    if (!options.overlay.empty()) laid = overlay(laid, found[i].mask, label_color(static_cast<Index>(i)));
  }
  save_png(options.out, picture);
  if (!options.overlay.empty()) save_png(options.overlay, laid);
  nlohmann::ordered_json json{{"image", printable(options.image.string())},
                              {"height", image.height},
                              {"width", image.width},
                              {"out", printable(options.out.string())},
                              {"device", to_string(options.device)},
                              {"masks", nlohmann::ordered_json::array()}};
  Table table({"value", "area", "x", "y", "width", "height", "predicted IoU", "stability"});
  for (std::size_t i = 0; i < found.size(); ++i) {
    const AutomaticMask& mask = found[i];
    json["masks"].push_back({{"index", i + 1},
                             {"area", mask.area},
                             {"bbox", mask.box},
                             {"predicted_iou", mask.predicted_iou},
                             {"stability_score", mask.stability_score},
                             {"point", mask.point}});
    table.add({std::to_string(i + 1), with_commas(mask.area), std::to_string(mask.box[0]), std::to_string(mask.box[1]),
               std::to_string(mask.box[2]), std::to_string(mask.box[3]), as_decimal(mask.predicted_iou, 3),
               as_decimal(mask.stability_score, 3)});
  }
  if (options.json) {
    print_json(json);
  } else {
    std::printf("%s%zu masks\n%s\n", table.text().c_str(), found.size(), options.out.string().c_str());
  }
  return 0;
}

int segment(SegmentOptions options) {
  options.intensity = take_intensity(options.model, options.image);
  check_text_options(options.text);
  if (options.everything && !names_volume(options.out)) return segment_everything(options);
  SamPrompt geometry = read_geometry(options);
  const bool geometric = !options.points.empty() || !options.box.empty() || !options.mask_input.empty();
  check_prompts(options, geometric);
  std::vector<std::string> names;
  if (geometric) names.push_back("prompt");
  names.insert(names.end(), options.labels.begin(), options.labels.end());
  if (names.empty()) throw UsageError("nothing to segment: give --label, --point, --box, --mask-input or --everything");
  if (names.size() > 255) throw UsageError("at most 255 masks fit one file");
  if (names_volume(options.out)) return segment_volume_file(options, names);
  check_paths(options);

  const OpenModel model = open_model(options.model, options.adapter, options.threads, options.device);
  const SamConfig& config = model.config;
  const Image image =
      open_picture(options.image,
                   options.slices.as_picture(options.image, options.intensity.value_or(config.preparation.intensity)));
  const ImageSize size{image.height, image.width};
  std::vector<SamPrompt> prompts;
  if (geometric) {
    if (!options.mask_input.empty()) geometry.mask_input = load_mask_prompt(options.mask_input, 4 * config.grid());
    prompts.push_back(std::move(geometry));
  }
  std::optional<TextFeatures> features;
  if (!options.labels.empty()) {
    features = open_features(model, options.text, options.labels, options.threads);
    for (const std::string& label : options.labels) prompts.push_back({.label = label});
    warn_of_unknown_labels(model, options.labels);
  }
  const std::string source = features ? features->source() : "";
  model.runner->set_image(image, features);
  std::vector<Answer> answers;
  for (Prediction& prediction : model.runner->predict(prompts)) {
    Mask mask = prediction.mask();
    answers.push_back({names[answers.size()], std::move(prediction), std::move(mask)});
  }
  save_png(options.out, picture_of(answers));
  if (!options.overlay.empty()) {
    Image laid = image;
    for (std::size_t a = 0; a < answers.size(); ++a) {
      laid = overlay(laid, answers[a].mask, label_color(static_cast<Index>(a)));
    }
    save_png(options.overlay, laid);
  }
  if (!options.logits.empty()) save_npy(options.logits, all_logits(answers, size));
  if (!options.low_res.empty()) {
    const Index side = 4 * config.grid();
    save_npy(options.low_res,
             HostTensor::from(Shape{1, side, side}, answers[0].prediction.low_res_logits(answers[0].best())));
  }
  print(options, answers, size, source);
  return 0;
}

}  // namespace

void add_segment(Program& program) {
  auto* verb = program.app.add_subcommand(
      "segment", "Segment an image by label names, points, a box or a mask, or everything in it");
  auto options = std::make_shared<SegmentOptions>();
  add_model_options(*verb, options->model);
  verb->add_option("--adapter", options->adapter,
                   "A trained adapter: best or last of a run, a LoRA's folder of PEFT, or a .pth of S-SAM's authors")
      ->type_name("PATH");
  verb->add_option("--image", options->image,
                   "PNG, JPEG, BMP; a NIfTI volume, a DICOM file, a folder of a DICOM series")
      ->required()
      ->type_name("FILE");
  add_slice_options(*verb, options->slices);
  add_each(*verb, "--label", options->labels, "A label name, as often as wanted: one mask each")->type_name("NAME");
  add_text_options(*verb, options->text);
  add_each(*verb, "--point", options->points, "x,y in pixels of the image; ,0 behind it: not this. As often as wanted")
      ->type_name("X,Y[,0|1]");
  verb->add_option("--box", options->box, "x0,y0,x1,y1 in pixels of the image")->type_name("X0,Y0,X1,Y1");
  verb->add_option("--mask-input", options->mask_input,
                   "Mask logits [1, 4g, 4g] of an earlier answer (--low-res), g the grid")
      ->type_name("M.npy");
  verb->add_flag("--multimask", options->multimask,
                 "Three masks for points, box and mask; the one with the best predicted IoU is kept");
  auto* everything =
      verb->add_flag("--everything", options->everything, "Find everything in the image, by a grid of points");
  const auto of_everything = [&](CLI::Option* option) { option->needs(everything); };
  of_everything(add_whole(*verb, "--points-per-side", options->automatic.points_per_side,
                          "--everything: points on a side of the grid", 1, 1024));
  of_everything(add_real(*verb, "--pred-iou-thresh", options->automatic.pred_iou_thresh,
                         "--everything: masks the model itself believes less in are dropped", Real::not_negative));
  of_everything(add_real(*verb, "--stability-score-thresh", options->automatic.stability_score_thresh,
                         "--everything: ... and those that depend much on the mask's threshold", Real::not_negative));
  of_everything(add_whole(*verb, "--min-mask-region-area", options->automatic.min_mask_region_area,
                          "--everything: smaller islands and holes are removed, in pixels", 0, 1 << 30));
  verb->add_option(
          "--out", options->out,
          "The mask: 0 and 255, or 0 and 1..n where there are several; of a volume .nii or .nii.gz: 0 and 1..n")
      ->required()
      ->type_name("M.png|M.nii.gz");
  verb->add_option("--overlay", options->overlay, "The image with the masks over it")->type_name("O.png");
  verb->add_option("--logits", options->logits,
                   "Logits [P, M, H, W] of all prompts at the size of the image; M is 3 with --multimask, else 1")
      ->type_name("L.npy");
  verb->add_option("--low-res", options->low_res,
                   "Logits [1, 4g, 4g] of the answer to points, box and mask (else to the label), for --mask-input")
      ->type_name("M.npy");
  add_device(*verb, options->device);
  add_threads(*verb, options->threads);
  add_json(*verb, options->json);
  verb->footer(
      "Points, box and mask make one prompt together; every label makes one of its own. Examples:\n"
      "  ssam segment --checkpoint sam_vit_b.pth --image a.png --point 120,80 --out m.png --overlay o.png\n"
      "  ssam segment --checkpoint sam_vit_b.pth --adapter run/best --image a.png --label Liver --out m.png\n"
      "  ssam segment --checkpoint sam_vit_b.pth --image a.png --everything --out all.png --overlay o.png\n"
      "  ssam segment --checkpoint sam_vit_b.pth --adapter run/best --image ct.nii.gz --label Liver --out m.nii.gz\n"
      "A volume is segmented slice by slice, and its mask lies where the volume does; with --slice N --out m.png it "
      "is\n"
      "one slice, as a picture.");
  verb->callback([&program, options] { program.run = [options] { return segment(*options); }; });
}

}  // namespace ssam::cli
