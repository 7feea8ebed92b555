#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <ssam/text/compose.hpp>
#include <ssam/text/html_entities.hpp>
#include <ssam/text/lower_case.hpp>
#include <ssam/text/unicode_classes.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace ssam::inline SSAM_ABI {

/// The code points of `text`. What is not UTF-8 becomes U+FFFD: one for each longest beginning of a character, else one
/// for the byte, as the Unicode standard recommends and Python's errors="replace" does.
inline std::u32string decode_utf8(std::string_view text) {
  std::u32string out;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned lead = byte(i++);
    std::size_t more = lead < 0xc2 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 0;
    if (more == 0) {
      out += lead < 0x80 ? char32_t{lead} : U'\ufffd';
      continue;
    }
    char32_t code = lead & (0x3fu >> more);
    unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;   // of the second byte: no overlong forms
    unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;  // no surrogates, nothing above U+10FFFF
    for (; more > 0 && i < text.size() && byte(i) >= low && byte(i) <= high; --more, ++i) {
      code = code << 6 | (byte(i) & 0x3fu);
      low = 0x80;
      high = 0xbf;
    }
    out += more == 0 ? code : U'\ufffd';
  }
  return out;
}

/// `text` as UTF-8; its code points must be such (no surrogates, none above U+10FFFF).
inline std::string encode_utf8(std::u32string_view text) {
  std::string out;
  const auto add = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  for (const char32_t code : text) {
    if (code < 0x80) {
      add(code);
      continue;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    add((0xff00u >> (more + 1) & 0xffu) | code >> (6 * more));
    for (int k = more - 1; k >= 0; --k) add(0x80u | (code >> (6 * k) & 0x3fu));
  }
  return out;
}

namespace detail {
/// Windows-1252 for 0x80 to 0x9f, which stands for these control characters in web pages.
inline constexpr std::array<char16_t, 32> windows_1252{0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021,
                                                       0x2c6,  0x2030, 0x160,  0x2039, 0x152,  0x8d,   0x17d,  0x8f,
                                                       0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                                       0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};

/// The usual forms of the narrow and wide characters U+FF5F to U+FFEF; itself where it has none.
inline constexpr std::array<char16_t, 145> narrow_forms{
    0x2985, 0x2986, 0x3002, 0x300c, 0x300d, 0x3001, 0x30fb, 0x30f2, 0x30a1, 0x30a3, 0x30a5, 0x30a7, 0x30a9, 0x30e3,
    0x30e5, 0x30e7, 0x30c3, 0x30fc, 0x30a2, 0x30a4, 0x30a6, 0x30a8, 0x30aa, 0x30ab, 0x30ad, 0x30af, 0x30b1, 0x30b3,
    0x30b5, 0x30b7, 0x30b9, 0x30bb, 0x30bd, 0x30bf, 0x30c1, 0x30c4, 0x30c6, 0x30c8, 0x30ca, 0x30cb, 0x30cc, 0x30cd,
    0x30ce, 0x30cf, 0x30d2, 0x30d5, 0x30d8, 0x30db, 0x30de, 0x30df, 0x30e0, 0x30e1, 0x30e2, 0x30e4, 0x30e6, 0x30e8,
    0x30e9, 0x30ea, 0x30eb, 0x30ec, 0x30ed, 0x30ef, 0x30f3, 0x3099, 0x309a, 0x1160, 0x1100, 0x1101, 0x11aa, 0x1102,
    0x11ac, 0x11ad, 0x1103, 0x1104, 0x1105, 0x11b0, 0x11b1, 0x11b2, 0x11b3, 0x11b4, 0x11b5, 0x111a, 0x1106, 0x1107,
    0x1108, 0x1121, 0x1109, 0x110a, 0x110b, 0x110c, 0x110d, 0x110e, 0x110f, 0x1110, 0x1111, 0x1112, 0xffbf, 0xffc0,
    0xffc1, 0x1161, 0x1162, 0x1163, 0x1164, 0x1165, 0x1166, 0xffc8, 0xffc9, 0x1167, 0x1168, 0x1169, 0x116a, 0x116b,
    0x116c, 0xffd0, 0xffd1, 0x116d, 0x116e, 0x116f, 0x1170, 0x1171, 0x1172, 0xffd8, 0xffd9, 0x1173, 0x1174, 0x1175,
    0xffdd, 0xffde, 0xffdf, 0xa2,   0xa3,   0xac,   0xffe3, 0xa6,   0xa5,   0x20a9, 0xffe7, 0x2502, 0x2190, 0x2191,
    0x2192, 0x2193, 0x25a0, 0x25cb, 0xffef};

/// A named character reference of HTML.
struct HtmlEntity {
  std::u32string text;
  bool bare = false;  ///< whether it may stand without its semicolon
};

inline const std::unordered_map<std::string_view, HtmlEntity>& html_entity_map() {
  static const auto map = [] {
    std::unordered_map<std::string_view, HtmlEntity> made;
    for (std::string_view rest = html_entities; !rest.empty();) {
      const std::size_t mark = rest.find_first_of(";!");
      const std::size_t end = rest.find(' ');
      HtmlEntity& entity = made[rest.substr(0, mark)];
      entity.bare = rest[mark] == '!';
      for (std::size_t at = mark; at < end; at = std::min(rest.find('+', at + 1), end)) {
        std::uint32_t code = 0;
        std::from_chars(rest.data() + at + 1, rest.data() + end, code, 16);
        entity.text += char32_t{code};
      }
      rest.remove_prefix(end + 1);
    }
    return made;
  }();
  return map;
}

/// What a numeric character reference to `code` means.
inline std::u32string html_character(char32_t code) {
  if (code >= 0x80 && code <= 0x9f) return std::u32string(1, windows_1252[code - 0x80]);
  if (code == 0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return U"\ufffd";
  const bool none = code <= 8 || code == 0xb || (code >= 0xe && code <= 0x1f) || code == 0x7f ||
                    (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) == 0xfffe;
  return none ? U"" : std::u32string(1, code);
}

/// The character reference that begins with the `&` at `at`, of which `at` is moved to the last character used; a lone
/// `&` is itself. With `whole` only references that end with a semicolon count.
inline std::u32string html_reference(std::u32string_view text, std::size_t& at, bool whole) {
  const auto get = [&](std::size_t i) { return i < text.size() ? text[i] : U'\0'; };
  if (get(at + 1) == U'#') {
    const bool hexadecimal = get(at + 2) == U'x' || get(at + 2) == U'X';
    const std::size_t first = at + (hexadecimal ? 3 : 2);
    char32_t code = 0;
    std::size_t end = first;
    for (;; ++end) {
      const char32_t digit = get(end), letter = digit | 0x20;
      const bool decimal = digit >= U'0' && digit <= U'9';
      if (!decimal && !(hexadecimal && letter >= U'a' && letter <= U'f')) break;
      code =
          std::min<char32_t>(code * (hexadecimal ? 16 : 10) + (decimal ? digit - U'0' : letter - U'a' + 10), 0x110000);
    }
    const bool ended = get(end) == U';';
    if (end == first || (whole && (!ended || code == U';'))) return U"&";
    at = ended ? end : end - 1;
    return html_character(code);
  }
  std::string name;
  while (name.size() < 32 && get(at + 1 + name.size()) > U' ' && get(at + 1 + name.size()) < 0x7f &&
         std::u32string_view(U"<&#;").find(get(at + 1 + name.size())) == std::u32string_view::npos) {
    name += static_cast<char>(get(at + 1 + name.size()));
  }
  const auto& known = html_entity_map();
  const auto exact = known.find(name);
  if (exact != known.end() && get(at + 1 + name.size()) == U';') {
    at += name.size() + 1;
    return exact->second.text;
  }
  for (; !whole && name.size() > 1; name.pop_back()) {
    const auto found = known.find(name);
    if (found == known.end() || !found->second.bare) continue;
    at += name.size();
    return found->second.text;
  }
  return U"&";
}

inline std::u32string unescape_html(std::u32string_view text, bool whole) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == U'&') {
      out += html_reference(text, i, whole);
    } else {
      out += text[i];
    }
  }
  return out;
}

