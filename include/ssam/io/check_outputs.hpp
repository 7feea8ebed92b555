#pragma once

#include <map>
#include <ssam/io/atomic_file.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// A file (or folder of files) that is read or written, and what it is called in messages.
struct NamedPath {
  std::string name;            ///< in messages: "--output", "the adapter"
  std::filesystem::path path;  ///< empty: not asked for
};

namespace detail {

/// The same for every path that leads to the same file, whether it exists or not.
struct FileIdentity {
  dev_t device;
  ino_t number;
  std::string name;  ///< of a file that does not exist, in the folder of this identity

  auto operator<=>(const FileIdentity&) const = default;
};

inline FileIdentity identity_of(const std::filesystem::path& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) == 0) return {status.st_dev, status.st_ino, ""};
  const auto parent = path.parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  if (::stat(folder.c_str(), &status) != 0) return {0, 0, path.string()};
  return {status.st_dev, status.st_ino, path.filename().string()};
}

}  // namespace detail

/// To be called before any work is done: each of `outputs` must be possible (see inspect_target), none may be one of
/// the `inputs` or another output, by whatever path, symbolic or hard link it is named. An input that is a folder
/// stands for the files in it. Empty paths are left out; devices and FIFOs may be named twice. Throws IoError.
inline void check_outputs(const std::vector<NamedPath>& outputs, const std::vector<NamedPath>& inputs) {
  std::map<detail::FileIdentity, std::string> taken;
  const auto add = [&](const std::filesystem::path& path, const std::string& name) {
    taken.emplace(detail::identity_of(path), name);
  };
  for (const NamedPath& input : inputs) {
    if (input.path.empty()) continue;
    add(input.path, input.name);
    std::error_code failure;
    for (const auto& entry : std::filesystem::directory_iterator(input.path, failure)) add(entry.path(), input.name);
  }
  for (const NamedPath& output : outputs) {
    if (output.path.empty()) continue;
    const OutputTarget target = inspect_target(output.path);
    if (target.stream) continue;
    const auto [place, fresh] = taken.emplace(detail::identity_of(target.file), output.name);
    if (fresh) continue;
    throw IoError(ErrorText{.what = "an output would replace a file that the same command reads or writes",
                            .where = output.path.string(),
                            .found = output.name + " is the same file as " + place->second,
                            .advice = "choose another name"});
  }
}

}  // namespace ssam::inline SSAM_ABI
