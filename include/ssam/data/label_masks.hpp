#pragma once

#include <algorithm>
#include <ssam/data/preprocess.hpp>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Where each label of one image is.
class LabelMasks {
 public:
  /// Labels that may overlap: `per_label` has one mask per label, an empty one where the label is absent. `size`: of
  /// the image.
  LabelMasks(ImageSize size, std::vector<Mask> per_label) : size_(size), masks_(std::move(per_label)) {}
  /// Labels that exclude each other: `classes` is 0 on the background, k + 1 on label k.
  explicit LabelMasks(Mask classes) : size_{classes.height, classes.width}, exclusive_(true) {
    masks_.push_back(std::move(classes));
  }

  /// Of the image.
  const ImageSize& size() const { return size_; }

  /// Whether `label` has any pixel.
  bool present(Index label) const {
    const Mask& source = masks_[exclusive_ ? 0 : static_cast<std::size_t>(label)];
    return std::any_of(source.values.begin(), source.values.end(),
                       [&](std::uint8_t value) { return exclusive_ ? value == label + 1 : value != 0; });
  }

  /// 1 where `label` is, else 0.
  Mask binary(Index label) const {
    const Mask& source = masks_[exclusive_ ? 0 : static_cast<std::size_t>(label)];
    Mask mask(size_.height, size_.width);
    for (std::size_t i = 0; i < source.values.size(); ++i) {
      mask.values[i] = (exclusive_ ? source.values[i] == label + 1 : source.values[i] > 0) ? 1 : 0;
    }
    return mask;
  }

  /// The largest value that the mask of `label` was given with; 0 where the label is absent.
  std::uint8_t stored_value(Index label) const {
    if (exclusive_) return present(label) ? static_cast<std::uint8_t>(label + 1) : std::uint8_t{0};
    const std::vector<std::uint8_t>& values = masks_[static_cast<std::size_t>(label)].values;
    return values.empty() ? std::uint8_t{0} : *std::max_element(values.begin(), values.end());
  }

 private:
  ImageSize size_;
  std::vector<Mask> masks_;
  bool exclusive_ = false;
};

}  // namespace ssam::inline SSAM_ABI