/// What a typesetter's form of a character is written as; itself for others. The last step of several.
inline std::u32string plain_form(char32_t code) {
  if (code >= 0x80 && code <= 0x9f) code = windows_1252[code - 0x80];
  constexpr std::array<std::u32string_view, 9> serbian{U"D\u017d", U"D\u017e", U"d\u017e", U"LJ", U"Lj",
                                                       U"lj",      U"NJ",      U"Nj",      U"nj"};
  constexpr std::array<std::u32string_view, 7> latin{U"ff", U"fi", U"fl", U"ffi", U"ffl", U"\u017ft", U"st"};
  if (code >= 0x1c4 && code <= 0x1cc) return std::u32string(serbian[code - 0x1c4]);
  if (code >= 0xfb00 && code <= 0xfb06) return std::u32string(latin[code - 0xfb00]);
  if (code == 0x132 || code == 0x133) return code == 0x132 ? U"IJ" : U"ij";
  if (code == 0x1f1) return U"DZ";
  if (code == 0x1f2 || code == 0x1f3) return code == 0x1f2 ? U"Dz" : U"dz";
  if (code == 0x149) return U"'n";
  if (code == 0xffe3) return U" \u0304";
  if (code == 0x3000) code = U' ';
  if (code >= 0xff01 && code <= 0xff5e) code -= 0xfee0;
  if (code >= 0xff5f && code <= 0xffef) code = narrow_forms[code - 0xff5f];
  if (code == 0x2bc || (code >= 0x2018 && code <= 0x201b)) code = U'\'';
  if (code >= 0x201c && code <= 0x201f) code = U'"';
  if (code == U'\r' || code == 0x2028 || code == 0x2029) code = U'\n';
  return std::u32string(1, code);
}

