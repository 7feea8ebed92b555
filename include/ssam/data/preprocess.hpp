#pragma once

#include <algorithm>
#include <array>
#include <opencv2/imgproc.hpp>
#include <ssam/core/error.hpp>
#include <ssam/core/shape.hpp>
#include <ssam/data/image.hpp>
#include <ssam/data/pixel_stats.hpp>
#include <string>
#include <vector>

namespace ssam {

struct ImageSize {
  Index height = 0;
  Index width = 0;
  bool operator==(const ImageSize&) const = default;
};

/// The size of a `height` x `width` image whose longest side was brought to `size`; SAM's rounding, at least 1.
/// Throws ConfigError when one of the three is not positive.
inline ImageSize resize_longest_side(Index height, Index width, Index size) {
  if (height <= 0 || width <= 0 || size <= 0) throw ConfigError("an image size must be positive");
  const double scale = static_cast<double>(size) / static_cast<double>(std::max(height, width));
  const auto scaled = [&](Index extent) {
    return std::clamp(static_cast<Index>(static_cast<double>(extent) * scale + 0.5), Index{1}, size);
  };
  return {scaled(height), scaled(width)};
}

/// The image in another size: area average when it shrinks, bilinear when it grows.
inline Image resize(const Image& image, ImageSize to) {
  if (image.height == to.height && image.width == to.width) return image;
  Image resized(to.height, to.width);
  cv::Mat target = detail::as_mat(resized);
  const bool shrinks = to.height < image.height || to.width < image.width;
  cv::resize(detail::as_mat(image), target, target.size(), 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  return resized;
}

/// The mask in another size: nearest value.
inline Mask resize(const Mask& mask, ImageSize to) {
  if (mask.height == to.height && mask.width == to.width) return mask;
  Mask resized(to.height, to.width);
  cv::Mat target = detail::as_mat(resized);
  cv::resize(detail::as_mat(mask), target, target.size(), 0, 0, cv::INTER_NEAREST);
  return resized;
}

/// Writes an image (not larger than `size` on either side) as normalised floats [size, size, 3], padded right and
/// below. Throws ShapeError when it is larger.
inline void normalize_and_pad(const Image& image, Index size, const PixelStats& stats, PaddingRule rule, float* hwc) {
  if (image.height > size || image.width > size) {
    throw ShapeError(ErrorText{.what = "an image is larger than the model's input",
                               .expected = "at most " + std::to_string(size),
                               .found = std::to_string(image.height) + " x " + std::to_string(image.width)});
  }
  std::array<float, 3> padding{};
  if (rule == PaddingRule::before_normalization) {
    for (std::size_t c = 0; c < 3; ++c) padding[c] = (0.0f - stats.mean[c]) / stats.std[c];
  }
  for (Index y = 0; y < size; ++y) {
    const Index filled = y < image.height ? image.width : 0;
    const std::uint8_t* from = filled > 0 ? image.pixel(y, 0) : nullptr;
    for (Index x = 0; x < size; ++x) {
      for (std::size_t c = 0; c < 3; ++c) {
        *hwc++ = x < filled ? (static_cast<float>(*from++) - stats.mean[c]) / stats.std[c] : padding[c];
      }
    }
  }
}

/// An image of any size as the model's input: longest side to `size`, normalised, padded; [size, size, 3].
inline std::vector<float> preprocess(const Image& image, Index size, const PixelStats& stats, PaddingRule rule) {
  const Image resized = resize(image, resize_longest_side(image.height, image.width, size));
  std::vector<float> hwc(static_cast<std::size_t>(size * size * 3));
  normalize_and_pad(resized, size, stats, rule, hwc.data());
  return hwc;
}

/// A mask of any size on the model's input grid: longest side to `size` (nearest), padded with 0; [size, size].
inline Mask preprocess_mask(const Mask& mask, Index size) {
  const Mask resized = resize(mask, resize_longest_side(mask.height, mask.width, size));
  Mask padded(size, size);
  for (Index y = 0; y < resized.height; ++y) {
    std::copy_n(resized.values.data() + y * resized.width, resized.width, padded.values.data() + y * size);
  }
  return padded;
}

}  // namespace ssam
