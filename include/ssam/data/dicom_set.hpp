#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <ssam/core/decimal.hpp>
#include <ssam/io/byte_source.hpp>
#include <ssam/io/gzip.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace ssam::inline SSAM_ABI::detail {

/// A DICOM element's number: group, then element.
using DicomTag = std::uint32_t;

inline std::string tag_text(DicomTag tag) {
  char text[16];
  std::snprintf(text, sizeof text, "(%04x,%04x)", static_cast<unsigned>(tag >> 16),
                static_cast<unsigned>(tag & 0xffff));
  return text;
}

struct DicomSet;

/// One element: a value, the items of a sequence, or the fragments of compressed pixels.
struct DicomElement {
  std::string_view value;                   ///< bytes as they are stored
  std::vector<DicomSet> items;              ///< of a sequence
  std::vector<std::string_view> fragments;  ///< the first is the table of offsets
  bool words = false;                       ///< bytes that are stored as words of 16 bits (OW)
};

/// The elements of a file, or of an item of a sequence.
struct DicomSet {
  std::map<DicomTag, DicomElement> elements;
  bool big = false;  ///< numbers begin with their highest byte

  const DicomElement* find(DicomTag tag) const {
    const auto found = elements.find(tag);
    return found == elements.end() ? nullptr : &found->second;
  }
  /// Item number `index` of a sequence; null where there is none.
  const DicomSet* item(DicomTag tag, std::size_t index = 0) const {
    const DicomElement* element = find(tag);
    return element == nullptr || index >= element->items.size() ? nullptr : &element->items[index];
  }
  /// Text without its padding; "" where it is missing.
  std::string text(DicomTag tag) const {
    const DicomElement* element = find(tag);
    if (element == nullptr) return "";
    const auto is_padding = [](char c) { return c == ' ' || c == '\0'; };
    const auto begin = std::find_if_not(element->value.begin(), element->value.end(), is_padding);
    const auto end = std::find_if_not(element->value.rbegin(), element->value.rend(), is_padding).base();
    return begin < end ? std::string(begin, end) : "";
  }
  /// Number `index` of 16 bits without a sign; nothing where it is missing.
  std::optional<std::uint16_t> word(DicomTag tag, std::size_t index = 0) const {
    const DicomElement* element = find(tag);
    if (element == nullptr || element->value.size() < 2 * index + 2) return {};
    const auto first = static_cast<std::uint8_t>(element->value[2 * index]);
    const auto second = static_cast<std::uint8_t>(element->value[2 * index + 1]);
    return static_cast<std::uint16_t>(big ? first << 8 | second : second << 8 | first);
  }
};

/// Reads the elements of a DICOM file that lies in memory; values are views into it. Trusts no length: what reaches
/// beyond its file, sequence or item is refused.
class DicomParser {
 public:
  DicomParser(std::string_view bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  /// Elements from `at` on, to the end. `group_two`: only those of group 2, and `at` becomes the place behind them.
  DicomSet parse(std::size_t& at, bool is_explicit, bool big, bool group_two = false) {
    explicit_ = is_explicit;
    big_ = big;
    return parse_set(at, bytes_.size(), group_two ? Until::group_two_ends : Until::end, 0);
  }

  [[noreturn]] void refuse(std::size_t at, const std::string& expected, const std::string& found) const {
    throw FormatError(ErrorText{.what = "damaged DICOM file",
                                .where = at_offset(where_, at),
                                .expected = expected,
                                .found = found,
                                .advice = "use a whole copy of it"});
  }

 private:
  enum class Until { end, delimiter, group_two_ends };
  static constexpr DicomTag item_tag = 0xfffee000, item_end = 0xfffee00d, sequence_end = 0xfffee0dd,
                            pixels_tag = 0x7fe00010;
  static constexpr std::uint32_t undefined = 0xffffffff;
  static constexpr int deepest = 32;

  std::uint32_t number(std::size_t at, std::size_t count, std::size_t end) const {
    if (at > end || count > end - at) refuse(at, std::to_string(count) + " more bytes", "the end");
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto byte = static_cast<std::uint8_t>(bytes_[at + (big_ ? i : count - 1 - i)]);
      value = value << 8 | byte;
    }
    return value;
  }
  DicomTag tag(std::size_t at, std::size_t end) const { return number(at, 2, end) << 16 | number(at + 2, 2, end); }

