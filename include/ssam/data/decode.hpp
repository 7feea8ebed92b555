#pragma once

#include <array>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <span>
#include <ssam/core/error.hpp>
#include <ssam/data/image_header.hpp>
#include <ssam/data/picture.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Behind <cstdio>, which they forget.
#include <jerror.h>
#include <jpeglib.h>

namespace ssam::inline SSAM_ABI::detail {

/// The same memory as an OpenCV matrix; RGB order. OpenCV has no const matrices: what is read only must not be written.
inline cv::Mat as_mat(const Image& image) {
  return {static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3,
          const_cast<std::uint8_t*>(image.rgb.data())};
}
inline cv::Mat as_mat(const Mask& mask) {
  return {static_cast<int>(mask.height), static_cast<int>(mask.width), CV_8UC1,
          const_cast<std::uint8_t*>(mask.values.data())};
}

[[noreturn]] inline void fail_damaged(const std::string& name) {
  throw FormatError(ErrorText{.what = "the image cannot be decoded",
                              .where = name,
                              .advice = "its picture data is damaged: fetch or export it again"});
}

/// libjpeg's errors; warnings among them, because it goes on with grey where picture data is missing.
struct JpegErrors {
  jpeg_error_mgr manager;  // first: libjpeg knows this part only
  std::jmp_buf escape;
  bool damaged;
};

inline void jpeg_failed(j_common_ptr info) { std::longjmp(reinterpret_cast<JpegErrors*>(info->err)->escape, 1); }

inline void jpeg_said(j_common_ptr info, int level) {
  // Said of sound pictures of some cameras and programs, too.
  const int code = info->err->msg_code;
  const bool harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM ||
                        code == JWRN_NOT_SEQUENTIAL;
  if (level < 0 && !harmless) reinterpret_cast<JpegErrors*>(info->err)->damaged = true;
}

/// Decodes a JPEG to 8-bit RGB [height, width, 3], extents as its header says. False when it is damaged. Nothing here
/// has a destructor: libjpeg's errors jump.
inline bool decode_jpeg(const std::uint8_t* bytes, std::size_t size, Index height, Index width, std::uint8_t* rgb) {
  jpeg_decompress_struct jpeg;
  JpegErrors errors;
  jpeg.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = jpeg_failed;
  errors.manager.emit_message = jpeg_said;
  errors.damaged = false;
  if (setjmp(errors.escape) != 0) {
    jpeg_destroy_decompress(&jpeg);
    return false;
  }
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, bytes, size);
  jpeg_read_header(&jpeg, TRUE);
  jpeg.out_color_space = JCS_RGB;
  jpeg_start_decompress(&jpeg);
  bool sound = static_cast<Index>(jpeg.output_height) == height && static_cast<Index>(jpeg.output_width) == width &&
               jpeg.output_components == 3;
  while (sound && jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = rgb + static_cast<Index>(jpeg.output_scanline) * width * 3;
    if (jpeg_read_scanlines(&jpeg, &row, 1) != 1) sound = false;
  }
  if (sound) jpeg_finish_decompress(&jpeg);
  jpeg_destroy_decompress(&jpeg);
  return sound && !errors.damaged;
}

/// Turns a picture as its EXIF orientation asks for.
inline void turn(cv::Mat& picture, int orientation) {
  if (exchanges_sides(orientation)) cv::transpose(picture, picture);
  switch (orientation) {
    case 2:
    case 6:
      return cv::flip(picture, picture, 1);
    case 4:
    case 8:
      return cv::flip(picture, picture, 0);
    case 3:
    case 7:
      return cv::flip(picture, picture, -1);
    default:
      return;
  }
}

/// A file decoded to its stored channels and bits, with `flags` of OpenCV (BGR order), turned upright. A JPEG is always
/// 8-bit BGR.
inline cv::Mat decode(const std::vector<std::uint8_t>& bytes, const ImageHeader& header, const std::string& name,
                      int flags) {
  cv::Mat decoded;
  if (header.format == ImageFormat::jpeg) {
    decoded.create(static_cast<int>(header.height), static_cast<int>(header.width), CV_8UC3);
    if (!decode_jpeg(bytes.data(), bytes.size(), header.height, header.width, decoded.data)) fail_damaged(name);
    for (std::uint8_t* pixel = decoded.data; pixel != decoded.data + 3 * decoded.total(); pixel += 3) {
      std::swap(pixel[0], pixel[2]);
    }
  } else if (bytes.size() <= std::size_t{0x7FFFFFFF}) {
    const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<std::uint8_t*>(bytes.data()));
    try {
      decoded = cv::imdecode(buffer, flags == cv::IMREAD_UNCHANGED ? flags : flags | cv::IMREAD_IGNORE_ORIENTATION);
    } catch (const cv::Exception&) {
      decoded.release();  // reported below
    }
  }
  if (decoded.rows != header.height || decoded.cols != header.width) fail_damaged(name);
  turn(decoded, header.orientation);
  return decoded;
}

/// A palette PNG's colours, and its bytes with a grey ramp in their place: so it decodes to its indices.
struct PaletteFile {
  std::vector<std::array<std::uint8_t, 3>> colors;
  std::vector<std::uint8_t> indices;
};

/// `png` is sound (see `inspect_image`).
inline PaletteFile split_palette(const std::vector<std::uint8_t>& png, const ImageHeader& header,
                                 const std::string& name) {
  const HeaderReader file(png, name);
  PaletteFile result{{}, {png.begin(), png.begin() + 8}};
  const auto append = [&](std::span<const std::uint8_t> bytes) {
    result.indices.insert(result.indices.end(), bytes.begin(), bytes.end());
  };
  const auto append_big32 = [&](std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) result.indices.push_back(static_cast<std::uint8_t>(value >> shift));
  };
  for (std::size_t offset = 8, length = 0;; offset += 12 + length) {
    length = file.big32(offset);
    const std::string_view type(reinterpret_cast<const char*>(file.take(offset + 4, 4).data()), 4);
    if (type == "PLTE") {
      const auto stored = file.take(offset + 8, length);
      for (std::size_t i = 0; i + 2 < length; i += 3)
        result.colors.push_back({stored[i], stored[i + 1], stored[i + 2]});
      std::vector<std::uint8_t> ramp{'P', 'L', 'T', 'E'};
      for (int value = 0; value < 1 << header.bits; ++value)
        ramp.insert(ramp.end(), 3, static_cast<std::uint8_t>(value));
      append_big32(static_cast<std::uint32_t>(ramp.size() - 4));
      append(ramp);
      append_big32(crc32(ramp.data(), ramp.size()));
    } else if (type == "IHDR" || type == "IDAT" || type == "IEND") {
      append(file.take(offset, length + 12));
    }
    if (type == "IEND") return result;
  }
}

}  // namespace ssam::inline SSAM_ABI::detail
