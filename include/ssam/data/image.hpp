#pragma once

#include <cstdint>
#include <filesystem>
#include <ssam/core/error.hpp>
#include <ssam/data/decode.hpp>
#include <ssam/data/file.hpp>
#include <ssam/data/image_header.hpp>
#include <ssam/data/intensity.hpp>
#include <ssam/data/picture.hpp>
#include <ssam/io/atomic_file.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// What was done to a picture on its way from the file.
struct ImageNotes {
  int bits = 8;                           ///< per channel, as stored
  IntensityRange range = {};              ///< stored values that became 0 and 255
  int orientation = 1;                    ///< EXIF's; the picture was turned by it
  std::vector<std::string> remarks = {};  ///< what is worth knowing about the volume that it was taken from
};

namespace detail {

/// Writes a PNG, whole or not at all.
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

inline void copy_as_rgb(const cv::Mat& bgr, Image& image) {
  for (int y = 0; y < bgr.rows; ++y) {
    const std::uint8_t* from = bgr.ptr<std::uint8_t>(y);
    std::uint8_t* to = image.pixel(y, 0);
    for (int x = 0; x < bgr.cols; ++x, from += 3, to += 3) {
      to[0] = from[2];
      to[1] = from[1];
      to[2] = from[0];
    }
  }
}

}  // namespace detail

/// Reads a PNG, JPEG or BMP as 8-bit RGB: grey and palette images become RGB, alpha is dropped, EXIF orientation is
/// applied, stored values become 0..255 as `intensity` says. `notes`: what was done, if asked for. Throws IoError, or
/// FormatError for anything damaged or unsupported (see `inspect_image`).
inline Image load_image(const std::filesystem::path& path, const Intensity& intensity = {},
                        ImageNotes* notes = nullptr) {
  const std::vector<std::uint8_t> bytes = detail::read_bytes(path);
  const ImageHeader header = inspect_image(bytes, path.string());
  cv::Mat bgr = detail::decode(bytes, header, path.string(), cv::IMREAD_COLOR | cv::IMREAD_ANYDEPTH);
  Image image(bgr.rows, bgr.cols);
  ImageNotes done{.bits = header.bits, .orientation = header.orientation};
  if (bgr.depth() == CV_8U && intensity.rule == Intensity::Rule::automatic) {
    detail::copy_as_rgb(bgr, image);
  } else {
    bgr.convertTo(bgr, CV_16U);
    const std::uint16_t* const stored = bgr.ptr<std::uint16_t>();
    std::vector<std::uint16_t> values;
    const std::size_t stride = header.channels < 3 && !header.palette ? 3 : 1;  // grey: each pixel once
    for (std::size_t i = 0; i < 3 * bgr.total(); i += stride) values.push_back(stored[i]);
    done.range = intensity_range(values, header.bits, header.significant, intensity);
    for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
      for (std::size_t c = 0; c < 3; ++c) image.rgb[i + c] = map_intensity(stored[i + 2 - c], done.range);
    }
  }
  if (notes != nullptr) *notes = done;
  return image;
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

}  // namespace ssam::inline SSAM_ABI
