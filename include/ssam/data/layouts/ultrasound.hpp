#pragma once

#include <filesystem>
#include <ssam/data/layouts/files.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// The letters of a name before its first digit: the recording that a real frame (a25, h15, ...) is of.
inline std::string recording_of(const std::string& stem) { return stem.substr(0, stem.find_first_of("0123456789")); }

/// The frames of one of the two parts, a folder with images/ and annotations/.
inline void add_ultrasound(const FilePath& part, Manifest& manifest) {
  const auto images = by_stem(pictures_below(part / "images"), part / "images");
  const auto masks = by_stem(pictures_below(part / "annotations"), part / "annotations");
  require_pairs(images, masks, part / "images", part / "annotations");
  std::set<std::string> recordings;
  bool divided = false;
  for (const auto& [stem, image] : images) recordings.insert(recording_of(image.stem().string()));
  for (const auto& [stem, image] : images) {
    const std::string name = image.stem().string(), recording = recording_of(name);
    ManifestItem item{.image = image, .split = Split::train, .mask = masks.at(stem)};
    item.group = recording;
    if (name.starts_with("ct")) item.group += std::to_string(number_in(name));
    const auto place = std::distance(recordings.begin(), recordings.find(recording)) % 3;
    if (image.parent_path().filename() == "test") {
      item.split = Split::test;
    } else if (name.starts_with("ct")) {
      item.split = number_in(name) >= 13 ? Split::val : Split::train;
    } else {
      item.split = std::array{Split::train, Split::val, Split::test}[static_cast<std::size_t>(place)];
      divided = true;
    }
    manifest.items.push_back(std::move(item));
  }
  if (divided) {
    manifest.notes.push_back(
        "no split of the real frames is published: every third recording validates, every third "
        "tests (" +
        part.string() + ")");
  }
}

}  // namespace detail

/// The abdominal ultrasound data set: `folder` holds images/ and annotations/ with the same names in both (with train/
/// and test/ below), or AUS (simulated) and RUS (real) that do. Colours name 8 organs. Published split: ct1..ct12
/// train, ct13..ct15 validate, the folder test tests; real frames outside of test are divided by recording, the letters
/// of their name: every third recording validates, every third tests. Groups: simulated patients (ct7) and recordings.
/// Throws IoError for what has no partner.
inline Manifest load_ultrasound(const std::filesystem::path& folder) {
  Manifest manifest;
  manifest.coding = MaskCoding::colors;
  manifest.labels = {"Liver", "Kidney", "Pancreas", "Vessels", "Adrenals", "Gall Bladder", "Bones", "Spleen"};
  manifest.colors = {{100, 0, 100}, {255, 255, 0}, {0, 0, 255},     {255, 0, 0},
                     {0, 255, 255}, {0, 255, 0},   {255, 255, 255}, {255, 0, 255}};
  manifest.background_colors = {{0, 0, 0}, {10, 0, 10}};
  std::error_code failure;
  bool parts = false;
  for (const char* part : {"AUS", "RUS"}) {
    if (!std::filesystem::is_directory(folder / part, failure)) continue;
    parts = true;
    detail::add_ultrasound(folder / part, manifest);
  }
  if (!parts) detail::add_ultrasound(folder, manifest);
  return detail::finish_layout(std::move(manifest), folder, "images/ and annotations/, or AUS/ and RUS/");
}

}  // namespace ssam::inline SSAM_ABI
