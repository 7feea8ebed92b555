#pragma once

#include <cstddef>
#include <cstdint>

#include "fiber.hpp"

#if defined(SSAM_EMULATION_ASAN)
#include <sanitizer/asan_interface.h>
#endif

/// What surrounds fenced memory: bytes of a known pattern, which AddressSanitizer watches as well where it is there.
namespace ssam_emulation {

inline constexpr std::uint16_t canary = 0xFFF7;  // a NaN in every floating-point type that it may be read as

#if defined(SSAM_EMULATION_ASAN)
inline void poison_range(const char* begin, const char* end) {
  ASAN_POISON_MEMORY_REGION(begin, static_cast<std::size_t>(end - begin));
}
inline void unpoison_range(const char* begin, const char* end) {
  ASAN_UNPOISON_MEMORY_REGION(begin, static_cast<std::size_t>(end - begin));
}
#else
inline void poison_range(const char*, const char*) {}
inline void unpoison_range(const char*, const char*) {}
#endif

inline char canary_at(const char* address) {
  return static_cast<char>(reinterpret_cast<std::uintptr_t>(address) % 2 == 0 ? canary & 0xFF : canary >> 8);
}
inline void write_canary(char* begin, char* end) {
  for (char* at = begin; at < end; ++at) *at = canary_at(at);
}
/// The first byte that does not hold the pattern any more, or null.
__attribute__((no_sanitize("address"))) inline const char* broken_canary(const char* begin, const char* end) {
  for (const volatile char* at = begin; at < end; ++at) {
    if (*at != canary_at(const_cast<const char*>(at))) return const_cast<const char*>(at);
  }
  return nullptr;
}

}  // namespace ssam_emulation
