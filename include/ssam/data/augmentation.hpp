#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <opencv2/imgproc.hpp>
#include <ssam/core/random.hpp>
#include <ssam/data/image.hpp>

namespace ssam::inline SSAM_ABI {

/// Which augmentations a data set gets. The published code rotates in every set; the others are chosen per set.
struct AugmentationSettings {
  bool rotation = true;                                          ///< by 1..10 degrees, probability 0.5
  bool flip = false;                                             ///< left-right, probability 0.5
  bool saturation = false;                                       ///< factor 2, probability 0.2
  bool brightness = false;                                       ///< factor uniform in [0, 2), probability 0.5
  bool operator==(const AugmentationSettings&) const = default;  ///< member by member
};

/// One outcome of the dice.
struct Augmentation {
  int degrees = 0;                                       ///< counter-clockwise
  bool flip = false;                                     ///< left-right
  double saturation = 1;                                 ///< factor: 0 is grey, 1 as it is
  double brightness = 1;                                 ///< factor
  bool operator==(const Augmentation&) const = default;  ///< member by member
};

/// Throws the dice as `settings` say. What is switched off takes its random numbers all the same, so that one setting
/// does not change what the others do.
inline Augmentation draw_augmentation(const AugmentationSettings& settings, Random& random) {
  Augmentation drawn;
  const bool rotate = random.uniform() < 0.5;
  const int degrees = static_cast<int>(1 + random.below(10));
  if (settings.rotation && rotate) drawn.degrees = degrees;
  const bool flip = random.uniform() < 0.5;
  if (settings.flip) drawn.flip = flip;
  const bool saturate = random.uniform() < 0.2;
  if (settings.saturation && saturate) drawn.saturation = 2;
  const bool brighten = random.uniform() < 0.5;
  const double factor = 2 * random.uniform();
  if (settings.brightness && brighten) drawn.brightness = factor;
  return drawn;
}

namespace detail {

/// Rotates about the centre, same size; what comes from outside is 0.
inline void rotate(const cv::Mat& from, cv::Mat& to, int degrees, int interpolation) {
  const cv::Point2f centre(static_cast<float>(from.cols - 1) / 2, static_cast<float>(from.rows - 1) / 2);
  cv::warpAffine(from, to, cv::getRotationMatrix2D(centre, degrees, 1), from.size(), interpolation,
                 cv::BORDER_CONSTANT);
}

inline std::uint8_t to_byte(double value) { return static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0) + 0.5); }

}  // namespace detail

/// Applies one outcome, `drawn`, to an image and its mask (same size): the geometry to both, the colours to the image.
inline void apply(const Augmentation& drawn, Image& image, Mask& mask) {
  if (drawn.degrees != 0) {
    Image rotated(image.height, image.width);
    cv::Mat target = detail::as_mat(rotated);
    detail::rotate(detail::as_mat(image), target, drawn.degrees, cv::INTER_LINEAR);
    image = std::move(rotated);
    Mask rotated_mask(mask.height, mask.width);
    target = detail::as_mat(rotated_mask);
    detail::rotate(detail::as_mat(mask), target, drawn.degrees, cv::INTER_NEAREST);
    mask = std::move(rotated_mask);
  }
  if (drawn.flip) {
    cv::Mat picture = detail::as_mat(image), labels = detail::as_mat(mask);
    cv::flip(picture, picture, 1);
    cv::flip(labels, labels, 1);
  }
  if (drawn.saturation == 1 && drawn.brightness == 1) return;
  for (std::size_t i = 0; i + 2 < image.rgb.size(); i += 3) {
    std::uint8_t* p = image.rgb.data() + i;
    const double grey = 0.2989 * p[0] + 0.587 * p[1] + 0.114 * p[2];
    for (int c = 0; c < 3; ++c) {
      p[c] = detail::to_byte(drawn.brightness * std::clamp(grey + drawn.saturation * (p[c] - grey), 0.0, 255.0));
    }
  }
}

}  // namespace ssam::inline SSAM_ABI
