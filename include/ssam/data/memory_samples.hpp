#pragma once

#include <functional>
#include <ssam/data/augmentation.hpp>
#include <ssam/data/sample_source.hpp>
#include <ssam/io/content_hash.hpp>

namespace ssam::inline SSAM_ABI {

/// Changes a prepared image and its mask at random, both alike: what MemorySamples augments with. With OpenCV,
/// `apply(draw_augmentation(settings, random), image, mask)` is what a manifest's data set does.
using AugmentFunction = std::function<void(Random&, Image&, Mask&)>;

/// Images and masks in memory as a SampleSource. They are prepared when they are added, and kept in that form and the
/// truth in its own size.
class MemorySamples {
 public:
  /// `image_size`: the side of the model's input. Throws ConfigError without labels, or for a size that is not
  /// positive.
  MemorySamples(std::vector<std::string> labels, Index image_size, const Preparation& preparation = {},
                AugmentFunction augment = nullptr)
      : labels_(std::move(labels)), image_size_(image_size), preparation_(preparation), augment_(std::move(augment)) {
    if (labels_.empty()) throw ConfigError("samples need at least one label");
    if (image_size <= 0) throw ConfigError("the image size of samples must be positive");
  }

  /// Adds an image with its masks, one per label (not 0: the label is there; an empty mask: it is absent), all of the
  /// image's size. Known of it may be the `spacing` of its pixels in millimetres, and the `group` that it belongs to (a
  /// patient, a video). Throws ShapeError, ConfigError for a spacing that is not finite and above 0.
  void add(const Image& image, const std::vector<Mask>& masks, const std::optional<PixelSpacing>& spacing = {},
           const std::string& group = {}) {
    if (spacing) detail::check_spacing(*spacing);
    const ImageSize size{image.height, image.width};
    const auto refuse = [&](const std::string& expected, const std::string& found) {
      throw ShapeError(ErrorText{.what = "the masks do not fit their image",
                                 .where = item_name(items()),
                                 .expected = expected,
                                 .found = found});
    };
    if (masks.size() != labels_.size()) {
      refuse(std::to_string(labels_.size()) + " masks, one per label", std::to_string(masks.size()));
    }
    detail::PreparedItem prepared;
    prepared.image = prepare_image(image, image_size_, preparation_);
    prepared.original = size;
    ContentHash mask_hash, image_hash;
    for (const Mask& mask : masks) {
      if (!mask.values.empty() && (mask.height != size.height || mask.width != size.width)) {
        refuse(std::to_string(size.height) + " x " + std::to_string(size.width),
               std::to_string(mask.height) + " x " + std::to_string(mask.width));
      }
      prepared.masks.push_back(mask.values.empty() ? Mask{} : prepare_mask(mask, image_size_, preparation_));
      mask_hash.text({reinterpret_cast<const char*>(mask.values.data()), mask.values.size()});
    }
    image_hash.number(static_cast<std::uint64_t>(image.width));
    image_hash.text({reinterpret_cast<const char*>(image.rgb.data()), image.rgb.size()});
    items_.push_back({std::move(prepared), LabelMasks(size, masks), image_hash.hex(), mask_hash.hex(), spacing, group});
  }

  const std::vector<std::string>& labels() const { return labels_; }  ///< in the order of the masks
  Index items() const { return static_cast<Index>(items_.size()); }   ///< images added so far
  /// Samples: every image with every label.
  Index size() const { return items() * static_cast<Index>(labels_.size()); }
  Index image_size() const { return image_size_; }                 ///< side of the model's input
  const Preparation& preparation() const { return preparation_; }  ///< how pictures were brought to it
  /// Sample `i`: image i / labels, label i % labels. Throws ShapeError outside [0, size()).
  Sample sample(Index i) const { return detail::numbered_sample(i, items(), static_cast<Index>(labels_.size())); }
  /// "image 0" for the first `item`: what messages call it.
  std::string item_name(Index item) const { return "image " + std::to_string(item); }
  /// Millimetres between the pixels of image `item`, where they were given.
  std::optional<PixelSpacing> pixel_spacing(Index item) const { return items_[static_cast<std::size_t>(item)].spacing; }
  /// What image `item` belongs to; "" where that was not given.
  const std::string& item_group(Index item) const { return items_[static_cast<std::size_t>(item)].group; }
  /// Where the labels of image `item` are, in its own size.
  LabelMasks original_masks(Index item) const { return items_[static_cast<std::size_t>(item)].truth; }

  /// Writes sample `i` to `image_hwc` [S, S, 3] and `mask_hw` [S, S], see SampleSource. Throws as sample().
  void load(Index i, const std::optional<AugmentationSeed>& augmentation, float* image_hwc, float* mask_hw) const {
    const Sample wanted = sample(i);
    const auto change = [&](Image& image, Mask& mask) {
      Random random = detail::augmentation_random(*augmentation, i, size());
      augment_(random, image, mask);
    };
    detail::write_sample(items_[static_cast<std::size_t>(wanted.item)].prepared, wanted.label, image_size_,
                         preparation_, augmentation.has_value() && augment_ != nullptr, change, image_hwc, mask_hw);
  }

  /// By content; whether images are changed counts, how does not.
  friend nlohmann::json data_fingerprint(const MemorySamples& samples) {
    nlohmann::json images = nlohmann::json::array(), masks = nlohmann::json::array();
    for (const Item& item : samples.items_) {
      images.push_back(item.image_hash);
      masks.push_back(item.mask_hash);
    }
    return {{"labels", samples.labels_},
            {"values", nullptr},
            {"colors", nullptr},
            {"background", nullptr},
            {"augment", samples.augment_ != nullptr},
            {"images", std::move(images)},
            {"masks", std::move(masks)}};
  }

 private:
  struct Item {
    detail::PreparedItem prepared;
    LabelMasks truth;
    std::string image_hash, mask_hash;
    std::optional<PixelSpacing> spacing;
    std::string group;
  };

  std::vector<std::string> labels_;
  Index image_size_;
  Preparation preparation_;
  AugmentFunction augment_;
  std::vector<Item> items_;
};

static_assert(SampleSource<MemorySamples>);

}  // namespace ssam::inline SSAM_ABI
