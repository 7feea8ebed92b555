#pragma once

#include <filesystem>
#include <ssam/data/layouts/files.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

/// CholecSeg8k: video01/video01_00080/frame_80_endo.png and the like below `folder`, each with its watershed mask,
/// whose grey values are the 12 labels. Published split: videos 12 and 27 validate, 17 and 52 test. Groups: the videos.
/// Throws IoError for what has no partner or stands in no video's folder.
inline Manifest load_cholecseg8k(const std::filesystem::path& folder) {
  const std::string mask_end = "_watershed_mask", image_end = "_endo";
  std::vector<detail::FilePath> images, masks;
  for (const detail::FilePath& file : detail::pictures_below(folder)) {
    const std::string stem = file.stem().string();
    if (stem.ends_with(mask_end)) masks.push_back(file);
    if (stem.ends_with(image_end)) images.push_back(file);
  }
  std::map<std::string, detail::FilePath> mask_of;
  for (const auto& [stem, mask] : detail::by_stem(masks, folder)) {
    std::string frame = stem.substr(0, stem.size() - mask_end.size());
    if (!frame.ends_with(image_end)) frame += image_end;
    mask_of.emplace(frame, mask);
  }
  const auto image_of = detail::by_stem(images, folder);
  detail::require_pairs(image_of, mask_of, folder, folder);
  Manifest manifest;
  manifest.coding = MaskCoding::values;
  manifest.labels = {"Grasper",        "L Hook Electrocautery",  "Liver",       "Fat",   "Gall Bladder",
                     "Abdominal Wall", "Gastrointestinal Tract", "Cystic Duct", "Blood", "Hepatic Vein",
                     "Liver Ligament", "Connective Tissue"};
  manifest.values = {31, 32, 21, 12, 22, 11, 13, 25, 24, 33, 5, 23};
  manifest.background_values = {0, 50, 255};
  manifest.augment = {.rotation = true, .flip = true, .saturation = true, .brightness = true};
  std::vector<std::string> elsewhere;
  for (const auto& [stem, image] : image_of) {
    const std::string clip = image.parent_path().filename().string();
    const std::string video = clip.substr(0, clip.find('_'));
    const int number = detail::number_in(video);
    if (!video.starts_with("video") || number < 0) elsewhere.push_back(stem);
    ManifestItem item{.image = image, .split = Split::train, .mask = mask_of.at(stem)};
    item.group = video;
    if (number == 12 || number == 27) item.split = Split::val;
    if (number == 17 || number == 52) item.split = Split::test;
    manifest.items.push_back(std::move(item));
  }
  detail::refuse_those(
      elsewhere, "frames stand in no video's folder", folder,
      "keep the folders as published, video01/video01_00080/frame_80_endo.png: the split goes by them");
  return detail::finish_layout(std::move(manifest), folder,
                               "video01/video01_00080/frame_80_endo.png and its _watershed_mask.png");
}

}  // namespace ssam::inline SSAM_ABI
