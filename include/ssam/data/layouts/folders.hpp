#pragma once

#include <filesystem>
#include <ssam/data/layouts/files.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// The folders directly in `folder`, sorted by name.
inline std::vector<std::string> subfolders(const FilePath& folder) {
  std::vector<std::string> names;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failure)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(".")) require_target(entry);
    if (entry.is_directory(failure) && !name.starts_with(".")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The pictures of one split. A label has a mask where its folder has a picture of the image's name.
inline void add_folders(const SplitFolder& part, Manifest& manifest) {
  const FilePath images = part.folder / "images", masks = part.folder / "masks";
  const auto image_of = by_stem(pictures_below(images), images);
  std::vector<std::string> loose;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(masks, failure)) {
    if (entry.is_regular_file(failure) && !entry.path().filename().string().starts_with(".")) {
      loose.push_back(entry.path().filename().string());
    }
  }
  refuse_those(
      loose, "files in masks/ are in no label's folder", masks,
      "put each label's masks into a folder of its name, masks/Liver/a.png; where one mask holds all labels by "
      "value, the layout is indexed");
  std::map<std::string, std::map<std::string, FilePath>> masks_of;
  for (const std::string& label : manifest.labels) {
    if (!std::filesystem::is_directory(masks / label, failure)) continue;
    masks_of[label] = by_stem(pictures_below(masks / label), masks / label);
    refuse_those(keys_without(masks_of[label], image_of), "masks have no image", masks / label,
                 "a mask has its image's name: images/a.png and masks/" + label + "/a.png");
  }
  Index blank = 0;
  for (const auto& [stem, image] : image_of) {
    ManifestItem item{.image = image, .split = part.split, .group = folder_below(image, images)};
    bool any = false;
    for (const std::string& label : manifest.labels) {
      const auto found = masks_of[label].find(stem);
      item.masks.push_back(found == masks_of[label].end() ? FilePath() : found->second);
      any = any || !item.masks.back().empty();
    }
    blank += any ? 0 : 1;
    manifest.items.push_back(std::move(item));
  }
  if (blank > 0) {
    manifest.notes.push_back(std::to_string(blank) + " images in " + images.string() +
                             " have no mask of any label: all labels are taken to be absent from them");
  }
}

}  // namespace detail

/// One folder of images and one of masks for each label: `folder`/images/a.png, `folder`/masks/Liver/a.png. A mask has
/// its image's name and lies in the same subfolders (images/patient 3/a.png, masks/Liver/patient 3/a.png); an image
/// without a mask of a label lacks that label. Labels are the folders in masks/, in the order of the alphabet. Splits:
/// the same below train/, val/ and test/; else all images are for training. Groups: subfolders of images/. Throws
/// IoError for masks without an image, FormatError for pictures that are not read.
inline Manifest load_folders(const std::filesystem::path& folder) {
  Manifest manifest;
  const std::vector<detail::SplitFolder> parts = detail::split_folders(folder, "images");
  std::set<std::string> labels;
  for (const detail::SplitFolder& part : parts) {
    for (const std::string& name : detail::subfolders(part.folder / "masks")) labels.insert(name);
  }
  manifest.labels.assign(labels.begin(), labels.end());
  for (const detail::SplitFolder& part : parts) {
    std::error_code failure;
    if (std::filesystem::is_directory(part.folder / "masks", failure)) {
      detail::add_folders(part, manifest);
      continue;
    }
    throw IoError(ErrorText{.what = "there is no folder masks/ beside images/",
                            .where = part.folder.string(),
                            .expected = "images/a.png and masks/Liver/a.png",
                            .advice = "check the path"});
  }
  return detail::finish_layout(std::move(manifest), folder, "images/a.png and masks/Liver/a.png");
}

}  // namespace ssam::inline SSAM_ABI
