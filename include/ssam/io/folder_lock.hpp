#pragma once

#include <ssam/io/file_lock.hpp>
#include <ssam/io/temporaries.hpp>

namespace ssam::inline SSAM_ABI {

/// Keeps a folder for one writer: as long as this lives, another FolderLock on the same folder (in this process,
/// another one, or on another machine that sees the folder) is refused. The lock is one of the file `.ssam.lock` in the
/// folder, which is removed at the end; it dies with its holder, in whatever way that ends. On a file system without
/// locks nothing is refused.
class FolderLock {
 public:
  /// Makes the folder if need be. Throws IoError: it cannot be made or written, or another one holds it.
  explicit FolderLock(const std::filesystem::path& folder) : path_(folder / ".ssam.lock") {
    std::error_code failure;
    std::filesystem::create_directories(folder, failure);
    if (failure) {
      throw IoError(ErrorText{.what = "cannot make the folder", .where = folder.string(), .found = failure.message()});
    }
    const detail::SignalHold hold;
    do {
      file_ = FileDescriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666));
      if (!file_.is_open()) throw_system_error("write into the folder", folder.string());
      if (try_lock(file_) == FileLock::held) {
        throw IoError(ErrorText{.what = "another process is writing into this folder",
                                .where = folder.string(),
                                .advice = "wait for its end, or choose another folder"});
      }
    } while (!still_names(path_, file_));  // its last holder may have removed it meanwhile
    doomed_ = detail::DoomedFile(path_.c_str());
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  /// Removes the file and the lock with it.
  ~FolderLock() { ::unlink(path_.c_str()); }

 private:
  std::filesystem::path path_;
  detail::DoomedFile doomed_;
  FileDescriptor file_;
};

}  // namespace ssam::inline SSAM_ABI
