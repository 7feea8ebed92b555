#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <ssam/text/composition_tables.hpp>
#include <string>
#include <string_view>
#include <unordered_map>

namespace ssam::inline SSAM_ABI {

namespace detail {
struct CompositionMaps {
  std::unordered_map<char32_t, std::u32string> parts;    ///< of a character, which have parts no more
  std::unordered_map<std::uint64_t, char32_t> composed;  ///< by the first part * 2^32 + the second
  std::unordered_map<char32_t, std::uint32_t> classes;   ///< combining classes but for 0
};

/// Takes a hexadecimal number from the beginning of `text`; `otherwise` where there is none.
inline char32_t take_hexadecimal(std::string_view& text, char32_t otherwise = 0) {
  std::uint32_t value = otherwise;
  text.remove_prefix(
      static_cast<std::size_t>(std::from_chars(text.data(), text.data() + text.size(), value, 16).ptr - text.data()));
  return value;
}

inline CompositionMaps make_composition_maps() {
  CompositionMaps maps;
  char32_t code = 0;
  for (std::string_view rest = decomposition_table; !rest.empty(); rest.remove_prefix(1)) {
    code = take_hexadecimal(rest, code + 1);
    const bool composes = rest[0] == '=';
    std::u32string& parts = maps.parts[code];
    while (rest[0] != ' ') {
      rest.remove_prefix(1);
      parts += take_hexadecimal(rest);
    }
    if (composes) maps.composed[std::uint64_t{parts[0]} << 32 | parts[1]] = code;
  }
  for (auto& [whole, parts] : maps.parts) {  // only the first part has parts itself
    for (auto inner = maps.parts.find(parts[0]); inner != maps.parts.end(); inner = maps.parts.find(parts[0])) {
      parts = inner->second + parts.substr(1);
    }
  }
  for (std::string_view rest = combining_class_table; !rest.empty(); rest.remove_prefix(1)) {
    const char32_t first = take_hexadecimal(rest);
    char32_t last = first;
    if (rest[0] == '-') {
      rest.remove_prefix(1);
      last = take_hexadecimal(rest);
    }
    rest.remove_prefix(1);
    const char32_t combining = take_hexadecimal(rest);
    for (code = first; code <= last; ++code) maps.classes[code] = combining;
  }
  return maps;
}

inline const CompositionMaps& composition_maps() {
  static const CompositionMaps maps = make_composition_maps();
  return maps;
}

// Hangul syllables are numbers made of their consonants and vowels (the Unicode standard, section 3.12).
inline constexpr char32_t hangul_first = 0xac00, hangul_count = 11172, hangul_leads = 19, hangul_vowels = 21;
inline constexpr char32_t hangul_tails = 28, hangul_lead = 0x1100, hangul_vowel = 0x1161, hangul_tail = 0x11a7;

/// The character that `first` and `second` make together; 0 for none.
inline char32_t composed_of(char32_t first, char32_t second) {
  if (first - hangul_lead < hangul_leads && second - hangul_vowel < hangul_vowels) {
    return hangul_first + ((first - hangul_lead) * hangul_vowels + (second - hangul_vowel)) * hangul_tails;
  }
  if (first - hangul_first < hangul_count && (first - hangul_first) % hangul_tails == 0 &&
      second - hangul_tail - 1 < hangul_tails - 1) {
    return first + (second - hangul_tail);
  }
  const auto found = composition_maps().composed.find(std::uint64_t{first} << 32 | second);
  return found == composition_maps().composed.end() ? 0 : found->second;
}

inline std::u32string decomposed(std::u32string_view text) {
  std::u32string out;
  for (const char32_t code : text) {
    const auto found = composition_maps().parts.find(code);
    if (found != composition_maps().parts.end()) {
      out += found->second;
    } else if (code - hangul_first < hangul_count) {
      const char32_t number = code - hangul_first, tail = number % hangul_tails;
      out += hangul_lead + number / (hangul_vowels * hangul_tails);
      out += hangul_vowel + number / hangul_tails % hangul_vowels;
      if (tail > 0) out += hangul_tail + tail;
    } else {
      out += code;
    }
  }
  return out;
}
}  // namespace detail

/// `text` with its characters composed where Unicode has one for them, "e" and an acute accent as "é": Unicode's normal
/// form NFC.
inline std::u32string compose(std::u32string_view text) {
  if (std::none_of(text.begin(), text.end(), [](char32_t code) { return code >= 0x300; })) return std::u32string(text);
  const auto class_of = [](char32_t code) -> std::uint32_t {
    if (code < 0x300) return 0;
    const auto found = detail::composition_maps().classes.find(code);
    return found == detail::composition_maps().classes.end() ? 0 : found->second;
  };
  std::u32string parts = detail::decomposed(text);
  for (auto begin = parts.begin(); begin != parts.end();) {  // marks behind a character go by their class
    const auto end = std::find_if(begin, parts.end(), [&](char32_t code) { return class_of(code) == 0; });
    std::stable_sort(begin, end, [&](char32_t left, char32_t right) { return class_of(left) < class_of(right); });
    begin = end == parts.end() ? end : end + 1;
  }
  std::u32string out;
  std::size_t base = 0;  // in `out`: what marks are added to
  bool has_base = false;
  std::uint32_t last_class = 0;  // of the last character of `out`
  for (const char32_t code : parts) {
    const std::uint32_t own_class = class_of(code);
    if (has_base && (base + 1 == out.size() || last_class < own_class)) {
      if (const char32_t whole = detail::composed_of(out[base], code); whole != 0) {
        out[base] = whole;
        continue;
      }
    }
    if (own_class == 0) {
      base = out.size();
      has_base = true;
    }
    last_class = own_class;
    out += code;
  }
  return out;
}

}  // namespace ssam::inline SSAM_ABI
