#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <ssam/core/error.hpp>
#include <ssam/core/random.hpp>
#include <ssam/data/label_masks.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam {

/// One training or evaluation sample: an image of a split and the label asked for.
struct Sample {
  Index item = 0;
  Index label = 0;
  bool operator==(const Sample&) const = default;
};

/// What decides the random changes of a sample, together with its index.
struct AugmentationSeed {
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
  Index like = -1;  ///< change the sample as this other one would be (labels of one image that stay together)
};

/// The samples of one split: every image with every label of the set, absent labels included (blank mask). Sample i is
/// item i / labels with label i % labels, in the order of the manifest. All const members may be called from many
/// threads. Decoded and resized items are kept in memory until `cache_bytes` are full.
class Dataset {
 public:
  /// Throws ConfigError when the split has no items, or `image_size` is not positive.
  Dataset(Manifest manifest, Split split, Index image_size, const PixelStats& stats, PaddingRule rule,
          std::size_t cache_bytes = std::size_t{1} << 30)
      : manifest_(std::move(manifest)), image_size_(image_size), stats_(stats), rule_(rule), room_(cache_bytes) {
    for (std::size_t i = 0; i < manifest_.items.size(); ++i) {
      if (manifest_.items[i].split == split) items_.push_back(i);
    }
    if (items_.empty()) {
      throw ConfigError(
          ErrorText{.what = "the split \"" + to_string(split) + "\" has no items", .where = manifest_.file.string()});
    }
    if (image_size <= 0) throw ConfigError("the image size of a data set must be positive");
    cache_.resize(items_.size());
  }

  /// Samples: items x labels.
  Index size() const { return items() * static_cast<Index>(labels().size()); }
  Index items() const { return static_cast<Index>(items_.size()); }
  Index image_size() const { return image_size_; }
  const std::vector<std::string>& labels() const { return manifest_.labels; }
  const Manifest& manifest() const { return manifest_; }

  /// Throws ShapeError outside [0, size()).
  Sample sample(Index i) const {
    if (i < 0 || i >= size()) {
      throw ShapeError(ErrorText{
          .what = "no such sample", .expected = "0.." + std::to_string(size() - 1), .found = std::to_string(i)});
    }
    const auto count = static_cast<Index>(labels().size());
    return {i / count, i % count};
  }
  const std::string& label_name(Index i) const { return labels()[static_cast<std::size_t>(sample(i).label)]; }
  /// The manifest's entry of an item (of `sample(i).item`).
  const ManifestItem& item(Index index) const { return manifest_.items[items_[static_cast<std::size_t>(index)]]; }

  /// Writes sample i: the normalised, padded image [image_size, image_size, 3] and its mask [image_size, image_size] of
  /// 0 and 1. Without `augmentation` as stored; with it, changed by the manifest's settings in a way that depends on
  /// (seed, epoch, i) only. `image_hwc` or `mask_hw` may be null: not wanted. Throws as `load_image`.
  void load(Index i, const std::optional<AugmentationSeed>& augmentation, float* image_hwc, float* mask_hw) const {
    const Sample wanted = sample(i);
    const std::shared_ptr<const Item> item = fetch(wanted.item);
    Mask mask = item->masks.binary(wanted.label);
    if (augmentation) {
      Random random(augmentation->seed,
                    augmentation->epoch * static_cast<std::uint64_t>(size()) +
                        static_cast<std::uint64_t>(augmentation->like < 0 ? i : augmentation->like));
      Image image = item->image;
      apply(draw_augmentation(manifest_.augment, random), image, mask);
      if (image_hwc != nullptr) normalize_and_pad(image, image_size_, stats_, rule_, image_hwc);
    } else if (image_hwc != nullptr) {
      normalize_and_pad(item->image, image_size_, stats_, rule_, image_hwc);
    }
    if (mask_hw == nullptr) return;
    std::fill_n(mask_hw, image_size_ * image_size_, 0.0f);
    for (Index y = 0; y < mask.height; ++y) {
      for (Index x = 0; x < mask.width; ++x) mask_hw[y * image_size_ + x] = mask.at(y, x);
    }
  }

  /// Size of an item's image on disk. Throws as `load_image`.
  ImageSize original_size(Index item) const { return fetch(item)->original; }
  /// An item's image as it is on disk.
  Image original_image(Index item_index) const { return load_image(item(item_index).image); }
  /// All masks of an item at the size of the image on disk. Throws as `load_index_mask`.
  LabelMasks original_masks(Index item_index) const {
    return load_label_masks(manifest_, item(item_index), original_size(item_index));
  }
  /// The mask (0 and 1) of sample i at the size of the image on disk. Throws as `load_index_mask`.
  Mask original_mask(Index i) const {
    const Sample wanted = sample(i);
    return original_masks(wanted.item).binary(wanted.label);
  }

 private:
  /// An item, longest side at image_size, not padded.
  struct Item {
    Image image;
    LabelMasks masks;
    ImageSize original;
  };

  std::shared_ptr<const Item> fetch(Index index) const {
    const auto place = static_cast<std::size_t>(index);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (cache_[place]) return cache_[place];
    }
    const Image image = load_image(item(index).image);
    const ImageSize original{image.height, image.width};
    const ImageSize size = resize_longest_side(image.height, image.width, image_size_);
    auto decoded = std::make_shared<const Item>(
        Item{resize(image, size), load_label_masks(manifest_, item(index), original).resized(size), original});
    const std::size_t bytes = decoded->image.rgb.size() + decoded->masks.bytes();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!cache_[place] && bytes <= room_) {
      room_ -= bytes;
      cache_[place] = decoded;
    }
    return decoded;
  }

  Manifest manifest_;
  std::vector<std::size_t> items_;  ///< places in manifest_.items
  Index image_size_;
  PixelStats stats_;
  PaddingRule rule_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const Item>> cache_;
  mutable std::size_t room_;
};

}  // namespace ssam
