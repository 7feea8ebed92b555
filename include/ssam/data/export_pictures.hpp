#pragma once

#include <functional>
#include <map>
#include <set>
#include <ssam/data/image.hpp>
#include <ssam/data/load_item.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// A file's name without the extensions of volumes.
inline std::string volume_stem(const std::filesystem::path& file) {
  std::string name = file.filename().string();
  for (const char* end : {".gz", ".nii", ".dcm", ".img", ".hdr"}) {
    if (name.ends_with(end)) name.erase(name.rfind(end));
  }
  return name;
}

/// Removes what was written, unless it is to be kept.
class WrittenFiles {
 public:
  explicit WrittenFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}
  WrittenFiles(const WrittenFiles&) = delete;
  WrittenFiles& operator=(const WrittenFiles&) = delete;
  ~WrittenFiles() {
    std::error_code failure;
    for (const std::string& name : names_) std::filesystem::remove(folder_ / name, failure);
  }
  void add(const std::string& name) { names_.push_back(name); }
  void keep() { names_.clear(); }

 private:
  std::filesystem::path folder_;
  std::vector<std::string> names_;
};

/// Names for the pictures of slices, "volume-0_axial_0041"; with the volume's folder before it where two volumes have
/// one name. Empty for other items. Throws ConfigError where that does not tell them apart.
inline std::vector<std::string> picture_names(const Manifest& manifest) {
  std::map<std::string, std::set<std::filesystem::path>> files;
  for (const ManifestItem& item : manifest.items) {
    if (item.slice) files[volume_stem(item.image)].insert(item.image);
  }
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const ManifestItem& item : manifest.items) {
    names.emplace_back();
    if (!item.slice) continue;
    std::string number = std::to_string(*item.slice), name = volume_stem(item.image);
    if (files[name].size() > 1) name = item.image.parent_path().filename().string() + "_" + name;
    number.insert(0, number.size() < 4 ? 4 - number.size() : 0, '0');
    names.back() = name + "_" + item.axis + "_" + number;
    if (taken.insert(names.back()).second) continue;
    throw ConfigError(ErrorText{.what = "two slices would be written to one file",
                                .where = names.back() + ".png",
                                .found = item_text(item),
                                .advice = "give the volumes, or their folders, different names"});
  }
  if (taken.empty()) {
    throw ConfigError(ErrorText{.what = "the data set has no slices of volumes to write as pictures",
                                .where = manifest.file.string(),
                                .advice = "its pictures are files already"});
  }
  return names;
}

}  // namespace detail

/// Writes the slices of volumes among the items of `manifest` as PNG into `folder` (made if need be): pictures of 8
/// bits by `intensity` and the masks on them, so that training reads each in a moment. Returns the manifest with those
/// files in the place of the volumes; other items stay as they are. `progress(done, items)` is called for each item.
/// Throws, leaving no picture behind, as load_item_image and load_label_masks, IoError, ConfigError for two slices
/// whose pictures would have one name, and where there are no slices.
inline Manifest export_pictures(Manifest manifest, const std::filesystem::path& folder, const Intensity& intensity = {},
                                const std::function<void(Index, Index)>& progress = nullptr) {
  const std::vector<std::string> stems = detail::picture_names(manifest);
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) {
    throw IoError(ErrorText{.what = "cannot make the folder", .where = folder.string(), .found = failure.message()});
  }
  detail::WrittenFiles files(folder);
  VolumeStore store;
  for (std::size_t i = 0; i < manifest.items.size(); ++i) {
    ManifestItem& item = manifest.items[i];
    const std::string& stem = stems[i];
    if (progress) progress(static_cast<Index>(i + 1), static_cast<Index>(manifest.items.size()));
    if (!item.slice) continue;
    const Image image = load_item_image(item, intensity, store);
    files.add(stem + ".png");
    save_png(folder / (stem + ".png"), image);
    const auto write_mask = [&](std::filesystem::path& file, const StoredMask& mask, const std::string& name) {
      files.add(name + ".png");
      save_png(folder / (name + ".png"), mask.values);
      file = folder / (name + ".png");
    };
    // As a data set reads them: what it would refuse is refused here.
    load_label_masks(manifest, item, {image.height, image.width}, 1, nullptr, store);
    if (manifest.coding == MaskCoding::values) {
      write_mask(item.mask, detail::index_mask(item, store), stem + "_mask");
    } else if (manifest.coding == MaskCoding::files) {
      for (std::size_t k = 0; k < item.masks.size(); ++k) {
        if (item.masks[k].empty()) continue;
        write_mask(item.masks[k], detail::binary_mask(item, item.masks[k], manifest.instances, store),
                   stem + "_mask_" + std::to_string(k));
      }
    }
    item.image = folder / (stem + ".png");
    item.slice = std::nullopt;
    item.axis = "auto";
  }
  files.keep();
  return manifest;
}

}  // namespace ssam::inline SSAM_ABI
