#pragma once

// Small data sets on disk, drawn for a test: folders come into being with their files.

#include <ssam/data/check_manifest.hpp>
#include <ssam/data/dataset.hpp>
#include <ssam/data/open_data_set.hpp>

#include "files.hpp"

namespace test {

class Tree {
 public:
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }
  std::string spec(const std::string& layout, const std::string& below = "") const {
    return layout + ":" + (folder_ / below).string();
  }

  std::filesystem::path make(const std::string& name) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    return folder_ / name;
  }
  void text(const std::string& name, const std::string& content) const {
    make(name);
    folder_.write(name, content);
  }
  /// A picture whose pixels all differ from those of other names.
  void image(const std::string& name, ssam::Index height = 5, ssam::Index width = 7) const {
    ssam::Image picture(height, width);
    std::size_t seed = std::hash<std::string>{}(name);
    for (std::uint8_t& value : picture.rgb)
      value = static_cast<std::uint8_t>((seed = seed * 6364136223846793005u + 1) >> 56);
    ssam::save_png(make(name), picture);
  }
  /// A mask of 5 x 7 pixels whose row `y` has the value; the others are `rest`.
  void mask(const std::string& name, ssam::Index y, std::uint8_t value, std::uint8_t rest = 0) const {
    ssam::save_png(make(name), row(y, value, rest));
  }
  /// The same in colours on black.
  void colored(const std::string& name, ssam::Index y, const ssam::Color& color) const {
    ssam::Image picture(5, 7);
    for (ssam::Index x = 0; x < 7; ++x) std::copy(color.begin(), color.end(), picture.pixel(y, x));
    ssam::save_png(make(name), picture);
  }
  static ssam::Mask row(ssam::Index y, std::uint8_t value = 1, std::uint8_t rest = 0) {
    ssam::Mask mask(5, 7);
    for (std::uint8_t& pixel : mask.values) pixel = rest;
    for (ssam::Index x = 0; y >= 0 && x < 7; ++x) mask.at(y, x) = value;
    return mask;
  }

 private:
  Folder folder_;
};

/// What is wrong with a data set ("" if nothing): where it is opened, or where its files are.
inline std::string refusal(const std::string& spec) {
  return message_of<ssam::Error>([&] { ssam::check_manifest(ssam::open_data_set(spec)); });
}

/// The item of an image, by the end of its path.
inline const ssam::ManifestItem& item_of(const ssam::Manifest& manifest, const std::string& image) {
  const auto found = std::find_if(manifest.items.begin(), manifest.items.end(), [&](const ssam::ManifestItem& item) {
    return item.image.generic_string().ends_with(image);
  });
  if (found == manifest.items.end()) throw std::runtime_error("no item " + image);
  return *found;
}

/// The mask of a label on an image, as training would see it.
inline ssam::Mask mask_of(const ssam::Manifest& manifest, const std::string& image, const std::string& label) {
  const ssam::ManifestItem& item = item_of(manifest, image);
  const ssam::Image picture = ssam::load_image(item.image);
  const auto place = std::find(manifest.labels.begin(), manifest.labels.end(), label) - manifest.labels.begin();
  return ssam::load_label_masks(manifest, item, {picture.height, picture.width}).binary(place);
}

}  // namespace test
