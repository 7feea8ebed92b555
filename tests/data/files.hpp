#pragma once

// Files made for tests: PNGs chunk by chunk (so that they can be wrong on purpose), JPEGs with patched segments.

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <opencv2/imgcodecs.hpp>
#include <ssam/data/image.hpp>
#include <string>
#include <vector>

namespace test {

using Bytes = std::vector<std::uint8_t>;

/// A folder that is gone after the test.
class Folder {
 public:
  Folder() {
    static int counter = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("ssam_test_" + std::to_string(::getpid()) + "_" + std::to_string(counter++));
    std::filesystem::create_directories(path_);
  }
  Folder(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  std::filesystem::path write(const std::string& name, const Bytes& bytes) const {
    std::ofstream stream(path_ / name, std::ios::binary);
    stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return path_ / name;
  }
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    return write(name, Bytes(text.begin(), text.end()));
  }

 private:
  std::filesystem::path path_;
};

inline void append_big32(Bytes& bytes, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(value >> shift));
}

inline void append_chunk(Bytes& png, const std::string& type, const Bytes& data) {
  append_big32(png, static_cast<std::uint32_t>(data.size()));
  Bytes body(type.begin(), type.end());
  body.insert(body.end(), data.begin(), data.end());
  png.insert(png.end(), body.begin(), body.end());
  append_big32(png, ssam::crc32(body.data(), body.size()));
}

/// zlib stream of one stored block (at most 65535 bytes).
inline Bytes stored_zlib(const Bytes& raw) {
  const auto size = static_cast<std::uint32_t>(raw.size());
  Bytes stream{0x78, 0x01, 0x01};
  for (const std::uint32_t value : {size, ~size}) {
    stream.push_back(static_cast<std::uint8_t>(value));
    stream.push_back(static_cast<std::uint8_t>(value >> 8));
  }
  stream.insert(stream.end(), raw.begin(), raw.end());
  std::uint32_t a = 1, b = 0;
  for (const std::uint8_t byte : raw) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  append_big32(stream, b << 16 | a);
  return stream;
}

struct Png {
  std::uint32_t width = 4, height = 2;
  std::uint8_t bits = 8, type = 0, interlace = 0;
  Bytes palette = {};                                    // RGB triples
  Bytes lines = {0, 10, 20, 30, 40, 0, 50, 60, 70, 80};  // scan lines, each after its filter byte
  bool end = true;

  Bytes bytes() const { return bytes(stored_zlib(lines)); }
  Bytes bytes(const Bytes& compressed) const {
    Bytes png{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, header;
    append_big32(header, width);
    append_big32(header, height);
    header.insert(header.end(), {bits, type, 0, 0, interlace});
    append_chunk(png, "IHDR", header);
    if (!palette.empty()) append_chunk(png, "PLTE", palette);
    append_chunk(png, "IDAT", compressed);
    if (end) append_chunk(png, "IEND", {});
    return png;
  }
};

/// A JPEG, 32 wide and 16 high, red on its left half and blue on its right.
inline Bytes red_blue_jpeg() {
  cv::Mat picture(16, 32, CV_8UC3, cv::Scalar(0, 0, 255));
  picture.colRange(16, 32).setTo(cv::Scalar(255, 0, 0));
  Bytes bytes;
  cv::imencode(".jpg", picture, bytes);
  return bytes;
}

/// Where the frame header (SOF0) of a JPEG starts.
inline std::size_t frame_of(const Bytes& jpeg) {
  std::size_t i = 2;
  while (jpeg.at(i + 1) != 0xC0) i += 2u + (static_cast<std::size_t>(jpeg.at(i + 2)) << 8 | jpeg.at(i + 3));
  return i;
}

/// The JPEG with an EXIF block that says how it is to be turned (1..8).
inline Bytes with_orientation(Bytes jpeg, std::uint8_t orientation) {
  const Bytes exif{
      0xFF, 0xE1, 0, 34,   'E', 'x', 'i', 'f', 0, 0, 'M', 'M',         0, 42, 0, 0, 0, 8,   // TIFF header
      0,    1,    1, 0x12, 0,   3,   0,   0,   0, 1, 0,   orientation, 0, 0,  0, 0, 0, 0};  // one entry, no next
  jpeg.insert(jpeg.begin() + 2, exif.begin(), exif.end());
  return jpeg;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// The message of the exception `f` throws, "" when it throws none.
template <class Exception, class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const Exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace test
