#pragma once

#include <cstdio>
#include <ssam/io/file_lock.hpp>
#include <ssam/io/temporaries.hpp>

namespace ssam::inline SSAM_ABI {

/// Where a file that is to be written goes.
struct OutputTarget {
  std::filesystem::path file;  ///< what a symbolic link at the path leads to, else the path
  bool stream = false;         ///< a character device or a FIFO: written into, never replaced
  mode_t mode = 0666;          ///< permissions of the file that is replaced; 0666 where there is none
  bool exists = false;         ///< whether something was at the path
};

/// Settles where writing to `path` goes; writes nothing. Symbolic links are followed: what they lead to is replaced (or
/// made), the links stay. Throws IoError for what can be known before there is anything to write: a folder, a socket or
/// a disk (block device) at the path, a file that may not be written, a folder around it that is not there.
inline OutputTarget inspect_target(const std::filesystem::path& path) {
  OutputTarget target{.file = path};
  const std::string where = path.string();
  struct stat status = {};
  if (::stat(path.c_str(), &status) == 0) {
    target.exists = true;
    target.mode = status.st_mode & 0777;
    target.stream = S_ISCHR(status.st_mode) || S_ISFIFO(status.st_mode);
    if (!S_ISREG(status.st_mode) && !target.stream) {
      const bool folder = S_ISDIR(status.st_mode);
      throw IoError(ErrorText{.what = "cannot write a file here",
                              .where = where,
                              .found = folder                     ? "a folder"
                                       : S_ISSOCK(status.st_mode) ? "a socket"
                                                                  : "a block device",
                              .advice = folder ? "name a file in it" : "choose another name"});
    }
    if (::access(path.c_str(), W_OK) != 0) throw_system_error("write the file", where);
    if (target.stream) return target;  // /dev/stdout leads to a name that is no file's
  }
  std::error_code failure;
  for (int links = 0; std::filesystem::is_symlink(target.file, failure); ++links) {
    if (links == 40) throw IoError(ErrorText{.what = "symbolic links that lead in a circle", .where = where});
    target.file = target.file.parent_path() / std::filesystem::read_symlink(target.file, failure);
  }
  if (target.file.filename().empty()) {
    throw IoError(ErrorText{.what = "cannot write a file without a name", .where = where, .advice = "name it"});
  }
  const auto parent = target.file.parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  if (::stat(folder.c_str(), &status) != 0 && errno == ENOENT && path_advice(where).empty()) {
    throw IoError(ErrorText{.what = "cannot write the file: its folder is not there",
                            .where = where,
                            .found = "no folder " + folder,
                            .advice = "make the folder first"});
  }
  // With a slash behind it, what is no folder gives an error of its own.
  if (::access((folder + "/").c_str(), W_OK | X_OK) != 0) throw_system_error("write a file into this folder", where);
  return target;
}

/// A file that appears whole or not at all: written beside its target under another name, moved over it by commit().
/// The new file has the permissions of the one it replaces; other hard links to that one keep the old content. A crash
/// at any moment leaves the old target (or none) and at most a `.name.N.tmp` beside it, which the next file written to
/// the same target removes: such a file is locked while its writer lives. (On a file system without locks it stays.) A
/// character device or a FIFO is written into; what inspect_target() says holds for the rest.
class AtomicFile {
 public:
  /// Creates the temporary file in the target's folder. Throws IoError; a FIFO that nobody reads from is one.
  explicit AtomicFile(const std::filesystem::path& path) : name_(path.string()), target_(inspect_target(path)) {
    if (target_.stream) {
      // Opening a FIFO would else wait for a reader for ever.
      file_ = FileDescriptor(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
      if (!file_.is_open() && errno == ENXIO) {
        throw IoError(ErrorText{
            .what = "nobody reads from this FIFO", .where = name_, .advice = "start what reads from it first"});
      }
      if (!file_.is_open()) throw_system_error("open", name_);
      ::fcntl(file_.number(), F_SETFL, 0);
      return;
    }
    for (serial_ = 0; !create(); ++serial_) {
      if (serial_ == 1000)
        throw IoError(ErrorText{.what = "too many unfinished files beside the target", .where = name_});
    }
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  /// Removes a file that was not committed; the target stays as it was.
  ~AtomicFile() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  /// Appends `count` bytes from `data` on. Throws IoError (disk full, quota, ...).
  void write(const void* data, std::size_t count) {
    const auto* from = static_cast<const std::byte*>(data);
    while (count > 0) {
      const ssize_t done = ::write(file_.number(), from, std::min(count, std::size_t{1} << 30));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) throw_system_error("write the file", name_);
      from += done;
      count -= static_cast<std::size_t>(done);
    }
  }
  /// The same of `bytes`.
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }

