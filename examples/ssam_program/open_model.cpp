#include "open_model.hpp"

#include <algorithm>
#include <cstdio>
#include <ssam/core/closest_name.hpp>
#include <ssam/data/check_manifest.hpp>
#include <ssam/data/load_picture.hpp>
#include <ssam/sam/adapter.hpp>
#include <ssam/sam/peft_adapter.hpp>
#include <ssam/sam/svdsam_checkpoint.hpp>

#include "slice_options.hpp"

namespace ssam::cli {

namespace {

/// `checkpoint`, read from `source`, in its model, the adapters not yet there.
OpenModel in_model(SamCheckpoint checkpoint, const std::filesystem::path& source, const Recipe& recipe, Rule rule,
                   int threads, DeviceKind device) {
  OpenModel opened;
  opened.config = checkpoint.config;
  opened.has_text_affine = checkpoint.has_text_affine;
  opened.text = checkpoint.text;
  opened.runner = recipe.make(rule, checkpoint.config, threads, device);
  opened.runner->load(std::move(checkpoint.weights), source.string(), 0);
  return opened;
}

void prepare(OpenModel& opened, const std::filesystem::path& checkpoint) {
  const std::string note = opened.runner->prepare(checkpoint);
  if (!note.empty()) std::fprintf(stderr, "ssam: %s\n", note.c_str());
}

/// What is said of an adapter that says nothing itself.
AdapterInfo info_of(const OpenModel& opened, const std::string& recipe, const std::string& rule) {
  AdapterInfo info{.recipe = recipe, .rule = rule, .model = to_string(opened.config.variant)};
  info.config = to_json(opened.config);
  info.preparation = opened.config.preparation;
  return info;
}

OpenModel open_with_svdsam(const ModelOptions& options, const std::filesystem::path& path,
                           const SvdsamCheckpoint& adapter, int threads, DeviceKind device) {
  SamCheckpoint checkpoint = open_checkpoint_for_svdsam(options, adapter);
  require_svdsam_base(adapter, checkpoint.weights, path.string());
  OpenModel opened =
      in_model(std::move(checkpoint), options.checkpoint, find_recipe(adapter.recipe), Rule::release, threads, device);
  prepare(opened, options.checkpoint);
  opened.runner->load_svdsam(adapter, path.string());
  opened.runner->merge();
  opened.adapter = info_of(opened, adapter.recipe, to_string(Rule::release));
  return opened;
}

}  // namespace

OpenModel open_model(const ModelOptions& options, const std::filesystem::path& adapter, int threads,
                     DeviceKind device) {
  require_built_for(device);
  const Recipe& plain = find_recipe("zero_shot");
  if (adapter.empty()) {
    OpenModel opened = in_model(open_checkpoint(options), options.checkpoint, plain, Rule::paper, threads, device);
    prepare(opened, options.checkpoint);
    return opened;
  }
  if (is_peft_adapter(adapter)) {
    OpenModel opened =
        in_model(open_checkpoint_with_peft(options, adapter), options.checkpoint, plain, Rule::paper, threads, device);
    opened.adapter = info_of(opened, "lora", "PEFT");
    return opened;
  }
  if (const auto file = read_svdsam_checkpoint(adapter)) {
    return open_with_svdsam(options, adapter, *file, threads, device);
  }
  const AdapterInfo info = read_adapter_info(adapter);
  OpenModel opened = in_model(open_checkpoint(options, &info), options.checkpoint, find_recipe(info.recipe),
                              find_rule(info.rule), threads, device);
  opened.adapter = info;
  opened.has_text_affine = true;
  prepare(opened, options.checkpoint);
  opened.text = opened.runner->load_adapter(adapter).trained_text();
  opened.runner->merge();
  return opened;
}

Image open_picture(const std::filesystem::path& file, const PictureOptions& options) {
  ImageNotes notes;
  Image image = load_picture(file, options, &notes);
  say_notes(file, notes.remarks);
  if (notes.bits > 8 || options.intensity.rule != Intensity::Rule::automatic) say_range(file, notes.range);
  return image;
}

void warn_of(const ManifestReport& report) {
  for (const std::string& line : report.warnings) std::fprintf(stderr, "ssam: warning: %s\n", line.c_str());
}

void warn_of_unknown_labels(const OpenModel& model, const std::vector<std::string>& labels) {
  for (const std::string& label : labels) {
    const std::vector<std::string>& trained = model.text.labels;
    if (trained.empty() || std::find(trained.begin(), trained.end(), label) != trained.end()) continue;
    std::fprintf(stderr, "ssam: warning: the model was not trained on '%s'; %s\n", label.c_str(),
                 suggest_name(label, trained).c_str());
  }
}

TextFeatures open_features(const OpenModel& model, const TextOptions& options, const std::vector<std::string>& labels,
                           int threads) {
  if (!model.has_text_affine) {
    throw ConfigError(ErrorText{.what = "this model cannot be asked for a label: nothing has trained its text affine "
                                        "layer (SAM itself knows no text)",
                                .advice = "use a trained adapter, or a checkpoint that one was merged into"});
  }
  const Index dim = model.config.text_dim;
  const std::optional<TextFeatures>& own = model.text.features;
  std::optional<TextFeatures> given;
  if (!options.features.empty()) given = TextFeatures::load(options.features, dim);
  if (!options.clip.weights.empty()) {
    std::vector<std::string> all = own ? own->labels() : labels;  // those that are known show that it is the same CLIP
    for (const std::string& label : labels) {
      if (std::find(all.begin(), all.end(), label) == all.end()) all.push_back(label);
    }
    const std::string& pattern = options.clip.pattern;
    const std::string trained = own && !own->pattern().empty() ? own->pattern() : "{}";
    given = clip_features_of(options.clip, all, pattern.empty() ? trained : pattern, threads);
  }
  TextFeatures features = features_to_ask(model.text, given, dim);
  for (const std::string& label : labels) {
    if (features.has(label)) continue;
    const std::string near = closest_name(label, features.labels());
    throw MismatchError(
        ErrorText{.what = "the model was not trained on the label '" + label + "' and has no text feature for it",
                  .expected = ssam::detail::listed(features.labels()),
                  .advice = (near.empty() ? "" : "did you mean '" + near + "'? ") +
                            std::string("give CLIP with --clip and --vocab to ask for it all the same")});
  }
  return features;
}

}  // namespace ssam::cli
