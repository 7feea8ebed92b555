#pragma once

#include <cstddef>
#include <cstdint>
#include <ssam/core/error.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace ssam::inline SSAM_ABI {

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

namespace detail {
/// `text` with its letters A to Z as small ones, the same in every locale.
inline std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

/// Bytes of the UTF-8 character at the beginning of `text`, which is not empty; 0 where there is none: overlong forms,
/// surrogates and code points above U+10FFFF are none (RFC 3629).
inline std::size_t utf8_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
  if (length == 0 || length > text.size()) return 0;
  std::uint32_t code = length == 1 ? lead : lead & (0x7fu >> length);
  for (std::size_t k = 1; k < length; ++k) {
    const auto byte = static_cast<unsigned char>(text[k]);
    if ((byte & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte & 0x3fu);
  }
  if (length == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) return 0;
  if (length == 4 && (code < 0x10000 || code > 0x10ffff)) return 0;
  return length;
}
}  // namespace detail

/// Whether `text` is UTF-8.
inline bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = detail::utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

/// `text` with every byte that is not UTF-8 written as `\xe4`: what may stand in JSON and in metadata. UTF-8 stays as
/// it is, so the names of two files that differ are told apart (but for a name that spells such an escape out).
inline std::string printable(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  while (!text.empty()) {
    const std::size_t length = detail::utf8_length(text);
    if (length > 0) {
      out += text.substr(0, length);
    } else {
      const auto byte = static_cast<unsigned char>(text[0]);
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
    text.remove_prefix(length > 0 ? length : 1);
  }
  return out;
}

/// Throws FormatError that names `file` unless `name` can name a tensor: 1 to max_name_bytes bytes of UTF-8 without
/// control characters.
inline void check_tensor_name(std::string_view name, const std::string& file) {
  bool printable = true;
  for (const char c : name) printable = printable && static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  if (!name.empty() && name.size() <= max_name_bytes && printable && is_utf8(name)) return;
  throw FormatError(ErrorText{.what = "a tensor has an unusable name",
                              .where = file,
                              .expected = "1 to " + std::to_string(max_name_bytes) + " bytes of printable UTF-8",
                              .found = shown(name)});
}

namespace detail {
inline std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 5; ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > 5 ? text + ", ..." : text;
}
}  // namespace detail

}  // namespace ssam::inline SSAM_ABI
