#include "open_model.hpp"

#include <cstdio>
#include <ssam/data/check_manifest.hpp>
#include <ssam/data/image.hpp>
#include <ssam/sam/adapter.hpp>

namespace ssam::cli {

OpenModel open_model(const ModelOptions& options, const std::filesystem::path& adapter, int threads,
                     DeviceKind device) {
  require_built_for(device);
  OpenModel opened;
  if (!adapter.empty()) opened.adapter = read_adapter_info(adapter);
  SamCheckpoint checkpoint = open_checkpoint(options, opened.adapter ? &*opened.adapter : nullptr);
  opened.config = checkpoint.config;
  opened.has_text_affine = checkpoint.has_text_affine || opened.adapter;
  opened.text_source = checkpoint.text_source;
  opened.text_hash = checkpoint.text_hash;
  opened.labels = checkpoint.labels;

  const Recipe& recipe = find_recipe(opened.adapter ? opened.adapter->recipe : "zero_shot");
  const Rule rule = find_rule(opened.adapter ? opened.adapter->rule : "paper");
  opened.runner = recipe.make(rule, checkpoint.config, threads, device);
  opened.runner->load(std::move(checkpoint.weights), options.checkpoint.string(), 0);
  if (!opened.adapter) return opened;

  const std::string note = opened.runner->prepare(options.checkpoint);
  if (!note.empty()) std::fprintf(stderr, "ssam: %s\n", note.c_str());
  opened.runner->load_adapter(adapter);
  opened.runner->merge();
  opened.text_source = opened.adapter->text_source;
  opened.text_hash = opened.adapter->text_hash;
  opened.labels = opened.adapter->labels;
  return opened;
}

Image open_picture(const std::filesystem::path& file, const Intensity& intensity) {
  ImageNotes notes;
  Image image = load_image(file, intensity, &notes);
  if (notes.bits > 8 || intensity.rule != Intensity::Rule::automatic) {
    std::fprintf(stderr, "ssam: note: %s: stored values %s became 0..255\n", file.c_str(),
                 to_string(notes.range).c_str());
  }
  return image;
}

void warn_of(const ManifestReport& report) {
  for (const std::string& line : report.warnings) std::fprintf(stderr, "ssam: warning: %s\n", line.c_str());
}

TextFeatures open_features(const OpenModel& model, const std::filesystem::path& file) {
  if (!model.has_text_affine) {
    throw ConfigError(ErrorText{.what = "this model cannot be asked for a label: nothing has trained its text affine "
                                        "layer (SAM itself knows no text)",
                                .advice = "use a trained adapter, or a checkpoint that one was merged into"});
  }
  const Index dim = model.config.text_dim;
  const TextFeatures features = file.empty() ? TextFeatures::hashed(dim) : TextFeatures::load(file, dim);
  const std::string hashed = TextFeatures::hashed(dim).source();
  if (!model.text_source.empty() && (model.text_source == hashed) != file.empty()) {
    throw MismatchError(ErrorText{.what = "the model was trained with other text features",
                                  .expected = model.text_source,
                                  .found = features.source(),
                                  .advice = file.empty() ? "give them with --features" : "leave --features out"});
  }
  if (!model.text_hash.empty() && model.text_hash != features.hash()) {
    throw MismatchError(
        ErrorText{.what = "the model was trained with text features of another content",
                  .where = features.source(),
                  .expected = model.text_source + " as it was then (content hash " + model.text_hash + ")",
                  .found = "content hash " + features.hash(),
                  .advice = "give the file that it was trained with, under any name"});
  }
  return features;
}

}  // namespace ssam::cli
