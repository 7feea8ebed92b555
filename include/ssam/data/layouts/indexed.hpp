#pragma once

#include <filesystem>
#include <ssam/data/layouts/files.hpp>
#include <sstream>
#include <string>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// The first of these that is in `folder`; an empty path where none is.
inline FilePath first_there(const FilePath& folder, const std::vector<std::string>& names) {
  std::error_code failure;
  for (const std::string& name : names) {
    if (std::filesystem::exists(folder / name, failure)) return folder / name;
  }
  return {};
}

/// Lines of a text file without spaces at their ends; empty ones at the end are none.
inline std::vector<std::string> lines_of(const FilePath& path) {
  std::vector<std::string> lines;
  std::string content = read_file(path, std::size_t{16} << 20);
  if (content.starts_with("\xef\xbb\xbf")) content.erase(0, 3);  // the mark that some editors put before UTF-8
  std::stringstream text(content);
  for (std::string line; std::getline(text, line);) {
    const std::size_t end = line.find_last_not_of(" \t\r");
    line.resize(end == std::string::npos ? 0 : end + 1);
    lines.push_back(line.substr(std::min(line.size(), line.find_first_not_of(" \t"))));
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

/// Labels and values from the file of classes: line by line the names of the values 0, 1, 2, ..., of which 0 is the
/// background.
inline void read_classes(const FilePath& path, Manifest& manifest) {
  const auto refuse = [&](const std::string& what, const std::string& found, const std::string& advice) {
    throw FormatError(ErrorText{.what = what, .where = path.string(), .found = found, .advice = advice});
  };
  const std::vector<std::string> lines = lines_of(path);
  const std::string first = lines.empty() ? "" : lines[0];
  static const std::set<std::string> background{"background", "_background_", "__background__", "Background"};
  if (background.count(first) == 0) {
    refuse("the first class is not the background", "\"" + first + "\"",
           "write \"background\" into the first line: the lines name the values 0, 1, 2, ... of the masks");
  }
  if (lines.size() > 255) refuse("more classes than values", std::to_string(lines.size()), "255 is no class");
  for (std::size_t value = 1; value < lines.size(); ++value) {
    if (lines[value].empty()) refuse("a class has no name", "line " + std::to_string(value + 1), "name every value");
    if (std::count(lines.begin(), lines.end(), lines[value]) > 1) {
      refuse("a class is named twice", "\"" + lines[value] + "\"", "give each value a name of its own");
    }
    manifest.labels.push_back(lines[value]);
    manifest.values.push_back(static_cast<std::uint8_t>(value));
  }
  manifest.background_values = {0, 255};
}

/// The splits of VOC's lists, ImageSets/Segmentation/train.txt, val.txt and test.txt: names of images by line. Nothing
/// where there are no lists.
inline std::map<std::string, Split> listed_splits(const FilePath& folder) {
  std::map<std::string, Split> splits;
  for (const Split split : {Split::train, Split::val, Split::test}) {
    const FilePath list = folder / "ImageSets" / "Segmentation" / (to_string(split) + ".txt");
    std::error_code failure;
    if (!std::filesystem::exists(list, failure)) continue;
    for (const std::string& name : lines_of(list)) {
      if (name.empty()) continue;
      if (splits.emplace(name, split).second) continue;
      throw FormatError(ErrorText{.what = "an image is listed twice",
                                  .where = list.string(),
                                  .found = name,
                                  .advice = "name it in one of the lists, once"});
    }
  }
  return splits;
}

}  // namespace detail

/// One mask for each image, whose grey values or palette indices are the classes: `folder`/images/a.png and
/// `folder`/masks/a.png, or VOC's names JPEGImages and SegmentationClass. classes.txt (or class_names.txt, as labelme
/// writes it) names the values by line: the first line is "background", the second the label of value 1, ... The value
/// 255 (VOC's void) counts as background. Splits: images/ and masks/ below train/, val/ and test/, or VOC's lists
/// ImageSets/Segmentation/train.txt, ... (images in no list are left out, with a note); else all images are for
/// training. Groups: subfolders of images/. Throws IoError for what has no partner, FormatError for other lists.
inline Manifest load_indexed(const std::filesystem::path& folder) {
  Manifest manifest;
  manifest.coding = MaskCoding::values;
  const detail::FilePath classes = detail::first_there(folder, {"classes.txt", "class_names.txt"});
  if (classes.empty()) {
    throw IoError(
        ErrorText{.what = "the file of classes is not there",
                  .where = folder.string(),
                  .expected = "classes.txt: a name per line for the values 0, 1, 2, ..., the first is background",
                  .advice = "write it, or check the path"});
  }
  detail::read_classes(classes, manifest);
  const auto lists = detail::listed_splits(folder);
  Index unlisted = 0;
  std::set<std::string> found;
  for (const detail::SplitFolder& part : detail::split_folders(folder, "images")) {
    const detail::FilePath images = detail::first_there(part.folder, {"images", "JPEGImages"});
    const detail::FilePath masks = detail::first_there(part.folder, {"masks", "SegmentationClass"});
    if (images.empty() || masks.empty()) {
      throw IoError(ErrorText{.what = images.empty() ? "there is no folder of images" : "there is no folder of masks",
                              .where = part.folder.string(),
                              .expected = "images/a.png and masks/a.png, or JPEGImages and SegmentationClass",
                              .advice = "check the path"});
    }
    auto image_of = detail::by_stem(detail::pictures_below(images), images);
    const auto mask_of = detail::by_stem(detail::pictures_below(masks), masks);
    for (auto image = image_of.begin(); !lists.empty() && image != image_of.end();) {
      const bool listed = lists.count(image->first) > 0;
      unlisted += listed ? 0 : 1;
      image = listed ? std::next(image) : image_of.erase(image);
    }
    const bool all = lists.empty();  // with lists, masks of images in none of them may be there
    detail::require_pairs(image_of, all ? mask_of : detail::only_of(mask_of, image_of), images, masks);
    for (const auto& [stem, image] : image_of) {
      found.insert(stem);
      manifest.items.push_back({.image = image,
                                .split = lists.empty() ? part.split : lists.at(stem),
                                .mask = mask_of.at(stem),
                                .group = detail::folder_below(image, images)});
    }
  }
  std::vector<std::string> missing;
  for (const auto& [name, split] : lists) {
    if (found.count(name) == 0) missing.push_back(name);
  }
  detail::refuse_those(missing, "listed images are not there", folder / "ImageSets", "add them, or shorten the lists");
  if (unlisted > 0) {
    manifest.notes.push_back(std::to_string(unlisted) + " images are in none of the lists and are left out");
  }
  return detail::finish_layout(std::move(manifest), folder,
                               "images/a.png and masks/a.png, or JPEGImages and SegmentationClass");
}

}  // namespace ssam::inline SSAM_ABI
