#pragma once

#include <functional>
#include <ssam/data/image.hpp>
#include <ssam/data/load_item.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// "volume-0_axial_041": a file's name without its extensions, and the slice.
inline std::string picture_stem(const ManifestItem& item) {
  std::string name = item.image.filename().string();
  for (const char* end : {".gz", ".nii", ".dcm", ".img", ".hdr"}) {
    if (name.ends_with(end)) name.erase(name.rfind(end));
  }
  std::string number = std::to_string(*item.slice);
  number.insert(0, number.size() < 4 ? 4 - number.size() : 0, '0');
  return name + "_" + item.axis + "_" + number;
}

}  // namespace detail

/// Writes the slices of volumes among the items of `manifest` as PNG into `folder` (made if need be): pictures of 8
/// bits by `intensity` and the masks on them, so that training reads each in a moment. Returns the manifest with those
/// files in the place of the volumes; other items stay as they are. `progress(done, items)` is called for each item.
/// Throws as load_item_image and load_label_masks, IoError, ConfigError for two slices whose pictures would have one
/// name.
inline Manifest export_pictures(Manifest manifest, const std::filesystem::path& folder, const Intensity& intensity = {},
                                const std::function<void(Index, Index)>& progress = nullptr) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) {
    throw IoError(ErrorText{.what = "cannot make the folder", .where = folder.string(), .found = failure.message()});
  }
  std::set<std::string> names;
  VolumeStore store;
  Index done = 0;
  for (ManifestItem& item : manifest.items) {
    ++done;
    if (progress) progress(done, static_cast<Index>(manifest.items.size()));
    if (!item.slice) continue;
    const std::string stem = detail::picture_stem(item);
    if (!names.insert(stem).second) {
      throw ConfigError(ErrorText{.what = "two slices would be written to one file",
                                  .where = (folder / (stem + ".png")).string(),
                                  .found = item_text(item),
                                  .advice = "give the volumes different names"});
    }
    const Image image = load_item_image(item, intensity, store);
    save_png(folder / (stem + ".png"), image);
    const auto write_mask = [&](std::filesystem::path& file, const StoredMask& mask, const std::string& name) {
      save_png(folder / (name + ".png"), mask.values);
      file = folder / (name + ".png");
    };
    // Read once more as a data set reads them: what does not lie on its picture is refused here.
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
  return manifest;
}

}  // namespace ssam::inline SSAM_ABI
