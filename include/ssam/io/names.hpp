#pragma once

#include <cstddef>
#include <cstdint>
#include <ssam/core/error.hpp>
#include <string>
#include <string_view>

namespace ssam {

/// Longest tensor name a reader accepts and a writer writes, in bytes. PyTorch's own stay far below.
inline constexpr std::size_t max_name_bytes = 1024;

/// Most tensors one file may hold: SAM ViT-H has about 600.
inline constexpr std::size_t max_tensors = 100'000;

/// `text` in quotes for a message: unprintable bytes escaped, cut after 80 bytes.
inline std::string shown(std::string_view text) {
  constexpr std::size_t longest = 80;
  constexpr char digits[] = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out + (text.size() > longest ? "'... (" + std::to_string(text.size()) + " bytes)" : "'");
}

/// "file, offset N": the place of a fault inside a file.
inline std::string at_offset(const std::string& file, std::uint64_t offset) {
  return file + ", offset " + std::to_string(offset);
}

/// "file, tensor 'name'": the tensor of a fault.
inline std::string at_tensor(const std::string& file, std::string_view name) {
  return file + ", tensor " + shown(name);
}

/// Whether `text` is UTF-8 without overlong forms, surrogates or code points above U+10FFFF (RFC 3629).
inline bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80   ? 1
                               : lead < 0xc2 ? 0
                               : lead < 0xe0 ? 2
                               : lead < 0xf0 ? 3
                               : lead < 0xf5 ? 4
                                             : 0;
    if (length == 0 || length > text.size() - i) return false;
    std::uint32_t code = length == 1 ? lead : lead & (0x7fu >> length);
    for (std::size_t k = 1; k < length; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if ((byte & 0xc0) != 0x80) return false;
      code = code << 6 | (byte & 0x3fu);
    }
    if (length == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) return false;
    if (length == 4 && (code < 0x10000 || code > 0x10ffff)) return false;
    i += length;
  }
  return true;
}

/// Throws FormatError unless `name` can name a tensor: 1 to max_name_bytes bytes of UTF-8 without control characters.
inline void check_tensor_name(std::string_view name, const std::string& file) {
  bool printable = true;
  for (const char c : name) printable = printable && static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  if (!name.empty() && name.size() <= max_name_bytes && printable && is_utf8(name)) return;
  throw FormatError(ErrorText{.what = "a tensor has an unusable name",
                              .where = file,
                              .expected = "1 to " + std::to_string(max_name_bytes) + " bytes of printable UTF-8",
                              .found = shown(name)});
}

}  // namespace ssam