  std::string_view value(std::size_t at, std::uint32_t length, std::size_t end) const {
    if (length > end - at) {
      refuse(at, "a value of " + std::to_string(length) + " bytes", std::to_string(end - at) + " bytes");
    }
    return bytes_.substr(at, length);
  }

  /// Elements from `at` to `end`, or to the delimiter of an item of unknown length.
  DicomSet parse_set(std::size_t& at, std::size_t end, Until until, int depth) {
    if (depth > deepest) refuse(at, "at most " + std::to_string(deepest) + " sequences in each other", "more");
    DicomSet set{.elements = {}, .big = big_};
    while (at < end) {
      if (depth == 0 && only_zeros(at)) break;  // padding that some writers leave behind the last element
      const DicomTag name = tag(at, end);
      if (until == Until::group_two_ends && name >> 16 != 2) break;
      if (name == item_end && until == Until::delimiter) {
        number(at + 4, 4, end);
        at += 8;
        return set;
      }
      if (!set.elements.emplace(name, parse_element(name, at, end, depth)).second) {
        refuse(at, "every element once", tag_text(name) + " twice");
      }
    }
    if (until == Until::delimiter) refuse(at, "the end of an item", "the end of the file");
    return set;
  }

  bool only_zeros(std::size_t at) const { return bytes_.find_first_not_of('\0', at) == std::string_view::npos; }

  DicomElement parse_element(DicomTag name, std::size_t& at, std::size_t end, int depth) {
    std::string_view kind;
    std::uint32_t length = 0;
    if (explicit_ && name >> 16 != 0xfffe) {
      kind = value(at + 4, 2, end);
      constexpr std::string_view known =
          "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US OB OD OF OL OV OW SQ SV UC UN UR UT UV";
      const std::size_t place = known.find(kind);
      if (place == std::string_view::npos || place % 3 != 0)
        refuse(at + 4, "one of DICOM's value representations", shown(kind));
      constexpr std::string_view wide = "OB OD OF OL OV OW SQ SV UC UN UR UT UV";
      const bool is_wide = wide.find(kind) != std::string_view::npos;
      length = is_wide ? number(at + 8, 4, end) : number(at + 6, 2, end);
      at += is_wide ? 12 : 8;
    } else {
      length = number(at + 4, 4, end);
      at += 8;
    }
    DicomElement element;
    element.words = kind == "OW";
    if (length == undefined && name == pixels_tag) {
      parse_fragments(element, at, end);
    } else if (length == undefined) {
      const bool was_explicit = explicit_;
      if (kind == "UN") explicit_ = false;  // its content is so by the standard
      parse_items(element, at, end, true, depth);
      explicit_ = was_explicit;
    } else {
      element.value = value(at, length, end);
      std::size_t inside = at;
      at += length;
      if (kind == "SQ" || (!explicit_ && is_sequence(name))) parse_items(element, inside, at, false, depth);
    }
    return element;
  }

  /// The sequences that are looked into; where a file does not say what is one, they must be known.
  static bool is_sequence(DicomTag name) {
    constexpr std::array<DicomTag, 8> ours{0x00209113, 0x00209116, 0x00283000, 0x00289110,
                                           0x00289132, 0x00289145, 0x52009229, 0x52009230};
    return std::find(ours.begin(), ours.end(), name) != ours.end();
  }

