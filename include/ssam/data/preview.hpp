#pragma once

#include <algorithm>
#include <opencv2/imgproc.hpp>
#include <ssam/data/image.hpp>
#include <ssam/data/load_item.hpp>
#include <ssam/data/manifest.hpp>
#include <ssam/data/overlay.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// A mask (0 and 1) made smaller: what is at least half covered, or touched at all where that leaves nothing.
inline Mask shrink_mask(const Mask& mask, cv::Size size) {
  cv::Mat covered;
  Mask spread = mask;
  for (std::uint8_t& value : spread.values) value = value != 0 ? 255 : 0;
  cv::resize(as_mat(spread), covered, size, 0, 0, cv::INTER_AREA);
  Mask small(size.height, size.width);
  for (const int least : {128, 1}) {
    std::transform(covered.begin<std::uint8_t>(), covered.end<std::uint8_t>(), small.values.begin(),
                   [&](std::uint8_t value) { return value >= least ? 1 : 0; });
    if (std::count(small.values.begin(), small.values.end(), 1) > 0) break;
  }
  return small;
}

/// Writes the names of labels on a picture, each on its mask and none on another.
class MaskNames {
 public:
  explicit MaskNames(Image& image) : image_(image) {}

  /// Over the middle of the longest row of the mask, or below a mask that is smaller than its name.
  void write(const Mask& mask, const std::string& text, const Color& color) {
    int base = 0;
    const cv::Size size = cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, scale, 1, &base);
    const cv::Rect place = free_place(anchor(mask, size), {size.width, size.height + base});
    taken_.push_back(place);
    const cv::Point left(place.x, place.y + size.height);
    cv::Mat canvas = as_mat(image_);
    cv::putText(canvas, text, left, cv::FONT_HERSHEY_SIMPLEX, scale, cv::Scalar(0, 0, 0), 3, cv::LINE_AA);
    const cv::Scalar light(128 + color[0] / 2, 128 + color[1] / 2, 128 + color[2] / 2);
    cv::putText(canvas, text, left, cv::FONT_HERSHEY_SIMPLEX, scale, light, 1, cv::LINE_AA);
  }

 private:
  static constexpr double scale = 0.42;

  /// The middle of the text.
  static cv::Point anchor(const Mask& mask, cv::Size text) {
    Index longest = 0, middle = 0, row = 0, bottom = 0;
    for (Index y = 0; y < mask.height; ++y) {
      Index run = 0;
      for (Index x = 0; x < mask.width; ++x) {
        run = mask.at(y, x) != 0 ? run + 1 : 0;
        if (run > 0) bottom = y;
        if (run <= longest) continue;
        longest = run;
        middle = x - run / 2;
        row = y;
      }
    }
    return {static_cast<int>(middle), static_cast<int>(longest < text.width ? bottom + text.height : row)};
  }

  /// The nearest place above or below the wanted one that no other name has; the wanted one where all is full.
  cv::Rect free_place(cv::Point middle, cv::Size size) const {
    const auto at = [&](int y) {
      const int right = static_cast<int>(image_.width) - size.width - 1;
      const int low = static_cast<int>(image_.height) - size.height - 1;
      return cv::Rect(cv::Point(std::max(1, std::min(middle.x - size.width / 2, right)),
                                std::max(1, std::min(y - size.height / 2, low))),
                      size);
    };
    for (int step = 0; step < 2 * static_cast<int>(image_.height); ++step) {
      const cv::Rect place = at(middle.y + (step % 2 == 0 ? step / 2 : -(step + 1) / 2));
      const auto overlaps = [&](const cv::Rect& other) { return (place & other).area() > 0; };
      if (std::none_of(taken_.begin(), taken_.end(), overlaps)) return place;
    }
    return at(middle.y);
  }

  Image& image_;
  std::vector<cv::Rect> taken_;
};

}  // namespace detail

/// A picture of `item`, its longer side brought to `side` pixels, with the masks of all its labels drawn over it and
/// their names. `manifest` names the labels. Throws as load_item_image() and load_label_masks().
inline Image preview_item(const Manifest& manifest, const ManifestItem& item, Index side) {
  ImageNotes notes;
  VolumeStore store;
  const Image image = load_item_image(item, {}, store, &notes);
  const LabelMasks masks =
      load_label_masks(manifest, item, {image.height, image.width}, notes.orientation, nullptr, store);
  const double factor = static_cast<double>(side) / static_cast<double>(std::max(image.height, image.width));
  const auto scaled = [&](Index extent) { return std::max(1, cvRound(factor * static_cast<double>(extent))); };
  const cv::Size size(scaled(image.width), scaled(image.height));
  Image small(size.height, size.width);
  cv::Mat target = detail::as_mat(small);
  cv::resize(detail::as_mat(image), target, size, 0, 0, factor < 1 ? cv::INTER_AREA : cv::INTER_LINEAR);
  std::vector<std::pair<Index, Mask>> drawn;
  for (Index k = 0; k < static_cast<Index>(manifest.labels.size()); ++k) {
    if (!masks.present(k)) continue;
    drawn.emplace_back(k, detail::shrink_mask(masks.binary(k), size));
    small = overlay(small, drawn.back().second, label_color(k));
  }
  detail::MaskNames names(small);
  for (const auto& [k, mask] : drawn) {
    names.write(mask, manifest.labels[static_cast<std::size_t>(k)], label_color(k));
  }
  return small;
}

/// A contact sheet of up to `count` pictures of `manifest`, spread evenly over its items, as preview_item() draws them
/// with `side`.
/// Throws as preview_item().
inline Image preview_sheet(const Manifest& manifest, Index count, Index side = 320) {
  const auto items = static_cast<Index>(manifest.items.size());
  const Index shown = std::min(count, items), columns = std::min<Index>(4, shown);
  std::vector<std::vector<CaptionedImage>> rows;
  for (Index i = 0; i < shown; ++i) {
    const ManifestItem& item = manifest.items[static_cast<std::size_t>(i * items / shown)];
    if (i % columns == 0) rows.emplace_back();
    rows.back().push_back({preview_item(manifest, item, side),
                           to_string(item.split) + "  " + std::filesystem::path(item_text(item)).filename().string()});
  }
  return contact_sheet(rows);
}

}  // namespace ssam::inline SSAM_ABI
