#include "data_options.hpp"

#include <algorithm>
#include <cstdio>
#include <ssam/data/open_data_set.hpp>
#include <ssam/data/split.hpp>

#include "arguments.hpp"

namespace ssam::cli {

namespace {

/// Makes the group of every item what `split_by` asks for.
void group_by(Manifest& manifest, const std::string& split_by) {
  bool known = false;
  for (ManifestItem& item : manifest.items) {
    if (split_by == "image") item.group.clear();
    if (split_by == "folder") item.group = item.image.parent_path().lexically_normal().generic_string();
    known = known || !item.group.empty();
  }
  if (known || split_by == "image") return;
  throw ConfigError(ErrorText{.what = "the data set does not say which images belong to one " + split_by,
                              .where = manifest.file.string(),
                              .advice = "give its items a \"group\" in a manifest, or use --split-by folder or image"});
}

}  // namespace

void add_data_options(CLI::App& verb, DataOptions& options) {
  verb.add_option("--data", options.data, "The data set: manifest.json, or NAME:PATH (see below)")
      ->required()
      ->type_name("FILE|NAME:PATH");
  CLI::Option* by = verb.add_option("--split-by", options.split_by,
                                    "Divide training and validation images anew, in folds that keep together what "
                                    "belongs together: the data set's group, patient or video (one and the same), the "
                                    "folder of an image, or nothing (image)");
  by->check(CLI::IsMember({"group", "patient", "video", "folder", "image"}))->type_name("WHAT");
  add_whole(verb, "--folds", options.folds, "Into how many", 2, 1'000'000)->needs(by);
  add_whole(verb, "--fold", options.fold, "Which of them validates, from 1 on; the others train", 1, 1'000'000)
      ->needs(by);
}

Manifest open_data(const DataOptions& options) {
  if (options.fold > options.folds) {
    throw UsageError("--fold " + std::to_string(options.fold) + " is none of --folds " + std::to_string(options.folds));
  }
  Manifest manifest = open_data_set(options.data);
  if (!options.split_by.empty()) {
    group_by(manifest, options.split_by);
    manifest = split_by_group(std::move(manifest), options.folds, options.fold);
  }
  for (const std::string& note : manifest.notes) std::fprintf(stderr, "ssam: note: %s\n", note.c_str());
  return manifest;
}

std::string data_help() {
  std::string text = "--data is a manifest (JSON) or NAME:PATH:\n";
  for (const DataLayout& layout : data_layouts()) {
    text += "  " + (layout.name + std::string(":")).append(13 - std::string(layout.name).size(), ' ') + layout.content +
            "\n";
  }
  return text;
}

}  // namespace ssam::cli
