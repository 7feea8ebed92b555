#pragma once

#include <ssam/io/safetensors.hpp>

namespace ssam::inline SSAM_ABI {

/// A safetensors file of our own making that carries the hash of its tensors in its metadata (`content_hash`): any
/// other reader sees a plain safetensors file, ours sees damage. Written whole or not at all. Throws IoError.
inline void save_sealed(const std::filesystem::path& path, StateDict state) {
  state.metadata["content_hash"] = content_hash(state);
  save_safetensors(path, state);
}

/// Throws as load_safetensors, and FormatError when the tensors are not those that were written.
inline StateDict load_sealed(const std::filesystem::path& path, const LoadOptions& options = {}) {
  StateDict state = load_safetensors(path, options);
  const auto seal = state.metadata.find("content_hash");
  if (seal == state.metadata.end() || seal->second != content_hash(state)) {
    throw FormatError(ErrorText{.what = "the file is damaged: its tensors do not have the hash it records",
                                .where = path.string(),
                                .expected = seal == state.metadata.end() ? "metadata content_hash" : seal->second,
                                .found = content_hash(state),
                                .advice = "use a whole copy of it, or make it anew"});
  }
  return state;
}

}  // namespace ssam::inline SSAM_ABI