  void parse_items(DicomElement& element, std::size_t& at, std::size_t end, bool delimited, int depth) {
    while (at < end) {
      const DicomTag name = tag(at, end);
      const std::uint32_t length = number(at + 4, 4, end);
      at += 8;
      if (name == sequence_end && delimited) return;
      if (name != item_tag) refuse(at - 8, "an item of a sequence", tag_text(name));
      if (length == undefined) {
        element.items.push_back(parse_set(at, end, Until::delimiter, depth + 1));
      } else {
        value(at, length, end);
        element.items.push_back(parse_set(at, at + length, Until::end, depth + 1));
      }
    }
    if (delimited) refuse(at, "the end of a sequence", "the end of the file");
  }

  void parse_fragments(DicomElement& element, std::size_t& at, std::size_t end) {
    for (;;) {
      const DicomTag name = tag(at, end);
      const std::uint32_t length = number(at + 4, 4, end);
      at += 8;
      if (name == sequence_end) return;
      if (name != item_tag) refuse(at - 8, "a piece of compressed pixels", tag_text(name));
      element.fragments.push_back(value(at, length, end));
      at += length;
    }
  }

  std::string_view bytes_;
  std::string where_;
  bool explicit_ = true, big_ = false;
};

/// A DICOM file in memory.
struct DicomFile {
  std::filesystem::path path;
  std::unique_ptr<const std::string> bytes;  ///< what the set's views look at
  std::string syntax;                        ///< UID of the transfer syntax; "" where the file does not say
  DicomSet set;
};

/// Whether a file that begins with these bytes (132 of them, or all) may be DICOM: by its mark, or, where a file has no
/// preamble, by the group of its first element.
inline bool may_be_dicom(std::string_view start) {
  if (start.size() >= 132 && start.substr(128, 4) == "DICM") return true;
  if (start.size() < 8) return false;
  const bool little = (start[0] == 2 || start[0] == 8) && start[1] == 0, big = start[0] == 0 && start[1] == 8;
  return little || big;
}

/// Reads the elements of a DICOM file. Nothing where the file is none. Throws IoError, FormatError, also where a
/// deflated file would unpack to more than `max_bytes`.
inline std::optional<DicomFile> read_dicom_file(const std::filesystem::path& path,
                                                std::size_t max_bytes = std::size_t{1} << 29) {
  const ByteSource source = ByteSource::file(path);
  const auto size = static_cast<std::size_t>(source.size());
  if (!may_be_dicom(source.read_string(0, std::min<std::size_t>(132, size)))) return {};
  DicomFile file{
      .path = path, .bytes = std::make_unique<const std::string>(source.read_string(0, size)), .syntax = {}, .set = {}};
  const std::string where = path.string();
  std::size_t at = file.bytes->compare(std::min<std::size_t>(128, size), 4, "DICM") == 0 ? 132 : 0;
  if (at != 0 || file.bytes->front() == 2) {
    file.syntax = DicomParser(*file.bytes, where).parse(at, true, false, true).text(0x00020010);
  }
  const auto letter = [&](std::size_t i) { return i < size && (*file.bytes)[i] >= 'A' && (*file.bytes)[i] <= 'Z'; };
  bool is_explicit = letter(at + 4) && letter(at + 5), big = at < size && (*file.bytes)[at] == 0;
  if (!file.syntax.empty()) {
    is_explicit = file.syntax != "1.2.840.10008.1.2";
    big = file.syntax == "1.2.840.10008.1.2.2";
  }
  if (file.syntax == "1.2.840.10008.1.2.1.99") {  // everything behind group 2 is deflated
    file.bytes = std::make_unique<const std::string>(
        unpack_at_most(std::string_view(*file.bytes).substr(at), where, max_bytes, bare_form));
    at = 0;
  }
  file.set = DicomParser(*file.bytes, where).parse(at, is_explicit, big);
  return file;
}

}  // namespace ssam::inline SSAM_ABI::detail
