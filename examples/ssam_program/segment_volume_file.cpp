#include <cstdio>
#include <nlohmann/json.hpp>
#include <ssam/data/load_volume.hpp>
#include <ssam/data/without_medical_files.hpp>
#include <ssam/sam/segment_volume.hpp>

#include "console.hpp"
#include "segment_options.hpp"

namespace ssam::cli {

namespace {

/// The model behind a Runner, as ssam::segment_volume wants to ask it.
struct VolumeRunner {
  const OpenModel& model;
  const std::optional<TextFeatures>& features;

  const SamConfig& config() const { return model.config; }
  void set_image(const Image& image) { model.runner->set_image(image, features); }
  std::vector<Prediction> predict(const std::vector<SamPrompt>& prompts) { return model.runner->predict(prompts); }
};

/// Throws UsageError for what belongs to one picture.
void check_volume_options(const SegmentOptions& options, bool geometric) {
  if (file_kind(options.image) == FileKind::picture) {
    throw UsageError("--out " + options.out.string() + " is a volume, but --image is a picture: name a .png");
  }
  if (options.everything || !options.overlay.empty() || !options.logits.empty() || !options.low_res.empty() ||
      !options.mask_input.empty()) {
    throw UsageError(
        "--everything, --overlay, --logits, --low-res and --mask-input are for one picture: choose a slice with "
        "--slice N and name a .png");
  }
  const auto range = options.slices.range();
  if (geometric && (!range || range->second - range->first != 1)) {
    throw UsageError("points and a box belong to one slice: choose it with --slice N");
  }
}

/// What was found of one mask.
struct Found {
  Index voxels = 0, slices = 0;
  double millilitres = 0;
};

Found count_voxels(const LabelVolume& labels, const SlicePlane& plane, std::uint8_t value) {
  Found found;
  const std::array<double, 3> spacing = labels.spacing();
  for (Index slice = 0; slice < slice_count(labels, plane); ++slice) {
    const Mask mask = slice_mask(labels, plane, slice);
    const auto here = static_cast<Index>(std::count(mask.values.begin(), mask.values.end(), value));
    found.voxels += here;
    found.slices += here > 0 ? 1 : 0;
  }
  found.millilitres = static_cast<double>(found.voxels) * spacing[0] * spacing[1] * spacing[2] / 1000;
  return found;
}

void print_volume(const SegmentOptions& options, const LabelVolume& labels, const std::vector<std::string>& names,
                  const std::string& features) {
  const SlicePlane plane = slice_plane(labels, options.slices.axis);
  const auto range = options.slices.range().value_or(std::pair{Index{0}, slice_count(labels, plane)});
  nlohmann::ordered_json json{{"image", printable(options.image.string())},
                              {"extents", labels.extents},
                              {"spacing", labels.spacing()},
                              {"axis", plane.axis},
                              {"slices", {range.first, range.second}},
                              {"out", printable(options.out.string())},
                              {"device", to_string(options.device)},
                              {"text_features", nullptr}};
  if (!features.empty()) json["text_features"] = features;
  json["masks"] = nlohmann::ordered_json::array();
  Table table({"mask", "value", "voxels", "ml", "slices"});
  for (std::size_t n = 0; n < names.size(); ++n) {
    const Found found = count_voxels(labels, plane, static_cast<std::uint8_t>(n + 1));
    json["masks"].push_back({{"name", printable(names[n])},
                             {"value", n + 1},
                             {"voxels", found.voxels},
                             {"millilitres", found.millilitres},
                             {"slices", found.slices}});
    table.add({names[n], std::to_string(n + 1), with_commas(found.voxels), as_decimal(found.millilitres, 2),
               with_commas(found.slices)});
  }
  if (options.json) {
    print_json(json);
    return;
  }
  std::printf("%s", table.text().c_str());
  if (!features.empty()) std::printf("text features: %s\n", features.c_str());
  std::printf("%s\n", options.out.string().c_str());
}

void write_volume([[maybe_unused]] const std::filesystem::path& path, [[maybe_unused]] const LabelVolume& labels) {
#if defined(SSAM_WITH_NIFTI)
  save_nifti(path, labels);
#else
  detail::not_in_this_build(path, "NIfTI", "nifti_clib (Debian: libnifti2-dev)");
#endif
}

}  // namespace

bool names_volume(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".nii") || name.ends_with(".nii.gz");
}

int segment_volume_file(const SegmentOptions& options, const std::vector<std::string>& names) {
  const bool geometric = !options.points.empty() || !options.box.empty();
  check_paths(options);
  check_volume_options(options, geometric);
#if !defined(SSAM_WITH_NIFTI)
  write_volume(options.out, {});  // says so before the work and not after it
#endif
  const Volume volume = load_volume(options.image, options.slices.of_file());
  say_notes(options.image, volume.notes);
  const SlicePlane plane = slice_plane(volume, options.slices.axis);
  VolumeSegmentOptions slices{.axis = options.slices.axis, .intensity = options.intensity};
  if (const auto range = options.slices.range()) {
    slices.first = range->first;
    slices.end = range->second;
    slice_image(volume, plane, range->second - 1, {});  // refuses what is not there before the model is opened
  }
  const OpenModel model = open_model(options.model, options.adapter, options.threads, options.device);
  std::vector<SamPrompt> prompts;
  if (geometric) prompts.push_back(read_geometry(options));
  std::optional<TextFeatures> features;
  if (!options.labels.empty()) {
    features = open_features(model, options.text, options.labels, options.threads);
    for (const std::string& label : options.labels) prompts.push_back({.label = label});
    warn_of_unknown_labels(model, options.labels);
  }
  say_range(options.image, intensity_range(volume, options.intensity.value_or(model.config.preparation.intensity)));
  Progress progress("segmenting: slice");
  slices.progress = [&](Index done, Index all) { progress.update(done, all); };
  VolumeRunner runner{model, features};
  const LabelVolume labels = segment_volume(runner, volume, prompts, slices);
  progress.clear();
  write_volume(options.out, labels);
  print_volume(options, labels, names, features ? features->source() : "");
  return 0;
}

}  // namespace ssam::cli