  /// Brings the bytes to the disk, moves the file to its target, brings the folder to the disk. To be called once.
  /// Throws IoError; the target is then the old one, or (only when the folder cannot be synchronised) the new one.
  void commit() {
    if (target_.stream) {
      if (!file_.close()) throw_system_error("write", name_);
      return;
    }
    if (::fsync(file_.number()) != 0) throw_system_error("write the file to the disk", name_);
    {
      const detail::SignalHold hold;
      doomed_.spare();  // from here on the temporary name may be another writer's
      if (::rename(temporary_.c_str(), target_.file.c_str()) != 0) throw_system_error("replace the file", name_);
      temporary_.clear();
    }
    file_.close();  // and unlocks: not before the file has left its temporary name
    while (remove_abandoned(temporary_name(++serial_))) {
    }
    const auto parent = target_.file.parent_path();
    const std::string folder = parent.empty() ? "." : parent.string();
    const FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Some network file systems cannot synchronise folders and say EINVAL: nothing more can be done there.
    if (!directory.is_open() || (::fsync(directory.number()) != 0 && errno != EINVAL)) {
      throw_system_error("write the folder to the disk", folder);
    }
  }

 private:
  std::filesystem::path temporary_name(int serial) const {
    const std::string name = target_.file.filename().string().substr(0, 200);  // the system allows 255 bytes
    std::string hidden = ".";
    hidden += name;
    hidden.append(".").append(std::to_string(serial)).append(".tmp");
    return target_.file.parent_path() / hidden;
  }

  /// Creates and locks the temporary file of number serial_; false when another writer has it.
  bool create() {
    temporary_ = temporary_name(serial_);
    for (;;) {
      const detail::SignalHold hold;
      file_ = FileDescriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, target_.mode));
      if (!file_.is_open() && errno == EINTR) continue;
      if (file_.is_open()) {
        // Between the two calls another writer may have taken it for abandoned.
        if (try_lock(file_) == FileLock::held || !still_names(temporary_, file_)) continue;
        doomed_ = detail::DoomedFile(temporary_.c_str());
        if (target_.exists) ::fchmod(file_.number(), target_.mode);
        return true;
      }
      const int code = errno;
      if (code != EEXIST) {
        temporary_.clear();
        errno = code;
        throw_system_error("create the file", name_);
      }
      if (!remove_abandoned(temporary_)) {
        temporary_.clear();
        return false;
      }
    }
  }

  /// Removes a temporary file whose writer is dead. False where there is none, or it is not ours to remove.
  static bool remove_abandoned(const std::filesystem::path& temporary) {
    const FileDescriptor file(::open(temporary.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status = {};
    if (!file.is_open() || ::fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_uid != ::geteuid())
      return false;
    return try_lock(file) == FileLock::taken && still_names(temporary, file) && ::unlink(temporary.c_str()) == 0;
  }

  std::string name_;  ///< as it was given, for messages
  OutputTarget target_;
  std::filesystem::path temporary_;
  detail::DoomedFile doomed_;
  FileDescriptor file_;
  int serial_ = 0;
};

/// Makes the folder `folder`, and those above it, where they are not there. Throws IoError.
inline void make_folder(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) {
    throw IoError(ErrorText{.what = "cannot make the folder", .where = folder.string(), .found = failure.message()});
  }
}

/// Replaces the file at `path` by `bytes`, whole or not at all. Throws IoError.
inline void atomic_write(const std::filesystem::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace ssam::inline SSAM_ABI
