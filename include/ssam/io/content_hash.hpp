#pragma once

// xxHash as static functions of this translation unit: header only, and no clash with a linked one.
#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace ssam {

/// 128 bits (XXH3) over all that is added, in order: tells contents apart on every machine alike. Not cryptographic.
class ContentHash {
 public:
  ContentHash() { XXH3_128bits_reset(&state_); }

  void number(std::uint64_t value) { XXH3_128bits_update(&state_, &value, sizeof value); }
  /// The length counts too, so that "ab", "c" is not "a", "bc".
  void text(std::string_view bytes) {
    number(bytes.size());
    XXH3_128bits_update(&state_, bytes.data(), bytes.size());
  }

  /// 32 hexadecimal digits.
  std::string hex() const {
    const XXH128_hash_t digest = XXH3_128bits_digest(&state_);
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const std::uint64_t half : {digest.high64, digest.low64}) {
      for (int shift = 60; shift >= 0; shift -= 4) text += digits[half >> shift & 15];
    }
    return text;
  }

 private:
  XXH3_state_t state_;
};

/// The hash of one text.
inline std::string content_hash(std::string_view bytes) {
  ContentHash hash;
  hash.text(bytes);
  return hash.hex();
}

}  // namespace ssam
