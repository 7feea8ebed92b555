#pragma once

// NIfTI and DICOM files made for tests, byte by byte.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace test {

/// The bytes that are written as two hexadecimal digits each.
inline std::string from_hex(const std::string& digits) {
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

/// Numbers as bytes, in the order of the file.
class Writer {
 public:
  explicit Writer(bool big = false) : big_(big) {}
  template <class Number>
  Writer& put(Number number) {
    std::array<char, sizeof(Number)> one;
    std::memcpy(one.data(), &number, sizeof number);
    if (big_) std::reverse(one.begin(), one.end());
    bytes.append(one.data(), one.size());
    return *this;
  }
  Writer& text(const std::string& letters) {
    bytes += letters;
    return *this;
  }
  std::string bytes;

 private:
  bool big_;
};

/// A NIfTI-1 or NIfTI-2 header and what follows it. The fields stand where the standard has them.
struct NiftiFile {
  int version = 1;
  bool big = false, pair = false;
  std::vector<int> dim{3, 2, 3, 4};  // how many axes, then their extents
  int datatype = 4, bitpix = 16;     // int16
  std::array<double, 4> pixdim{1, 1, 1, 1};
  double offset = -1;  // -1: right behind the header
  double slope = 0, inter = 0;
  int units = 2, qform_code = 0, sform_code = 0;
  std::array<double, 3> quaternion{}, qoffset{};
  std::array<std::array<double, 4>, 3> sform{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
  std::string magic = {};  // "": the right one
  std::string data = {};

  std::string bytes() const { return version == 1 ? first() : second(); }

 private:
  int dim_at(std::size_t i) const { return i < dim.size() ? dim[i] : 1; }
  double start(double header) const { return offset >= 0 ? offset : pair ? 0 : header; }
  std::string mark(const std::string& end) const {
    return magic.empty() ? (pair ? "ni" : "n+") + std::to_string(version) + end : magic;
  }

  std::string first() const {
    Writer file(big);
    file.put(std::int32_t{348}).text(std::string(36, '\0'));
    for (std::size_t i = 0; i < 8; ++i) file.put(static_cast<std::int16_t>(dim_at(i)));
    file.text(std::string(14, '\0'));
    file.put(static_cast<std::int16_t>(datatype)).put(static_cast<std::int16_t>(bitpix)).put(std::int16_t{0});
    for (std::size_t i = 0; i < 8; ++i) file.put(i < 4 ? static_cast<float>(pixdim[i]) : 1.0f);
    file.put(static_cast<float>(start(352))).put(static_cast<float>(slope)).put(static_cast<float>(inter));
    file.put(std::int16_t{0}).put(char{0}).put(static_cast<char>(units)).text(std::string(128, '\0'));
    file.put(static_cast<std::int16_t>(qform_code)).put(static_cast<std::int16_t>(sform_code));
    for (const double number : quaternion) file.put(static_cast<float>(number));
    for (const double number : qoffset) file.put(static_cast<float>(number));
    for (const auto& row : sform) {
      for (const double number : row) file.put(static_cast<float>(number));
    }
    file.text(std::string(16, '\0')).text(mark(std::string(1, '\0')));
    return pair ? file.bytes : file.bytes + std::string(4, '\0') + data;
  }

  std::string second() const {
    Writer file(big);
    file.put(std::int32_t{540}).text(mark(std::string("\0\r\n\032\n", 5)));
    file.put(static_cast<std::int16_t>(datatype)).put(static_cast<std::int16_t>(bitpix));
    for (std::size_t i = 0; i < 8; ++i) file.put(static_cast<std::int64_t>(dim_at(i)));
    file.text(std::string(24, '\0'));
    for (std::size_t i = 0; i < 8; ++i) file.put(i < 4 ? pixdim[i] : 1.0);
    file.put(static_cast<std::int64_t>(start(544))).put(slope).put(inter).text(std::string(48, '\0'));
    file.text(std::string(104, '\0'));
    file.put(static_cast<std::int32_t>(qform_code)).put(static_cast<std::int32_t>(sform_code));
    for (const double number : quaternion) file.put(number);
    for (const double number : qoffset) file.put(number);
    for (const auto& row : sform) {
      for (const double number : row) file.put(number);
    }
    file.put(std::int32_t{0}).put(static_cast<std::int32_t>(units)).text(std::string(36, '\0'));
    return pair ? file.bytes : file.bytes + std::string(4, '\0') + data;
  }
};

/// Whole numbers as the voxels of a file.
template <class Stored>
std::string voxels(const std::vector<double>& values, bool big = false) {
  Writer file(big);
  for (const double value : values) file.put(static_cast<Stored>(value));
  return file.bytes;
}

/// A DICOM file, element by element, in the order they are given.
struct DicomFile {
  std::string syntax = "1.2.840.10008.1.2.1";  // explicit, little endian; "": no preamble and no group 2
  bool is_explicit = true, big = false;
  std::string body = {};

  std::string element(std::uint16_t group, std::uint16_t number, const std::string& kind, std::string value,
                      bool endless = false) const {
    if (value.size() % 2 != 0) value += kind == "UI" || kind == "OB" ? '\0' : ' ';
    Writer file(big);
    file.put(group).put(number);
    const bool wide = kind == "OB" || kind == "OW" || kind == "SQ" || kind == "UN";
    if (is_explicit) file.text(kind);
    if (is_explicit && wide) file.put(std::uint16_t{0});
    if (is_explicit && !wide) {
      file.put(static_cast<std::uint16_t>(value.size()));
    } else {
      file.put(endless ? 0xffffffffu : static_cast<std::uint32_t>(value.size()));
    }
    return file.bytes + value;
  }
  DicomFile& add(std::uint16_t group, std::uint16_t number, const std::string& kind, const std::string& value) {
    body += element(group, number, kind, value);
    return *this;
  }
  DicomFile& add(std::uint16_t group, std::uint16_t number, std::uint16_t value) {
    return add(group, number, "US", Writer(big).put(value).bytes);
  }
  /// Items, each of which holds what elements() gave.
  std::string items(const std::vector<std::string>& contents, bool endless = false) const {
    Writer file(big);
    for (const std::string& content : contents) {
      file.put(std::uint16_t{0xfffe}).put(std::uint16_t{0xe000});
      file.put(endless ? 0xffffffffu : static_cast<std::uint32_t>(content.size())).text(content);
      if (endless) file.put(std::uint16_t{0xfffe}).put(std::uint16_t{0xe00d}).put(std::uint32_t{0});
    }
    return file.bytes;
  }
  std::string end_of_items() const {
    return Writer(big).put(std::uint16_t{0xfffe}).put(std::uint16_t{0xe0dd}).put(std::uint32_t{0}).bytes;
  }

  /// The header of a grey picture; add what else it says and then the pixels.
  DicomFile& picture(std::uint16_t rows, std::uint16_t columns, std::uint16_t bits = 16, bool is_signed = false,
                     const std::string& photometric = "MONOCHROME2", std::uint16_t samples = 1) {
    add(0x0028, 0x0002, samples).add(0x0028, 0x0004, "CS", photometric);
    add(0x0028, 0x0010, rows).add(0x0028, 0x0011, columns);
    const auto allocated = static_cast<std::uint16_t>(bits <= 8 ? 8 : 16);
    add(0x0028, 0x0100, allocated).add(0x0028, 0x0101, bits);
    return add(0x0028, 0x0102, static_cast<std::uint16_t>(bits - 1)).add(0x0028, 0x0103, is_signed ? 1 : 0);
  }
  DicomFile& pixels(const std::string& bytes) { return add(0x7fe0, 0x0010, "OW", bytes); }
  /// Compressed pixels: an empty table of offsets, then the fragments.
  DicomFile& fragments(const std::vector<std::string>& pieces) {
    std::vector<std::string> all{""};
    for (std::string piece : pieces) all.push_back(piece + std::string(piece.size() % 2, '\0'));
    body += element(0x7fe0, 0x0010, "OB", items(all) + end_of_items(), true);
    return *this;
  }

  std::string bytes() const {
    if (syntax.empty()) return body;
    DicomFile meta;
    meta.add(0x0002, 0x0010, "UI", syntax);
    return std::string(128, '\0') + "DICM" + meta.body + body;
  }
};

}  // namespace test
