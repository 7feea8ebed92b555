#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <ssam/io/names.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace ssam::inline SSAM_ABI {

/// What is probably wrong with a path that leads nowhere, as advice; "" where nothing shows.
inline std::string path_advice(std::string_view path) {
  const auto starts = [&](const char* text) { return path.starts_with(text); };
  const bool drive = path.size() > 2 && path[1] == ':' && (path[2] == '\\' || path[2] == '/') &&
                     ((path[0] | 0x20) >= 'a' && (path[0] | 0x20) <= 'z');
  if (starts("~")) return "a ~ in quotes is no home folder: write the whole path, or take the quotes away";
  if (starts("http://") || starts("https://")) return "this is an address, not a file: download it first";
  if (starts("file://")) return "write the path without file://";
  if (drive) return "this is a path of Windows: write it as this system names it, with / (under WSL: /mnt/c/...)";
  if (path.find('\\') != std::string_view::npos) return "folders are parted by /, not by \\";
  if (!path.empty() && (path.front() == ' ' || path.back() == ' ')) return "its name begins or ends with a blank";
  return "";
}

/// Throws IoError: "cannot `action` [`where`]: found (the system's text for errno)", with path_advice() for a path that
/// leads nowhere.
[[noreturn]] inline void throw_system_error(const std::string& action, const std::string& where) {
  const int code = errno;
  throw IoError(ErrorText{.what = "cannot " + action,
                          .where = where,
                          .found = std::strerror(code),
                          .advice = code == ENOENT ? path_advice(where) : ""});
}

/// An open file, closed at the end of its life.
class FileDescriptor {
 public:
  /// Takes over the file of this `number`; -1: none.
  explicit FileDescriptor(int number = -1) : number_(number) {}
  /// Takes the file; `other` has none afterwards.
  FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  /// Takes the file; `other` gets the one that was here.
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  /// Closes the file; a late write error is lost.
  ~FileDescriptor() {
    if (number_ >= 0) ::close(number_);
  }
  /// The system's number of the file, -1 for none.
  int number() const { return number_; }
  /// Whether there is a file.
  bool is_open() const { return number_ >= 0; }
  /// Closes now; false (and errno) when the system reports a late write error.
  bool close() { return ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

/// Bytes that can be read at any offset: a regular file, or memory (tests, fuzzing). Files are read, not mapped: one
/// that is cut while we read gives an error, not a SIGBUS.
class ByteSource {
 public:
  /// Opens a regular file. Throws IoError for what cannot be opened and for directories, FIFOs, sockets and devices.
  static ByteSource file(const std::filesystem::path& path) {
    const std::string name = path.string();
    // Without O_NONBLOCK opening a FIFO would wait for a writer for ever.
    FileDescriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!descriptor.is_open()) throw_system_error("open the file", name);
    struct stat status = {};
    if (::fstat(descriptor.number(), &status) != 0) throw_system_error("inspect the file", name);
    if (!S_ISREG(status.st_mode)) {
      throw IoError(ErrorText{.what = "not a regular file",
                              .where = name,
                              .found = S_ISDIR(status.st_mode)    ? "a directory"
                                       : S_ISFIFO(status.st_mode) ? "a FIFO"
                                       : S_ISSOCK(status.st_mode) ? "a socket"
                                                                  : "a device",
                              .advice = S_ISDIR(status.st_mode) ? "name a file in it" : ""});
    }
    ByteSource source(name, static_cast<std::uint64_t>(status.st_size));
    source.descriptor_ = std::move(descriptor);
    return source;
  }

  /// `bytes` must outlive the source; `name` stands for the file in messages.
  static ByteSource memory(std::string_view bytes, const std::string& name) {
    ByteSource source(name, bytes.size());
    source.bytes_ = bytes;
    return source;
  }

  /// For messages: the path, or what memory() was told.
  const std::string& name() const { return name_; }
  /// Bytes at the time of opening.
  std::uint64_t size() const { return size_; }

  /// Reads exactly `count` bytes at `offset` into `to`. Throws FormatError when they are not all inside the source,
  /// IoError when the system cannot deliver them.
  void read(std::uint64_t offset, void* to, std::size_t count) const {
    if (count > size_ || offset > size_ - count) {
      throw FormatError(ErrorText{.what = "the file ends too early",
                                  .where = at_offset(name_, offset),
                                  .expected = std::to_string(count) + " bytes",
                                  .found = "a file of " + std::to_string(size_) + " bytes",
                                  .advice = "the file is truncated or damaged: use a whole copy of it"});
    }
    if (count == 0) return;
    if (!descriptor_.is_open()) {
      std::memcpy(to, bytes_.data() + offset, count);
      return;
    }
    auto* out = static_cast<std::byte*>(to);
    while (count > 0) {
      const ssize_t got =
          ::pread(descriptor_.number(), out, std::min(count, std::size_t{1} << 30), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw_system_error("read", at_offset(name_, offset));
      if (got == 0) {
        throw IoError(
            ErrorText{.what = "the file became shorter while it was read", .where = at_offset(name_, offset)});
      }
      out += got;
      offset += static_cast<std::uint64_t>(got);
      count -= static_cast<std::size_t>(got);
    }
  }

  /// `count` bytes at `offset` as a string; the bounds are checked before anything is allocated. Throws as read().
  std::string read_string(std::uint64_t offset, std::size_t count) const {
    if (count > size_ || offset > size_ - count) read(offset, nullptr, count);
    std::string text(count, '\0');
    read(offset, text.data(), count);
    return text;
  }

 private:
  ByteSource(std::string name, std::uint64_t size) : name_(std::move(name)), size_(size) {}

  std::string name_;
  std::uint64_t size_;
  std::string_view bytes_;
  FileDescriptor descriptor_;
};

/// The whole of a regular file of at most `max_bytes`. Throws IoError, and FormatError for a larger one.
inline std::string read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const ByteSource source = ByteSource::file(path);
  if (source.size() > max_bytes) {
    throw FormatError(ErrorText{.what = "the file is larger than anything that belongs here",
                                .where = source.name(),
                                .expected = "at most " + std::to_string(max_bytes) + " bytes",
                                .found = std::to_string(source.size())});
  }
  return source.read_string(0, static_cast<std::size_t>(source.size()));
}

}  // namespace ssam::inline SSAM_ABI
