#pragma once

#include <sys/file.h>

#include <ssam/io/byte_source.hpp>

namespace ssam::inline SSAM_ABI {

/// What came of try_lock().
enum class FileLock {
  taken,        ///< ours until the file is closed, or our process ends in whatever way
  held,         ///< another open file, of ours or of another process, holds it
  unsupported,  ///< the file system has no locks
};

/// Tries to take the lock of an open file (flock; on network file systems the file must be open for writing).
inline FileLock try_lock(const FileDescriptor& file) {
  while (::flock(file.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return FileLock::held;
    if (errno != EINTR) return FileLock::unsupported;
  }
  return FileLock::taken;
}

/// Whether `path` names the open file itself (no link to it): it may have been moved or removed meanwhile.
inline bool still_names(const std::filesystem::path& path, const FileDescriptor& file) {
  struct stat there = {}, here = {};
  return ::lstat(path.c_str(), &there) == 0 && ::fstat(file.number(), &here) == 0 && there.st_dev == here.st_dev &&
         there.st_ino == here.st_ino;
}

}  // namespace ssam::inline SSAM_ABI
