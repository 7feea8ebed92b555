#pragma once

#include <fstream>
#include <ssam/core/shape.hpp>
#include <ssam/io/atomic_file.hpp>
#include <ssam/io/json_file.hpp>

namespace ssam::inline SSAM_ABI {

/// The files of a run.
class RunFolder {
 public:
  /// Looks at nothing yet.
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }                      ///< the folder
  std::filesystem::path state() const { return path_ / "run_state.safetensors"; }  ///< what --resume goes on with
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }        ///< a line for every epoch
  std::filesystem::path best() const { return path_ / "best"; }  ///< the adapter of the best epoch, a folder
  std::filesystem::path last() const { return path_ / "last"; }  ///< the adapter of the last epoch, a folder

  /// Whether anything of a run is there.
  bool holds_run() const {
    return std::filesystem::exists(state()) || std::filesystem::exists(best()) || std::filesystem::exists(last());
  }

  /// Throws IoError unless there is a run that can be resumed.
  void require_run() const {
    if (std::filesystem::exists(state())) return;
    if (holds_run()) {
      throw IoError(ErrorText{.what = "the state of the run is missing: it cannot be resumed",
                              .where = state().string(),
                              .found = "its adapters only",
                              .advice = "bring the file back, or start a new run in another folder"});
    }
    const std::string near = closest_name(path_.filename().string(), runs_beside());
    throw IoError(ErrorText{
        .what = "there is no run to resume",
        .where = path_.string(),
        .found = std::filesystem::exists(path_) ? "a folder without " + state().filename().string() : "no such folder",
        .advice = near.empty() ? "check the folder's name" : "did you mean '" + near + "'?"});
  }

  /// Keeps a copy of the state and the adapters, unless there is one. Throws IoError.
  void set_aside() const {
    if (std::filesystem::exists(aside() / state().filename())) return;
    copying([&] {
      const std::filesystem::path unfinished = aside() / "unfinished";
      std::filesystem::remove_all(aside());
      std::filesystem::create_directories(aside());
      copy_adapters(path_, aside());
      std::filesystem::copy_file(state(), unfinished);
      std::filesystem::rename(unfinished, aside() / state().filename());  // the copy is whole from here on
    });
  }

  /// Puts the copy back in place, where there is one: whether there was. Throws IoError.
  bool bring_back() const {
    if (!std::filesystem::exists(aside() / state().filename())) return false;
    copying([&] {
      copy_adapters(aside(), path_);
      std::filesystem::rename(aside() / state().filename(), state());
      std::filesystem::remove_all(aside());
    });
    return true;
  }

  /// Removes the copy. Throws IoError.
  void forget_aside() const {
    copying([&] { std::filesystem::remove_all(aside()); });
  }

  /// Cuts metrics.jsonl to the first epochs: later ones will be done again. Throws IoError.
  void keep_metrics(Index epochs) const {
    std::string kept;
    std::ifstream stream(metrics());
    std::string line;
    for (Index i = 0; i < epochs && std::getline(stream, line); ++i) kept += line + "\n";
    atomic_write(metrics(), kept);
  }

  /// Adds `line` to metrics.jsonl. Throws IoError.
  void append_metrics(const nlohmann::ordered_json& line) const {
    std::ofstream stream(metrics(), std::ios::app);
    stream << line.dump() << "\n" << std::flush;
    if (!stream) throw_system_error("append to the file", metrics().string());
  }

 private:
  std::filesystem::path aside() const { return path_ / "set_aside"; }

  template <class F>
  void copying(const F& f) const {
    try {
      f();
    } catch (const std::filesystem::filesystem_error& error) {
      throw IoError(ErrorText{
          .what = "cannot copy the files of the run", .where = aside().string(), .found = error.code().message()});
    }
  }

  static void copy_adapters(const std::filesystem::path& from, const std::filesystem::path& to) {
    for (const char* name : {"best", "last"}) {
      std::filesystem::remove_all(to / name);
      if (std::filesystem::exists(from / name)) std::filesystem::copy(from / name, to / name);
    }
  }

  /// Names of the folders beside this one that hold a run.
  std::vector<std::string> runs_beside() const {
    std::vector<std::string> names;
    std::error_code failure;
    const auto parent = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    for (const auto& entry : std::filesystem::directory_iterator(parent, failure)) {
      if (RunFolder(entry.path()).holds_run()) names.push_back(entry.path().filename().string());
    }
    return names;
  }

  std::filesystem::path path_;
};

}  // namespace ssam::inline SSAM_ABI
