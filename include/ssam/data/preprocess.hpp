#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <ssam/core/error.hpp>
#include <ssam/core/shape.hpp>
#include <ssam/data/picture.hpp>
#include <ssam/data/preparation.hpp>
#include <ssam/data/resample.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Extents of a picture.
struct ImageSize {
  Index height = 0;                                   ///< in pixels
  Index width = 0;                                    ///< in pixels
  bool operator==(const ImageSize&) const = default;  ///< member by member
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

/// The size of a `height` x `width` picture inside a model's input of `size` x `size`. Throws ConfigError when one of
/// the three is not positive.
inline ImageSize prepared_size(Index height, Index width, Index size, const Preparation& preparation) {
  const ImageSize longest = resize_longest_side(height, width, size);
  if (preparation.form == PreparationForm::sam) return longest;
  // torchvision's Resize(size - 1, max_size=size): whole numbers, cut off at each of the two steps.
  const Index shorter = std::min(height, width), longer = std::max(height, width);
  Index to_shorter = std::max<Index>(1, size - 1), to_longer = to_shorter * longer / shorter;
  if (to_longer > size) {
    to_shorter = std::max<Index>(1, size * to_shorter / to_longer);
    to_longer = size;
  }
  return height >= width ? ImageSize{to_longer, to_shorter} : ImageSize{to_shorter, to_longer};
}

namespace detail {
/// Throws ShapeError for a picture whose values are not as many as its size says.
inline void require_pixels(const char* what, std::size_t values, Index wanted) {
  if (values == static_cast<std::size_t>(wanted)) return;
  throw ShapeError(ErrorText{.what = std::string("the ") + what + " has the wrong number of values",
                             .expected = std::to_string(wanted),
                             .found = std::to_string(values)});
}
}  // namespace detail

/// The image in another size: PIL's antialiased bilinear filter, to the bit.
inline Image resize(const Image& image, ImageSize to) {
  if (image.height == to.height && image.width == to.width) return image;
  Image resized;
  resized.height = to.height;
  resized.width = to.width;
  resized.rgb = detail::resize_8bit(image.rgb, image.height, image.width, 3, to.height, to.width);
  return resized;
}

/// The image in the size it has inside a model's input of `size` x `size`, rounded to 8 bits.
inline Image prepare_image(const Image& image, Index size, const Preparation& preparation) {
  const ImageSize to = prepared_size(image.height, image.width, size, preparation);
  detail::require_pixels("image", image.rgb.size(), 3 * image.height * image.width);
  if (preparation.form == PreparationForm::sam) return resize(image, to);
  Image resized(to.height, to.width);
  const std::vector<float> values =
      detail::resize_real(image.rgb, image.width, 3, detail::triangle_taps<float>(image.height, to.height),
                          detail::triangle_taps<float>(image.width, to.width));
  for (std::size_t i = 0; i < values.size(); ++i) {
    resized.rgb[i] = static_cast<std::uint8_t>(std::clamp(std::nearbyint(values[i]), 0.0f, 255.0f));
  }
  return resized;
}

/// A mask (not 0) in the size it has inside a model's input of `size` x `size`, on the same pixel centres as its image:
/// 0 and 1, or with `soft_masks` 0..255 for the covered part of each cell.
inline Mask prepare_mask(const Mask& mask, Index size, const Preparation& preparation) {
  const ImageSize to = prepared_size(mask.height, mask.width, size, preparation);
  detail::require_pixels("mask", mask.values.size(), mask.height * mask.width);
  std::vector<std::uint8_t> binary(mask.values.size());
  std::transform(mask.values.begin(), mask.values.end(), binary.begin(),
                 [](std::uint8_t value) { return static_cast<std::uint8_t>(value != 0); });
  Mask prepared(to.height, to.width);
  const auto fill = [&](const auto& covered, const auto& is_inside) {
    for (std::size_t i = 0; i < covered.size(); ++i) {
      prepared.values[i] = preparation.soft_masks
                               ? static_cast<std::uint8_t>(std::clamp<double>(covered[i] * 255 + 0.5, 0, 255))
                               : static_cast<std::uint8_t>(is_inside(covered[i]));
    }
  };
  if (preparation.form == PreparationForm::sam) {
    // Half of a cell is the mask's. The weights are rounded: a half must not be lost to that.
    fill(detail::resize_real(binary, mask.width, 1, detail::area_taps(mask.height, to.height),
                             detail::area_taps(mask.width, to.width)),
         [](double covered) { return covered >= 0.5 - 1e-9; });
  } else {
    // The published code rounds to whole numbers before it compares with 0.5: exactly one half goes to 0.
    fill(detail::resize_real(binary, mask.width, 1, detail::triangle_taps<float>(mask.height, to.height),
                             detail::triangle_taps<float>(mask.width, to.width)),
         [](float covered) { return covered > 0.5f; });
  }
  return prepared;
}

/// The fraction (0..1) that `prepared`, a value of `prepare_mask`, stands for.
inline float mask_target(std::uint8_t prepared, const Preparation& preparation) {
  return preparation.soft_masks ? static_cast<float>(prepared) / 255.0f : static_cast<float>(prepared != 0);
}

namespace detail {

/// Values of the 8-bit picture that become 0 and 255 before the pixel mean is taken off; {0, 255}: as they are.
inline std::pair<double, double> intensity_window(const Image& image, Index size, const Preparation& preparation) {
  if (preparation.form == PreparationForm::sam) return {0, 255};
  if (preparation.form == PreparationForm::release_window) return {preparation.window_low, preparation.window_high};
  const auto [least, most] = std::minmax_element(image.rgb.begin(), image.rgb.end());
  const bool padded = image.height < size || image.width < size;
  return {padded ? 0 : static_cast<double>(*least), static_cast<double>(*most)};
}

}  // namespace detail

/// Writes a prepared image (see `prepare_image`) as the model's input: `hwc` receives normalised floats [size, size,
/// 3], padded right and below. Throws ShapeError when it is larger.
inline void normalize_and_pad(const Image& image, Index size, const Preparation& preparation, float* hwc) {
  if (image.height > size || image.width > size) {
    throw ShapeError(ErrorText{.what = "an image is larger than the model's input",
                               .expected = "at most " + std::to_string(size),
                               .found = std::to_string(image.height) + " x " + std::to_string(image.width)});
  }
  const bool sam = preparation.form == PreparationForm::sam;
  const auto [low, high] = detail::intensity_window(image, size, preparation);
  std::array<std::array<float, 3>, 256> normalized;  // of each 8-bit value
  for (std::size_t value = 0; value < 256; ++value) {
    const double span = high - low, stored = static_cast<double>(value);
    const double mapped = sam || (low == 0 && high == 255) ? stored
                          : span > 0                       ? std::clamp((stored - low) / span, 0.0, 1.0) * 255
                                                           : 0;
    for (std::size_t c = 0; c < 3; ++c) {
      normalized[value][c] = (static_cast<float>(mapped) - preparation.stats.mean[c]) / preparation.stats.std[c];
    }
  }
  const std::array<float, 3> padding = sam ? std::array<float, 3>{} : normalized[0];
  for (Index y = 0; y < size; ++y) {
    const Index filled = y < image.height ? image.width : 0;
    const std::uint8_t* from = filled > 0 ? image.pixel(y, 0) : nullptr;
    for (Index x = 0; x < size; ++x) {
      for (std::size_t c = 0; c < 3; ++c) *hwc++ = x < filled ? normalized[*from++][c] : padding[c];
    }
  }
}

/// An image of any size as the model's input [size, size, 3].
inline std::vector<float> preprocess(const Image& image, Index size, const Preparation& preparation) {
  std::vector<float> hwc(static_cast<std::size_t>(size * size * 3));
  normalize_and_pad(prepare_image(image, size, preparation), size, preparation, hwc.data());
  return hwc;
}

/// A mask of any size on the model's input grid: `prepare_mask`, padded with 0; [size, size].
inline Mask preprocess_mask(const Mask& mask, Index size, const Preparation& preparation) {
  const Mask prepared = prepare_mask(mask, size, preparation);
  Mask padded(size, size);
  for (Index y = 0; y < prepared.height; ++y) {
    std::copy_n(prepared.values.data() + y * prepared.width, prepared.width, padded.values.data() + y * size);
  }
  return padded;
}

}  // namespace ssam::inline SSAM_ABI
