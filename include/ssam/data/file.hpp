#pragma once

#include <cstdint>
#include <ssam/io/byte_source.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI::detail {

/// The bytes of a regular file. Throws IoError.
inline std::vector<std::uint8_t> read_bytes(const std::filesystem::path& path) {
  const ByteSource source = ByteSource::file(path);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(source.size()));
  source.read(0, bytes.data(), bytes.size());
  return bytes;
}

}  // namespace ssam::inline SSAM_ABI::detail
