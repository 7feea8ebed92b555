#include "open_model.hpp"

#include <algorithm>
#include <cstdio>
#include <ssam/core/closest_name.hpp>
#include <ssam/data/check_manifest.hpp>
#include <ssam/data/load_picture.hpp>
#include <ssam/sam/adapter.hpp>

#include "slice_options.hpp"

namespace ssam::cli {

OpenModel open_model(const ModelOptions& options, const std::filesystem::path& adapter, int threads,
                     DeviceKind device) {
  require_built_for(device);
  OpenModel opened;
  if (!adapter.empty()) opened.adapter = read_adapter_info(adapter);
  SamCheckpoint checkpoint = open_checkpoint(options, opened.adapter ? &*opened.adapter : nullptr);
  opened.config = checkpoint.config;
  opened.has_text_affine = checkpoint.has_text_affine || opened.adapter;
  opened.text = checkpoint.text;

  const Recipe& recipe = find_recipe(opened.adapter ? opened.adapter->recipe : "zero_shot");
  const Rule rule = find_rule(opened.adapter ? opened.adapter->rule : "paper");
  opened.runner = recipe.make(rule, checkpoint.config, threads, device);
  opened.runner->load(std::move(checkpoint.weights), options.checkpoint.string(), 0);
  if (!opened.adapter) return opened;

  const std::string note = opened.runner->prepare(options.checkpoint);
  if (!note.empty()) std::fprintf(stderr, "ssam: %s\n", note.c_str());
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
