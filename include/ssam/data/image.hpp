#pragma once

#include <cstdint>
#include <filesystem>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <ssam/core/error.hpp>
#include <ssam/core/shape.hpp>
#include <ssam/data/file.hpp>
#include <ssam/data/image_header.hpp>
#include <ssam/io/atomic_file.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam {

/// An 8-bit RGB image, [height, width, 3].
struct Image {
  Index height = 0;
  Index width = 0;
  std::vector<std::uint8_t> rgb;

  Image() = default;
  /// A black image.
  Image(Index rows, Index columns) : height(rows), width(columns), rgb(static_cast<std::size_t>(rows * columns * 3)) {}
  std::uint8_t* pixel(Index y, Index x) { return rgb.data() + (y * width + x) * 3; }
  const std::uint8_t* pixel(Index y, Index x) const { return rgb.data() + (y * width + x) * 3; }
  bool operator==(const Image&) const = default;
};

/// One byte per pixel, [height, width]: a class number, or 0 / not 0 where a binary mask is asked for.
struct Mask {
  Index height = 0;
  Index width = 0;
  std::vector<std::uint8_t> values;

  Mask() = default;
  /// A blank mask.
  Mask(Index rows, Index columns) : height(rows), width(columns), values(static_cast<std::size_t>(rows * columns)) {}
  std::uint8_t& at(Index y, Index x) { return values[static_cast<std::size_t>(y * width + x)]; }
  std::uint8_t at(Index y, Index x) const { return values[static_cast<std::size_t>(y * width + x)]; }
  bool operator==(const Mask&) const = default;
};

namespace detail {

/// The same memory as an OpenCV matrix; RGB order. OpenCV has no const matrices: what is read only must not be written.
inline cv::Mat as_mat(const Image& image) {
  return {static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3,
          const_cast<std::uint8_t*>(image.rgb.data())};
}
inline cv::Mat as_mat(const Mask& mask) {
  return {static_cast<int>(mask.height), static_cast<int>(mask.width), CV_8UC1,
          const_cast<std::uint8_t*>(mask.values.data())};
}

/// A file decoded to three channels (BGR) of 8 or, with `keep_depth`, as many bits as are stored.
inline cv::Mat decode(const std::vector<std::uint8_t>& bytes, const ImageHeader& header, const std::string& name,
                      bool keep_depth) {
  cv::Mat decoded;
  if (bytes.size() <= std::size_t{0x7FFFFFFF}) {
    const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<std::uint8_t*>(bytes.data()));
    try {
      decoded = cv::imdecode(buffer, cv::IMREAD_COLOR | (keep_depth ? cv::IMREAD_ANYDEPTH : 0));
    } catch (const cv::Exception&) {
      decoded.release();  // reported below
    }
  }
  // EXIF orientation may have exchanged height and width.
  const bool upright = decoded.rows == header.height && decoded.cols == header.width;
  const bool turned = decoded.rows == header.width && decoded.cols == header.height;
  if (decoded.empty() || !(upright || turned)) {
    throw FormatError(ErrorText{.what = "the image cannot be decoded",
                                .where = name,
                                .advice = "its picture data is damaged: fetch or export it again"});
  }
  return decoded;
}

template <class Picture>
void save_mat(const std::filesystem::path& path, const Picture& picture, const cv::Mat& mat) {
  std::vector<std::uint8_t> bytes;
  bool encoded = picture.height > 0 && picture.width > 0;
  try {
    encoded = encoded && cv::imencode(".png", mat, bytes);
  } catch (const cv::Exception&) {
    encoded = false;
  }
  if (!encoded) throw Error(ErrorText{.what = "cannot encode an image as PNG", .where = path.string()});
  atomic_write(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace detail

/// Reads a PNG, JPEG or BMP as RGB: grey and palette images become RGB, 16 bits are scaled to 8, alpha is dropped, EXIF
/// orientation is applied. Throws IoError, or FormatError for anything damaged or unsupported (see `inspect_image`).
inline Image load_image(const std::filesystem::path& path) {
  const std::vector<std::uint8_t> bytes = detail::read_bytes(path);
  const ImageHeader header = inspect_image(bytes, path.string());
  const cv::Mat bgr = detail::decode(bytes, header, path.string(), false);
  Image image(bgr.rows, bgr.cols);
  for (int y = 0; y < bgr.rows; ++y) {
    const std::uint8_t* from = bgr.ptr<std::uint8_t>(y);
    std::uint8_t* to = image.pixel(y, 0);
    for (int x = 0; x < bgr.cols; ++x, from += 3, to += 3) {
      to[0] = from[2];
      to[1] = from[1];
      to[2] = from[0];
    }
  }
  return image;
}

/// Reads a mask whose colours name the labels. As `load_image`.
inline Image load_color_mask(const std::filesystem::path& path) { return load_image(path); }

/// Reads a mask whose stored grey value is the class, also from 1, 2, 4 and 16 bits and from RGB with three equal
/// channels. Throws as `load_image`, and FormatError for what has no such value: JPEG (lossy), a palette, colours,
/// values above 255.
inline Mask load_index_mask(const std::filesystem::path& path) {
  const std::vector<std::uint8_t> bytes = detail::read_bytes(path);
  const ImageHeader header = inspect_image(bytes, path.string());
  const auto fail = [&](const char* what, const char* advice) {
    throw FormatError(ErrorText{.what = what, .where = path.string(), .advice = advice});
  };
  if (header.format == ImageFormat::jpeg) fail("a JPEG cannot be a mask: its values are not exact", "store it as PNG");
  if (header.palette)
    fail("a mask with a palette has no grey values", "convert it to grey, or name it as a colour mask");
  cv::Mat bgr = detail::decode(bytes, header, path.string(), true);
  bgr.convertTo(bgr, CV_16U);
  // Decoding spreads 1, 2 or 4 bits over 0..255; the stored value is wanted.
  const int spread = header.bits < 8 ? 255 / ((1 << header.bits) - 1) : 1;
  Mask mask(bgr.rows, bgr.cols);
  for (int y = 0; y < bgr.rows; ++y) {
    const std::uint16_t* from = bgr.ptr<std::uint16_t>(y);
    for (int x = 0; x < bgr.cols; ++x, from += 3) {
      if (from[0] != from[1] || from[1] != from[2]) fail("a grey mask holds colours", "name it as a colour mask");
      const int value = from[0] / spread;
      if (value > 255) fail("a mask value is above 255", "renumber the classes");
      mask.at(y, x) = static_cast<std::uint8_t>(value);
    }
  }
  return mask;
}

/// Writes an RGB PNG; the file is complete or not there at all. Throws IoError, Error for an empty image.
inline void save_png(const std::filesystem::path& path, const Image& image) {
  cv::Mat bgr(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3);
  for (Index y = 0; y < image.height; ++y) {
    std::uint8_t* to = bgr.ptr<std::uint8_t>(static_cast<int>(y));
    const std::uint8_t* from = image.pixel(y, 0);
    for (Index x = 0; x < image.width; ++x, from += 3, to += 3) {
      to[0] = from[2];
      to[1] = from[1];
      to[2] = from[0];
    }
  }
  detail::save_mat(path, image, bgr);
}

/// Writes a grey PNG, values as they are; the file is complete or not there at all. Throws IoError, Error when empty.
inline void save_png(const std::filesystem::path& path, const Mask& mask) {
  detail::save_mat(path, mask, detail::as_mat(mask));
}

}  // namespace ssam
