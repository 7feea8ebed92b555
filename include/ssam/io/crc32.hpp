#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <ssam/core/version.hpp>

namespace ssam::inline SSAM_ABI {

/// The CRC-32 of zip archives and PNG over `count` bytes of `data`.
inline std::uint32_t crc32(const void* data, std::size_t count) {
  return static_cast<std::uint32_t>(::crc32_z(0, static_cast<const Bytef*>(data), count));
}

}  // namespace ssam::inline SSAM_ABI
