#pragma once

#include <atomic>
#include <cstdio>
#include <ssam/io/byte_source.hpp>

namespace ssam {

/// A file that appears whole or not at all: written beside its target under another name, moved over it by commit().
/// A crash at any moment leaves the old target (or none) and at most a `.name.*.tmp` beside it. A symbolic link at the
/// target is replaced.
class AtomicFile {
 public:
  /// Creates the temporary file in the target's folder. Throws IoError.
  explicit AtomicFile(const std::filesystem::path& path) : path_(path) {
    static std::atomic<unsigned> serial{0};
    const auto folder = path.parent_path();
    while (!file_.is_open()) {
      std::string name = ".";
      name += path.filename().string() + "." + std::to_string(::getpid()) + "-" + std::to_string(serial.fetch_add(1));
      name += ".tmp";
      temporary_ = folder / name;
      file_ = FileDescriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      // A crashed process with our number may have left this name: take the next one.
      if (!file_.is_open() && errno != EEXIST && errno != EINTR) {
        const int code = errno;
        temporary_.clear();
        errno = code;
        throw_system_error("create a file beside the target", path.string());
      }
    }
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  /// Removes a file that was not committed; the target stays as it was.
  ~AtomicFile() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  /// Appends. Throws IoError (disk full, quota, ...).
  void write(const void* data, std::size_t count) {
    const auto* from = static_cast<const std::byte*>(data);
    while (count > 0) {
      const ssize_t done = ::write(file_.number(), from, std::min(count, std::size_t{1} << 30));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) throw_system_error("write", temporary_.string());
      from += done;
      count -= static_cast<std::size_t>(done);
    }
  }
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }

  /// Brings the bytes to the disk, moves the file to its target, brings the folder to the disk. To be called once.
  /// Throws IoError; the target is then the old one, or (only when the folder cannot be synchronised) the new one.
  void commit() {
    if (::fsync(file_.number()) != 0) throw_system_error("write to the disk", temporary_.string());
    if (!file_.close()) throw_system_error("close", temporary_.string());
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw_system_error("replace the file", path_.string());
    temporary_.clear();
    const auto parent = path_.parent_path();
    const std::string folder = parent.empty() ? "." : parent.string();
    const FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Some network file systems cannot synchronise folders and say EINVAL: nothing more can be done there.
    if (!directory.is_open() || (::fsync(directory.number()) != 0 && errno != EINVAL)) {
      throw_system_error("write the folder to the disk", folder);
    }
  }

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  FileDescriptor file_;
};

/// Replaces the file at `path` by `bytes`, whole or not at all. Throws IoError.
inline void atomic_write(const std::filesystem::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace ssam
