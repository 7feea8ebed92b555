#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <ssam/core/error.hpp>
#include <string>
#include <vector>

namespace ssam::detail {

/// The bytes of a regular file. Throws IoError.
inline std::vector<std::uint8_t> read_bytes(const std::filesystem::path& path) {
  std::error_code failure;
  if (!std::filesystem::is_regular_file(path, failure)) {  // a pipe or a device could block or never end
    const bool exists = std::filesystem::exists(path, failure);
    throw IoError(ErrorText{.what = exists ? "not a regular file" : "no such file", .where = path.string()});
  }
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream) throw IoError(ErrorText{.what = "cannot open the file", .where = path.string()});
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(stream.tellg()));
  stream.seekg(0);
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!stream) throw IoError(ErrorText{.what = "cannot read the file", .where = path.string()});
  return bytes;
}

/// Writes a file so that at every moment either the old or the complete new one is there: a temporary beside it,
/// synced, then renamed. Throws IoError and leaves nothing behind.
inline void write_file_atomically(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  static std::atomic<unsigned> counter{0};
  const std::string temporary =
      path.string() + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(counter.fetch_add(1));
  const auto fail = [&](const char* what) {
    const std::string reason = std::strerror(errno);
    ::unlink(temporary.c_str());
    throw IoError(ErrorText{.what = std::string(what) + " (" + reason + ")", .where = path.string()});
  };
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) fail("cannot create the file");
  bool written = true;
  for (std::size_t done = 0; written && done < bytes.size();) {
    const ssize_t count = ::write(file, bytes.data() + done, bytes.size() - done);
    if (count > 0) done += static_cast<std::size_t>(count);
    written = count > 0 || (count < 0 && errno == EINTR);
  }
  written = written && ::fsync(file) == 0;
  if (::close(file) != 0 || !written) fail("cannot write the file");
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("cannot rename the file into place");
}

}  // namespace ssam::detail
