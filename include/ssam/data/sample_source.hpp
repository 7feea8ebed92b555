#pragma once

#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <ssam/core/random.hpp>
#include <ssam/data/label_masks.hpp>
#include <ssam/data/preparation.hpp>
#include <ssam/eval/pixel_spacing.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// One training or evaluation sample: an image and the label asked for.
struct Sample {
  Index item = 0;                                  ///< place of the image
  Index label = 0;                                 ///< place in the list of labels
  bool operator==(const Sample&) const = default;  ///< the same image and label
};

/// What decides the random changes of a sample, together with its index.
struct AugmentationSeed {
  std::uint64_t seed = 0;   ///< of the run
  std::uint64_t epoch = 0;  ///< counted from 0; other changes in every one
  Index like = -1;          ///< change the sample as this other one would be (labels of one image that stay together)
};

/// Where training and evaluation take their samples from: every image with every label, absent labels included (blank
/// mask). Sample i is item i / labels with label i % labels. All of it may be called from many threads.
/// - `labels()`, `items()`, `size()` = items x labels, `sample(i)`;
/// - `image_size()`, the side of the model's input, and `preparation()`, how pictures were brought to it;
/// - `load(i, augmentation, image, mask)` writes the normalised image [S, S, 3] and the mask [S, S] of sample i, either
///   of which may be null: not wanted. Without `augmentation` as they are; with it, changed in a way that depends on it
///   and on i only;
/// - `original_masks(item)`, the truth at the picture's own size;
/// - `item_name(item)` for messages, `data_fingerprint(source)`: what it is by content, for runs that are resumed.
///
/// A source that knows or can do more says it; a source that does not leaves these out:
/// - `pixel_spacing(item)`, a std::optional<PixelSpacing>: the millimetres between the pixels of the picture at its own
///   size, of every picture or of none;
/// - `item_group(item)`, a text: what the picture belongs to (a patient, a video); "" where that is not known;
/// - `expect(samples)`, a span of numbers: what will be asked for next, so that it can be read ahead.
template <class Source>
concept SampleSource = requires(const Source& source, Index i, std::optional<AugmentationSeed> augmentation,
                                float* values) {
  { source.labels() } -> std::convertible_to<const std::vector<std::string>&>;
  { source.items() } -> std::convertible_to<Index>;
  { source.size() } -> std::convertible_to<Index>;
  { source.sample(i) } -> std::convertible_to<Sample>;
  { source.image_size() } -> std::convertible_to<Index>;
  { source.preparation() } -> std::convertible_to<const Preparation&>;
  source.load(i, augmentation, values, values);
  { source.original_masks(i) } -> std::convertible_to<LabelMasks>;
  { source.item_name(i) } -> std::convertible_to<std::string>;
  { data_fingerprint(source) } -> std::convertible_to<nlohmann::json>;
};

namespace detail {

/// The spacing of an item's pixels in millimetres; nothing where the source does not know it.
template <class Source>
std::optional<PixelSpacing> pixel_spacing_of(const Source& source, Index item) {
  if constexpr (requires { source.pixel_spacing(item); }) {
    return source.pixel_spacing(item);
  } else {
    return std::nullopt;
  }
}

/// What an item belongs to; "" where the source does not know it.
template <class Source>
std::string item_group_of(const Source& source, Index item) {
  if constexpr (requires { source.item_group(item); }) {
    return source.item_group(item);
  } else {
    return {};
  }
}

/// Throws ShapeError outside [0, items x labels).
inline Sample numbered_sample(Index i, Index items, Index labels) {
  if (i >= 0 && i < items * labels) return {i / labels, i % labels};
  throw ShapeError(ErrorText{
      .what = "no such sample", .expected = "0.." + std::to_string(items * labels - 1), .found = std::to_string(i)});
}

/// Tells a source that reads ahead which samples will be asked for next.
template <class Source>
void expect_samples(const Source& source, std::span<const Index> samples) {
  if constexpr (requires { source.expect(samples); }) source.expect(samples);
}

/// An item, prepared but not padded.
struct PreparedItem {
  Image image;
  std::vector<Mask> masks;  ///< one per label, an empty one where the label is absent
  ImageSize original;
  int orientation = 1;

  std::size_t bytes() const {
    std::size_t total = image.rgb.size();
    for (const Mask& mask : masks) total += mask.values.size();
    return total;
  }
};

/// What `load` of a source makes of a prepared item. `change(image, mask)` augments them, if there is an augmentation.
template <class Change>
void write_sample(const PreparedItem& item, Index label, Index image_size, const Preparation& preparation,
                  bool augmented, const Change& change, float* image_hwc, float* mask_hw) {
  const Mask& stored = item.masks[static_cast<std::size_t>(label)];
  Mask mask = stored.values.empty() ? Mask(item.image.height, item.image.width) : stored;
  if (augmented) {
    Image image = item.image;
    change(image, mask);
    if (image_hwc != nullptr) normalize_and_pad(image, image_size, preparation, image_hwc);
  } else if (image_hwc != nullptr) {
    normalize_and_pad(item.image, image_size, preparation, image_hwc);
  }
  if (mask_hw == nullptr) return;
  std::fill_n(mask_hw, image_size * image_size, 0.0f);
  for (Index y = 0; y < mask.height; ++y) {
    for (Index x = 0; x < mask.width; ++x) mask_hw[y * image_size + x] = mask_target(mask.at(y, x), preparation);
  }
}

/// The random numbers of a sample's augmentation.
inline Random augmentation_random(const AugmentationSeed& seed, Index i, Index size) {
  return Random(seed.seed, seed.epoch * static_cast<std::uint64_t>(size) +
                               static_cast<std::uint64_t>(seed.like < 0 ? i : seed.like));
}

}  // namespace detail

}  // namespace ssam::inline SSAM_ABI
