#pragma once

#include <ssam/io/safetensors.hpp>
#include <ssam/io/torch_checkpoint.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {
inline StateDict read_checkpoint(const ByteSource& source, const LoadOptions& options) {
  return sniff_container(source) == Container::safetensors ? read_safetensors(source, options)
                                                           : read_torch(source, options);
}
}  // namespace detail

/// Reads a checkpoint in any container: safetensors, or torch.save's two formats. The content decides, not the name.
/// Throws IoError, and FormatError that says what the file is when it is no checkpoint.
inline StateDict load_checkpoint(const std::filesystem::path& path, const LoadOptions& options = {}) {
  return detail::read_checkpoint(ByteSource::file(path), options);
}

/// The same from memory: `bytes` are the file's; `where` stands for the file in messages.
inline StateDict parse_checkpoint(std::string_view bytes, const std::string& where, const LoadOptions& options = {}) {
  return detail::read_checkpoint(ByteSource::memory(bytes, where), options);
}

}  // namespace ssam::inline SSAM_ABI
