#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ssam::cli {

/// How a process of ours ended.
struct ChildEnd {
  bool good = false;            ///< by exit code 0
  std::string error;            ///< else why, in one line
  std::int64_t peak_bytes = 0;  ///< the most memory that it held
};

/// This program run again, with a verb of its own. It does not outlive us, however we end: the system kills it.
class Child {
 public:
  /// Starts it with `arguments`; what it says is added to the file `log`. To be called from the main
  /// thread. Throws IoError.
  Child(const std::vector<std::string>& arguments, const std::filesystem::path& log);
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  Child(const Child&) = delete;
  /// Kills it where it still runs.
  ~Child();

  /// How it ended; nothing while it runs.
  std::optional<ChildEnd> poll();

 private:
  pid_t pid_ = -1;
  std::filesystem::path log_;
  std::uintmax_t begin_ = 0;  ///< of its part of the log
};

/// `arguments` as one types them into a shell.
std::string shell_text(const std::vector<std::string>& arguments);

}  // namespace ssam::cli
