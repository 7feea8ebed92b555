#pragma once

#include <filesystem>
#include <ssam/data/layouts/files.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

/// GlaS (Warwick-QU): `folder` holds train_N, testA_N and testB_N as PNG or BMP, each with its N_anno that numbers the
/// glands. Label Glands. Published split: testA and testB test; it has no validation images, so every fifth training
/// image validates. Groups: none, the patients are not published. Throws IoError for what has no partner.
inline Manifest load_glas(const std::filesystem::path& folder) {
  const std::string ending = "_anno";
  std::vector<detail::FilePath> images, masks;
  Index others = 0;
  for (const detail::FilePath& file : detail::pictures_below(folder)) {
    const std::string stem = file.stem().string();
    const bool ours = stem.starts_with("train_") || stem.starts_with("testA_") || stem.starts_with("testB_");
    if (ours) {
      (stem.ends_with(ending) ? masks : images).push_back(file);
    } else {
      ++others;
    }
  }
  std::map<std::string, detail::FilePath> mask_of;
  for (const auto& [stem, mask] : detail::by_stem(masks, folder)) {
    mask_of.emplace(stem.substr(0, stem.size() - ending.size()), mask);
  }
  const auto image_of = detail::by_stem(images, folder);
  detail::require_pairs(image_of, mask_of, folder, folder);
  Manifest manifest;
  manifest.labels = {"Glands"};
  manifest.instances = true;
  manifest.augment = {.rotation = true, .flip = true, .saturation = true, .brightness = true};
  for (const auto& [stem, image] : image_of) {
    const std::string name = image.stem().string();
    ManifestItem item{.image = image, .split = Split::train, .masks = {mask_of.at(stem)}};
    if (name.starts_with("test")) {
      item.split = Split::test;
    } else if (detail::number_in(name) % 5 == 0) {
      item.split = Split::val;
    }
    manifest.items.push_back(std::move(item));
  }
  manifest.notes = {"GlaS publishes no validation images: every fifth training image validates"};
  if (others > 0) manifest.notes.push_back(std::to_string(others) + " pictures have no name of GlaS and are left out");
  return detail::finish_layout(std::move(manifest), folder, "train_1.bmp and train_1_anno.bmp, ...");
}

}  // namespace ssam::inline SSAM_ABI
