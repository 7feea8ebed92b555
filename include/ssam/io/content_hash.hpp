#pragma once

#include <xxhash.h>

#include <cstdint>
#include <memory>
#include <new>
#include <ssam/core/version.hpp>
#include <string>
#include <string_view>

namespace ssam::inline SSAM_ABI {

/// 128 bits (XXH3) over all that is added, in order: tells contents apart on every machine alike. Not cryptographic.
class ContentHash {
 public:
  /// Of nothing yet. Throws std::bad_alloc.
  ContentHash() {
    if (!state_) throw std::bad_alloc();
    XXH3_128bits_reset(state_.get());
  }

  /// Adds `value`.
  void number(std::uint64_t value) { XXH3_128bits_update(state_.get(), &value, sizeof value); }
  /// Adds `bytes`. Their number counts too, so that "ab", "c" is not "a", "bc".
  void text(std::string_view bytes) {
    number(bytes.size());
    XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
  }

  /// 32 hexadecimal digits.
  std::string hex() const {
    const XXH128_hash_t digest = XXH3_128bits_digest(state_.get());
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const std::uint64_t half : {digest.high64, digest.low64}) {
      for (int shift = 60; shift >= 0; shift -= 4) text += digits[half >> shift & 15];
    }
    return text;
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_{XXH3_createState()};
};

/// The hash of one text, `bytes`.
inline std::string content_hash(std::string_view bytes) {
  ContentHash hash;
  hash.text(bytes);
  return hash.hex();
}

}  // namespace ssam::inline SSAM_ABI
