#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ssam/core/version.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {
/// Table k gives the effect of a byte that k more bytes follow (polynomial 0xEDB88320, reflected).
constexpr std::array<std::array<std::uint32_t, 256>, 8> make_crc32_tables() {
  std::array<std::array<std::uint32_t, 256>, 8> tables = {};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
    tables[0][i] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::uint32_t before = tables[k - 1][i];
      tables[k][i] = before >> 8 ^ tables[0][before & 0xff];
    }
  }
  return tables;
}
inline constexpr auto crc32_tables = make_crc32_tables();
}  // namespace detail

/// The CRC-32 of zip archives and PNG over `count` bytes of `data`, eight at a time: a few seconds' worth of checkpoint
/// per second would be felt.
inline std::uint32_t crc32(const void* data, std::size_t count) {
  const auto& tables = detail::crc32_tables;
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::uint32_t crc = 0xffffffffu;
  for (; count >= 8; count -= 8, bytes += 8) {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    std::memcpy(&low, bytes, 4);
    std::memcpy(&high, bytes + 4, 4);
    low ^= crc;
    crc = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      crc ^= tables[7 - k][low >> (8 * k) & 0xff] ^ tables[3 - k][high >> (8 * k) & 0xff];
    }
  }
  for (; count > 0; --count, ++bytes) crc = crc >> 8 ^ tables[0][(crc ^ *bytes) & 0xff];
  return ~crc;
}

}  // namespace ssam::inline SSAM_ABI
