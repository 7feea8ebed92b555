#pragma once

#include <algorithm>
#include <array>
#include <opencv2/imgproc.hpp>
#include <ssam/core/error.hpp>
#include <ssam/data/image.hpp>
#include <ssam/data/manifest.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// A colour for label `k` that differs from its neighbours'; repeats after 12.
inline Color label_color(Index k) {
  static constexpr std::array<Color, 12> colors{{{230, 60, 60},
                                                 {60, 180, 75},
                                                 {60, 110, 230},
                                                 {250, 200, 40},
                                                 {200, 70, 220},
                                                 {60, 210, 220},
                                                 {245, 130, 40},
                                                 {150, 220, 60},
                                                 {250, 140, 190},
                                                 {0, 140, 130},
                                                 {150, 100, 50},
                                                 {130, 130, 250}}};
  return colors[static_cast<std::size_t>(k % 12)];
}

/// The image with a mask (not 0) laid over it: its area blended with `color` by `alpha` in 0..1, its border drawn
/// opaque. Throws ShapeError when the two sizes differ.
inline Image overlay(const Image& image, const Mask& mask, const Color& color, double alpha = 0.4) {
  if (image.height != mask.height || image.width != mask.width) {
    throw ShapeError(ErrorText{.what = "cannot lay a mask over an image of another size",
                               .expected = std::to_string(image.height) + " x " + std::to_string(image.width),
                               .found = std::to_string(mask.height) + " x " + std::to_string(mask.width)});
  }
  const auto inside = [&](Index y, Index x) {
    return y >= 0 && x >= 0 && y < mask.height && x < mask.width && mask.at(y, x) != 0;
  };
  Image result = image;
  for (Index y = 0; y < mask.height; ++y) {
    for (Index x = 0; x < mask.width; ++x) {
      if (!inside(y, x)) continue;
      const bool border = !inside(y - 1, x) || !inside(y + 1, x) || !inside(y, x - 1) || !inside(y, x + 1);
      const double weight = border ? 1.0 : alpha;
      for (std::size_t c = 0; c < 3; ++c) {
        std::uint8_t& value = result.pixel(y, x)[c];
        value = static_cast<std::uint8_t>((1 - weight) * value + weight * color[c] + 0.5);
      }
    }
  }
  return result;
}

/// A picture of a contact sheet and what is written above it.
struct CaptionedImage {
  Image image;          ///< of any size
  std::string caption;  ///< one line
};

/// `rows` of captioned pictures on a dark sheet; every cell is as large as the largest picture. Captions too long for
/// their cell are drawn smaller.
inline Image contact_sheet(const std::vector<std::vector<CaptionedImage>>& rows) {
  constexpr int gap = 6, caption_height = 20;
  int cell_height = 1, cell_width = 1, columns = 1;
  for (const auto& row : rows) {
    columns = std::max(columns, static_cast<int>(row.size()));
    for (const CaptionedImage& entry : row) {
      cell_height = std::max(cell_height, static_cast<int>(entry.image.height));
      cell_width = std::max(cell_width, static_cast<int>(entry.image.width));
    }
  }
  const int row_height = cell_height + caption_height + gap;
  Image sheet(std::max(1, static_cast<int>(rows.size())) * row_height + gap, columns * (cell_width + gap) + gap);
  cv::Mat canvas = detail::as_mat(sheet);
  canvas.setTo(cv::Scalar(24, 26, 30));
  for (int r = 0; r < static_cast<int>(rows.size()); ++r) {
    const auto& row = rows[static_cast<std::size_t>(r)];
    for (int c = 0; c < static_cast<int>(row.size()); ++c) {
      const CaptionedImage& entry = row[static_cast<std::size_t>(c)];
      const int left = gap + c * (cell_width + gap), top = gap + r * row_height;
      const double natural = cv::getTextSize(entry.caption, cv::FONT_HERSHEY_SIMPLEX, 1.0, 1, nullptr).width;
      const double scale = std::min(0.45, (cell_width - 2) / std::max(natural, 1.0));
      cv::putText(canvas, entry.caption, {left + 1, top + caption_height - 6}, cv::FONT_HERSHEY_SIMPLEX, scale,
                  cv::Scalar(235, 235, 235), 1, cv::LINE_AA);
      if (entry.image.rgb.empty()) continue;
      const cv::Rect place(left, top + caption_height, static_cast<int>(entry.image.width),
                           static_cast<int>(entry.image.height));
      detail::as_mat(entry.image).copyTo(canvas(place));
    }
  }
  return sheet;
}

/// One row of captioned pictures: image | truth | prediction.
inline Image side_by_side(const std::vector<CaptionedImage>& row) { return contact_sheet({row}); }

namespace detail {

/// The picture with every pixel repeated `factor` times in both directions.
inline Image enlarged(const Image& image, Index factor) {
  Image large(image.height * factor, image.width * factor);
  for (Index y = 0; y < large.height; ++y) {
    for (Index x = 0; x < large.width; ++x) std::copy_n(image.pixel(y / factor, x / factor), 3, large.pixel(y, x));
  }
  return large;
}
/// The same of a mask.
inline Mask enlarged(const Mask& mask, Index factor) {
  Mask large(mask.height * factor, mask.width * factor);
  for (Index y = 0; y < large.height; ++y) {
    for (Index x = 0; x < large.width; ++x) large.at(y, x) = mask.at(y / factor, x / factor);
  }
  return large;
}

}  // namespace detail

/// An answer to look at: the `image`, over it the true mask `truth` in green, and over it the mask `answer` in red,
/// side by side. Written above them are `name` (of the image), `label` and `score`, "DSC 0.123". Pictures of less than
/// 256 pixels are enlarged by a whole number. Throws ShapeError when the sizes differ.
inline Image truth_beside_answer(const Image& image, const Mask& truth, const Mask& answer, const std::string& name,
                                 const std::string& label, const std::string& score) {
  constexpr Index readable = 256;
  const Index longest = std::max<Index>({image.height, image.width, 1});
  const Index factor = std::max<Index>(1, (readable + longest - 1) / longest);
  const Image large = detail::enlarged(image, factor);
  return side_by_side({{large, name},
                       {overlay(large, detail::enlarged(truth, factor), {60, 180, 75}), "truth: " + label},
                       {overlay(large, detail::enlarged(answer, factor), {230, 60, 60}), "answer: " + score}});
}

}  // namespace ssam::inline SSAM_ABI
