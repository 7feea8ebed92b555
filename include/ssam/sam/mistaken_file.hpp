#pragma once

#include <ssam/io/json_file.hpp>
#include <ssam/sam/adapter_info.hpp>

// What a file or folder is that was given in the wrong place.
namespace ssam::inline SSAM_ABI::detail {

inline bool holds_adapter(const std::filesystem::path& folder) {
  std::error_code failure;
  return std::filesystem::exists(folder / adapter_info_file, failure);
}

/// The adapter of a run's folder: best, else last; empty where the folder is no run's.
inline std::filesystem::path adapter_of_run(const std::filesystem::path& folder) {
  for (const char* name : {"best", "last"}) {
    if (holds_adapter(folder / name)) return folder / name;
  }
  return {};
}

/// The only checkpoint in a folder; empty where there is none, or several.
inline std::filesystem::path checkpoint_in(const std::filesystem::path& folder) {
  std::filesystem::path found;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failure)) {
    const std::string name = entry.path().filename().string();
    const bool derived = name.ends_with(".svd.safetensors") || name == adapter_weights_file;
    if (derived || !(name.ends_with(".safetensors") || name.ends_with(".pth") || name.ends_with(".pt") ||
                     name.ends_with(".bin") || name.ends_with(".ckpt"))) {
      continue;
    }
    if (!found.empty()) return {};
    found = entry.path();
  }
  return found;
}

/// Throws MismatchError for a folder where a checkpoint's file is wanted.
inline void refuse_folder_as_checkpoint(const std::filesystem::path& path) {
  std::error_code failure;
  if (!std::filesystem::is_directory(path, failure)) return;
  ErrorText text{.what = "this is a folder, not a checkpoint", .where = path.string(), .expected = "a file"};
  const std::filesystem::path adapter = adapter_of_run(path), inside = checkpoint_in(path);
  if (holds_adapter(path)) {
    text.found = std::string("an adapter with the weights ") + adapter_weights_file;
    text.advice = "give the checkpoint that it was trained on as the checkpoint, and this folder as the adapter";
  } else if (!adapter.empty()) {
    text.found = "a training run";
    text.advice =
        "give the checkpoint that it was trained on as the checkpoint, and " + adapter.string() + " as the adapter";
  } else if (!inside.empty()) {
    text.advice = "give its file " + inside.string();
  }
  throw MismatchError(text);
}

/// Throws MismatchError (IoError where there is nothing) for anything but the folder of an adapter of this library, and
/// says what it is instead.
inline void refuse_other_than_adapter(const std::filesystem::path& path) {
  std::error_code failure;
  const auto refuse = [&](const std::string& what, const std::string& advice) {
    throw MismatchError(ErrorText{.what = what,
                                  .where = path.string(),
                                  .expected = std::string("a folder with ") + adapter_info_file,
                                  .advice = advice});
  };
  if (!std::filesystem::exists(path, failure)) {
    const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
    const std::filesystem::path adapter = adapter_of_run(parent);
    throw IoError(ErrorText{.what = "there is no such adapter",
                            .where = path.string(),
                            .advice = adapter.empty() ? "" : "the run has " + adapter.string()});
  }
  if (!std::filesystem::is_directory(path, failure)) {
    const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
    const std::filesystem::path run = adapter_of_run(parent);
    if (holds_adapter(parent)) refuse("this is one file of an adapter", "give its folder " + parent.string());
    if (!run.empty()) refuse("this is a file of a training run", "give " + run.string());
    refuse("this is a file, not an adapter's folder",
           "give the folder best or last of a training run; the weights of a whole model are a checkpoint");
  }
  if (!holds_adapter(path)) {
    const std::filesystem::path run = adapter_of_run(path);
    if (!run.empty()) refuse("this is the folder of a training run, not an adapter", "give " + run.string());
    refuse("the folder holds no adapter", "give the folder best or last of a training run");
  }
  const std::filesystem::path info = path / adapter_info_file;
  if (const nlohmann::json json = load_json(info); json.is_object() && json.contains("peft_type")) {
    refuse("this adapter was written by PEFT, not by this library",
           "read it with read_peft_adapter(), which merge_peft_adapter() merges into the checkpoint's weights");
  }
}

}  // namespace ssam::inline SSAM_ABI::detail
