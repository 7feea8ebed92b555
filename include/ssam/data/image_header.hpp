#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <ssam/core/error.hpp>
#include <ssam/core/shape.hpp>
#include <ssam/data/exif.hpp>
#include <ssam/io/crc32.hpp>
#include <string>
#include <string_view>

namespace ssam::inline SSAM_ABI {

/// Told by a file's first bytes.
enum class ImageFormat {
  png,   ///< 1 to 16 bits, palettes too
  jpeg,  ///< 8 bits, baseline or progressive, grey or colour
  bmp,   ///< uncompressed
};

/// What an image file says about itself.
struct ImageHeader {
  ImageFormat format = ImageFormat::png;  ///< of the file
  Index height = 0;                       ///< in pixels, as stored
  Index width = 0;                        ///< in pixels, as stored
  int bits = 8;                           ///< per channel (per pixel for palette images)
  int channels = 3;                       ///< as stored: 1 grey or palette, 2 grey + alpha, 3 colour, 4 colour + alpha
  bool palette = false;                   ///< pixels are indices into a table of colours
  int significant = 0;                    ///< bits per channel that count (PNG's sBIT), where the file says so
  int orientation = 1;                    ///< EXIF's, 1..8: how the stored picture has to be turned
};

/// Largest image that is decoded at all, in pixels.
inline constexpr Index max_image_pixels = Index{1} << 28;
/// ... and the longest side, in pixels: OpenCV decodes no longer one.
inline constexpr Index max_image_side = Index{1} << 20;

/// Checks the container of a PNG, JPEG or BMP file held in `bytes` and returns its header; decodes nothing. Image
/// decoders return a half grey picture for many damaged files; this refuses them: every PNG chunk is complete with the
/// right CRC up to IEND, a JPEG's segments and scans run to EOI, a BMP holds all its rows. Also refused: extents of 0,
/// more than `max_image_pixels`, more pixels than a file of this length can hold, and the variants that decode wrongly
/// or not at all (CMYK, 12-bit, lossless and arithmetic JPEG; compressed BMP). `name` is for messages.
/// Throws FormatError.
ImageHeader inspect_image(std::span<const std::uint8_t> bytes, const std::string& name);

namespace detail {

/// Reads integers out of an image file; every read is checked.
class HeaderReader {
 public:
  HeaderReader(std::span<const std::uint8_t> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  [[noreturn]] void fail(const std::string& what, std::size_t offset, const std::string& advice = {}) const {
    throw FormatError(ErrorText{.what = what, .where = name_ + ", byte " + std::to_string(offset), .advice = advice});
  }
  std::size_t size() const { return bytes_.size(); }
  std::size_t rest(std::size_t offset) const { return offset <= size() ? size() - offset : 0; }
  std::span<const std::uint8_t> take(std::size_t offset, std::size_t count) const {
    if (count > rest(offset)) fail("the image file is truncated", size(), "fetch or export it again");
    return bytes_.subspan(offset, count);
  }
  std::uint32_t u8(std::size_t offset) const { return take(offset, 1)[0]; }
  std::uint32_t big16(std::size_t offset) const { return u8(offset) << 8 | u8(offset + 1); }
  std::uint32_t big32(std::size_t offset) const { return big16(offset) << 16 | big16(offset + 2); }
  std::uint32_t little16(std::size_t offset) const { return u8(offset) | u8(offset + 1) << 8; }
  std::uint32_t little32(std::size_t offset) const { return little16(offset) | little16(offset + 2) << 16; }

  /// Refuses extents that are 0 or absurd, and pictures that this many compressed bytes cannot hold.
  void check_extents(std::uint64_t height, std::uint64_t width, std::uint64_t max_pixels_of_file) const {
    const std::string found = std::to_string(height) + " x " + std::to_string(width) + " pixels";
    if (height == 0 || width == 0) fail("the image is empty (" + found + ")", 0);
    if (width > static_cast<std::uint64_t>(max_image_pixels) / height) {
      fail("the image is too large (" + found + ", at most 2^28)", 0, "scale it down");
    }
    if (std::max(height, width) > static_cast<std::uint64_t>(max_image_side)) {
      fail("the image is too long (" + found + ", at most 2^20 = 1048576 on a side)", 0, "cut it up or scale it down");
    }
    if (height * width > max_pixels_of_file) {
      fail("the header promises " + found + ", more than a file of this length can hold", 0, "the file is damaged");
    }
  }

 private:
  std::span<const std::uint8_t> bytes_;
  const std::string& name_;
};

inline ImageHeader read_ihdr(const HeaderReader& file, std::size_t data, std::size_t length) {
  if (length != 13) file.fail("a PNG header (IHDR) has 13 bytes", data);
  ImageHeader header{.format = ImageFormat::png};
  header.width = file.big32(data);
  header.height = file.big32(data + 4);
  const std::uint32_t bits = file.u8(data + 8), type = file.u8(data + 9);
  const bool small = bits == 1 || bits == 2 || bits == 4;
  const bool known = type == 0 || type == 2 || type == 3 || type == 4 || type == 6;
  if (!known || !(bits == 8 || (bits == 16 && type != 3) || (small && (type == 0 || type == 3)))) {
    file.fail("unknown PNG colour type " + std::to_string(type) + " with " + std::to_string(bits) + " bits", data + 8);
  }
  if (file.u8(data + 10) != 0 || file.u8(data + 11) != 0 || file.u8(data + 12) > 1) {
    file.fail("unknown PNG compression, filter or interlace method", data + 10);
  }
  header.bits = static_cast<int>(bits);
  header.channels = type == 2 ? 3 : type == 4 ? 2 : type == 6 ? 4 : 1;
  header.palette = type == 3;
  return header;
}

inline ImageHeader inspect_png(const HeaderReader& file) {
  ImageHeader header;
  std::uint64_t compressed = 0;
  bool first = true, palette = false;
  for (std::size_t offset = 8;;) {
    const std::size_t length = file.big32(offset);
    const std::string_view type(reinterpret_cast<const char*>(file.take(offset + 4, 4).data()), 4);
    const auto body = file.take(offset + 4, length + 4);
    if (crc32(body.data(), body.size()) != file.big32(offset + 8 + length)) {
      file.fail("wrong CRC in a PNG chunk", offset, "the file is damaged: fetch or export it again");
    }
    if (first != (type == "IHDR")) file.fail("a PNG starts with exactly one IHDR chunk", offset);
    if (first) header = read_ihdr(file, offset + 8, length);
    first = false;
    if (type == "PLTE") palette = true;
    if (type == "sBIT" && length > 0 && !header.palette) {
      for (std::size_t i = 0; i < std::min<std::size_t>(length, 3); ++i) {
        header.significant = std::max(header.significant, static_cast<int>(file.u8(offset + 8 + i)));
      }
    }
    if (type == "eXIf") header.orientation = exif_orientation(file.take(offset + 8, length));
    if (type == "IDAT") compressed += length;
    if (type == "IEND") break;
    offset += 12 + length;
  }
  if (header.palette && !palette) file.fail("a palette PNG without palette", 0);
  // Deflate shrinks at most 1032 : 1.
  const std::uint64_t bits = static_cast<std::uint64_t>(header.bits * header.channels);
  file.check_extents(static_cast<std::uint64_t>(header.height), static_cast<std::uint64_t>(header.width),
                     compressed * 1032 * 8 / bits);
  return header;
}

/// The offset of the next marker (0xFF, not stuffed, not a restart) in entropy-coded data.
inline std::size_t end_of_scan(const HeaderReader& file, std::size_t offset) {
  const auto bytes = file.take(0, file.size());
  for (; offset + 1 < bytes.size(); ++offset) {
    const std::uint8_t next = bytes[offset + 1];
    if (bytes[offset] == 0xFF && next != 0 && next != 0xFF && (next < 0xD0 || next > 0xD7)) return offset;
  }
  file.fail("the JPEG is truncated: no end-of-image marker", file.size(), "fetch or export it again");
}

inline ImageHeader read_sof(const HeaderReader& file, std::size_t data) {
  ImageHeader header{.format = ImageFormat::jpeg};
  if (file.u8(data) != 8) file.fail("only JPEGs of 8 bits are read", data, "convert it to PNG");
  header.height = file.big16(data + 1);
  header.width = file.big16(data + 3);
  header.channels = static_cast<int>(file.u8(data + 5));
  if (header.channels == 4) file.fail("a CMYK JPEG", data + 5, "convert it to RGB: its colours are not defined");
  if (header.channels != 1 && header.channels != 3) {
    file.fail("a JPEG has 1 or 3 channels, this one " + std::to_string(header.channels), data + 5);
  }
  // A Huffman-coded 8 x 8 block takes one bit at the very least.
  file.check_extents(static_cast<std::uint64_t>(header.height), static_cast<std::uint64_t>(header.width),
                     std::uint64_t{file.size()} * 8 * 64);
  return header;
}

inline ImageHeader inspect_jpeg(const HeaderReader& file) {
  ImageHeader header;
  bool frame = false, scan = false;
  int orientation = 1;
  for (std::size_t offset = 2;;) {
    if (file.u8(offset) != 0xFF) file.fail("a JPEG marker was expected", offset, "the file is damaged");
    while (file.u8(offset + 1) == 0xFF) ++offset;  // fill bytes
    const std::uint32_t marker = file.u8(offset + 1);
    if (marker == 0xD9) break;
    if (marker == 0 || (marker >= 0xD0 && marker <= 0xD8)) file.fail("a misplaced JPEG marker", offset);
    const std::size_t length = file.big16(offset + 2);
    if (length < 2) file.fail("a JPEG segment of impossible length", offset);
    file.take(offset + 2, length);
    const auto segment = file.take(offset + 4, length - 2);
    constexpr std::string_view exif("Exif\0\0", 6);
    if (marker == 0xE1 &&
        std::string_view(reinterpret_cast<const char*>(segment.data()), segment.size()).starts_with(exif)) {
      orientation = exif_orientation(segment.subspan(exif.size()));
    }
    const bool any_frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (any_frame) {
      if (marker > 0xC2) file.fail("a lossless, hierarchical or arithmetic JPEG", offset, "convert it to PNG");
      if (frame) file.fail("a JPEG with two frames", offset);
      header = read_sof(file, offset + 4);
      frame = true;
    }
    offset += 2 + length;
    if (marker == 0xDA) {
      if (!frame) file.fail("a JPEG scan before its frame header", offset);
      scan = true;
      offset = end_of_scan(file, offset);
    }
  }
  if (!scan) file.fail("a JPEG without picture data", file.size());
  header.orientation = orientation;
  return header;
}

inline ImageHeader inspect_bmp(const HeaderReader& file) {
  const std::size_t pixels = file.little32(10), info = file.little32(14);
  if (info < 40) file.fail("an OS/2 bitmap", 14, "convert it to PNG");
  const auto width = static_cast<std::int32_t>(file.little32(18));
  const auto height = static_cast<std::int32_t>(file.little32(22));  // negative: rows from the top
  const std::uint32_t bits = file.little16(28), compression = file.little32(30);
  if (compression != 0 || (bits != 8 && bits != 24 && bits != 32)) {
    file.fail("a compressed bitmap, or one of " + std::to_string(bits) + " bits", 28, "convert it to PNG");
  }
  if (width < 0) file.fail("a bitmap of negative width", 18);
  ImageHeader header{.format = ImageFormat::bmp, .height = height, .width = width};
  if (header.height < 0) header.height = -header.height;
  header.channels = static_cast<int>(bits / 8);
  file.check_extents(static_cast<std::uint64_t>(header.height), static_cast<std::uint64_t>(header.width), file.size());
  const Index stride = (header.width * header.channels + 3) / 4 * 4;
  file.take(pixels, static_cast<std::size_t>(stride * header.height));
  if (bits == 8) {  // the usual grey table is no palette to us
    const std::uint32_t stored = file.little32(46), colours = stored == 0 ? 256 : stored;
    if (colours > 256) file.fail("a bitmap with more than 256 colours", 46);
    for (std::uint32_t i = 0; i < colours; ++i) {
      const std::size_t entry = 14 + info + 4 * i;
      if (file.u8(entry) != i || file.u8(entry + 1) != i || file.u8(entry + 2) != i) header.palette = true;
    }
    for (Index y = 0; y < header.height; ++y) {
      const auto row = file.take(pixels + static_cast<std::size_t>(y * stride), static_cast<std::size_t>(header.width));
      for (const std::uint8_t index : row) {  // decoders show it black
        if (index >= colours) file.fail("a pixel of a colour that its table does not have", pixels, "export it again");
      }
    }
  }
  return header;
}

}  // namespace detail

inline ImageHeader inspect_image(std::span<const std::uint8_t> bytes, const std::string& name) {
  const detail::HeaderReader file(bytes, name);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.empty()) file.fail("the image file is empty", 0);
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return detail::inspect_png(file);
  if (text.starts_with("\xFF\xD8")) return detail::inspect_jpeg(file);
  if (text.starts_with("BM")) return detail::inspect_bmp(file);
  if (text.starts_with("version https://git-lfs")) file.fail("a Git LFS pointer, not the image", 0, "git lfs pull");
  file.fail("neither PNG nor JPEG nor BMP", 0, "convert it to PNG");
}

}  // namespace ssam::inline SSAM_ABI
