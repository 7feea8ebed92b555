#pragma once

#include <algorithm>
#include <cstdint>
#include <opencv2/imgproc.hpp>
#include <ssam/data/augmentation.hpp>
#include <ssam/data/image.hpp>

namespace ssam::inline SSAM_ABI {

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
