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

namespace ssam::inline SSAM_ABI {

/// One training or evaluation sample: an image of a split and the label asked for.
struct Sample {
  Index item = 0;                                  ///< number of the image within the split
  Index label = 0;                                 ///< index of the label
  bool operator==(const Sample&) const = default;  ///< member by member
};

/// What decides the random changes of a sample, together with its index.
struct AugmentationSeed {
  std::uint64_t seed = 0;   ///< of the training
  std::uint64_t epoch = 0;  ///< number of the pass over the data
  Index like = -1;          ///< change the sample as this other one would be (labels of one image that stay together)
};

/// The samples of one split: every image with every label of the set, absent labels included (blank mask). Sample i is
/// item i / labels with label i % labels, in the order of the manifest. All const members may be called from many
/// threads. Decoded and resized items are kept in memory until `cache_bytes` are full.
class Dataset {
 public:
  /// The items of `split`. Throws ConfigError when it has none, or `image_size` (pixels of a side) is not positive. Up
  /// to `cache_bytes` of memory keep decoded items.
  Dataset(Manifest manifest, Split split, Index image_size, const Preparation& preparation,
          std::size_t cache_bytes = std::size_t{1} << 30)
      : manifest_(std::move(manifest)), image_size_(image_size), preparation_(preparation), room_(cache_bytes) {
    for (std::size_t i = 0; i < manifest_.items.size(); ++i) {
      if (manifest_.items[i].split == split) items_.push_back(i);
    }
    if (items_.empty()) {
      throw ConfigError(ErrorText{.what = "the split \"" + to_string(split) + "\" has no items",
                                  .where = manifest_.file.string(),
                                  .found = split_counts(manifest_),
                                  .advice = "choose one of these, or name the split in the manifest"});
    }
    if (image_size <= 0) throw ConfigError("the image size of a data set must be positive");
    cache_.resize(items_.size());
  }

  /// Samples: items x labels.
  Index size() const { return items() * static_cast<Index>(labels().size()); }
  /// Images of the split.
  Index items() const { return static_cast<Index>(items_.size()); }
  /// Pixels of a side of the model's input.
  Index image_size() const { return image_size_; }
  /// Names, in the order of their indices.
  const std::vector<std::string>& labels() const { return manifest_.labels; }
  /// Of all splits.
  const Manifest& manifest() const { return manifest_; }
  /// How images and masks reach the model's size.
  const Preparation& preparation() const { return preparation_; }

  /// Sample `i`. Throws ShapeError outside [0, size()).
  Sample sample(Index i) const {
    if (i < 0 || i >= size()) {
      throw ShapeError(ErrorText{
          .what = "no such sample", .expected = "0.." + std::to_string(size() - 1), .found = std::to_string(i)});
    }
    const auto count = static_cast<Index>(labels().size());
    return {i / count, i % count};
  }
  /// Name of sample `i`'s label. Throws as sample().
  const std::string& label_name(Index i) const { return labels()[static_cast<std::size_t>(sample(i).label)]; }
  /// The manifest's entry of item `index` (of `sample(i).item`).
  const ManifestItem& item(Index index) const { return manifest_.items[items_[static_cast<std::size_t>(index)]]; }

  /// Writes sample i: the normalised, padded image [image_size, image_size, 3] and its mask [image_size, image_size] of
  /// 0 and 1 (with soft masks, of the covered fractions). Without `augmentation` as stored; with it, changed by the
  /// manifest's settings in a way that depends on (seed, epoch, i) only. `image_hwc` or `mask_hw` may be null: not
  /// wanted. Throws as `load_image`.
  void load(Index i, const std::optional<AugmentationSeed>& augmentation, float* image_hwc, float* mask_hw) const {
    const Sample wanted = sample(i);
    const std::shared_ptr<const Item> item = fetch(wanted.item);
    const Mask& stored = item->masks[static_cast<std::size_t>(wanted.label)];
    Mask mask = stored.values.empty() ? Mask(item->image.height, item->image.width) : stored;
    if (augmentation) {
      Random random(augmentation->seed,
                    augmentation->epoch * static_cast<std::uint64_t>(size()) +
                        static_cast<std::uint64_t>(augmentation->like < 0 ? i : augmentation->like));
      Image image = item->image;
      apply(draw_augmentation(manifest_.augment, random), image, mask);
      if (image_hwc != nullptr) normalize_and_pad(image, image_size_, preparation_, image_hwc);
    } else if (image_hwc != nullptr) {
      normalize_and_pad(item->image, image_size_, preparation_, image_hwc);
    }
    if (mask_hw == nullptr) return;
    std::fill_n(mask_hw, image_size_ * image_size_, 0.0f);
    for (Index y = 0; y < mask.height; ++y) {
      for (Index x = 0; x < mask.width; ++x) mask_hw[y * image_size_ + x] = mask_target(mask.at(y, x), preparation_);
    }
  }

  /// Size of an item's image on disk. Throws as `load_image`.
  ImageSize original_size(Index item) const { return fetch(item)->original; }
  /// The image of item `item_index` as it is on disk.
  Image original_image(Index item_index) const { return load_image(item(item_index).image, preparation_.intensity); }
  /// All masks of item `item_index` at the size of the image on disk. Throws as `load_label_masks`.
  LabelMasks original_masks(Index item_index) const {
    const auto stored = fetch(item_index);
    return load_label_masks(manifest_, item(item_index), stored->original, stored->orientation);
  }
  /// The mask (0 and 1) of sample i at the size of the image on disk. Throws as `load_label_masks`.
  Mask original_mask(Index i) const {
    const Sample wanted = sample(i);
    return original_masks(wanted.item).binary(wanted.label);
  }

 private:
  /// An item, prepared but not padded.
  struct Item {
    Image image;
    std::vector<Mask> masks;  ///< one per label, an empty one where the label is absent
    ImageSize original;
    int orientation = 1;
  };

  std::shared_ptr<const Item> fetch(Index index) const {
    const auto place = static_cast<std::size_t>(index);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (cache_[place]) return cache_[place];
    }
    ImageNotes notes;
    const Image image = load_image(item(index).image, preparation_.intensity, &notes);
    auto decoded = std::make_shared<Item>();
    decoded->original = {image.height, image.width};
    decoded->orientation = notes.orientation;
    decoded->image = prepare_image(image, image_size_, preparation_);
    std::size_t bytes = decoded->image.rgb.size();
    const LabelMasks masks = load_label_masks(manifest_, item(index), decoded->original, notes.orientation);
    for (Index label = 0; label < static_cast<Index>(labels().size()); ++label) {
      decoded->masks.push_back(masks.present(label) ? prepare_mask(masks.binary(label), image_size_, preparation_)
                                                    : Mask{});
      bytes += decoded->masks.back().values.size();
    }
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
  Preparation preparation_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const Item>> cache_;
  mutable std::size_t room_;
};

}  // namespace ssam::inline SSAM_ABI