/// Without the escape sequences of terminals (colours, say) and without control characters that mean nothing.
inline std::u32string without_controls(std::u32string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t code = text[i];
    if (code == 0x1b && i + 1 < text.size() && text[i + 1] == U'[') {
      std::size_t end = i + 2;
      while (end < text.size() && ((text[end] >= U'0' && text[end] <= U'9') || text[end] == U';')) ++end;
      if (end < text.size() && (text[end] | 0x20) >= U'a' && (text[end] | 0x20) <= U'z') {
        i = end;
        continue;
      }
    }
    const bool none = code <= 8 || code == 0xb || (code >= 0xe && code <= 0x1f) || code == 0x7f || code == 0xfeff ||
                      (code >= 0x206a && code <= 0x206f) || (code >= 0xfff9 && code <= 0xfffc);
    if (!none) out += code;
  }
  return out;
}

/// One line of text as ftfy.fix_text leaves it: all steps again until nothing changes. Steps that nest deeper than
/// anybody writes stay.
inline std::u32string fix_line(std::u32string text, bool unescape) {
  for (int pass = 0; pass < 16; ++pass) {
    std::u32string fixed;
    for (const char32_t code : unescape ? unescape_html(text, true) : text) fixed += plain_form(code);
    fixed = compose(without_controls(fixed));
    if (fixed == text) break;
    text = std::move(fixed);
  }
  return text;
}
}  // namespace detail

/// `text`, UTF-8, as OpenAI's CLIP cleans a prompt before it is cut into tokens (clip/simple_tokenizer.py): what
/// ftfy.fix_text does with text that was decoded rightly (curly quotes, ligatures, wide and narrow forms become plain,
/// control characters go, characters are composed), HTML's character references replaced twice, each run of white space
/// one blank, none at the ends, lower case. Never throws for its contents: what is not UTF-8 becomes U+FFFD.
///
/// ftfy also guesses where text was decoded wrongly ("Ã©" for "é") and repairs that, and knows names of HTML in
/// capitals; that is left out.
inline std::u32string clean_prompt(std::string_view text) {
  const std::u32string decoded = decode_utf8(text);
  std::u32string fixed;
  bool unescape = true;
  for (std::size_t begin = 0; begin < decoded.size();) {
    const std::size_t end = std::min(decoded.find(U'\n', begin), decoded.size() - 1) + 1;
    const std::u32string line = decoded.substr(begin, end - begin);
    unescape = unescape && line.find(U'<') == std::u32string::npos;  // with tags, it is HTML that stays so
    fixed += detail::fix_line(line, unescape);
    begin = end;
  }
  fixed = detail::unescape_html(detail::unescape_html(fixed, false), false);
  std::u32string out;
  for (const char32_t code : fixed) {
    if (!is_white_space(code)) {
      out += code;
    } else if (!out.empty() && out.back() != U' ') {
      out += U' ';
    }
  }
  if (!out.empty() && out.back() == U' ') out.pop_back();
  return lower_case(out);
}

}  // namespace ssam::inline SSAM_ABI
