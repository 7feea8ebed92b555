#pragma once

#include <ssam/io/byte_source.hpp>
#include <string_view>

namespace ssam::inline SSAM_ABI {

/// The containers of checkpoints that can be read.
enum class Container {
  safetensors,   ///< Hugging Face's: a JSON header, then the tensors
  torch_zip,     ///< torch.save since version 1.6: a zip archive
  torch_legacy,  ///< torch.save before: pickles, then the storages
};

namespace detail {
/// How a torch.save file from before version 1.6 begins: a pickle of the number 0x1950a86a20f9469cfc6c.
inline constexpr std::string_view torch_legacy_magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// What else is met under the name of a checkpoint, by its first bytes (or those at `offset`).
struct Mistaken {
  std::size_t offset;
  std::string_view magic;
  const char* what;
  const char* advice;
};
inline constexpr Mistaken mistaken_files[] = {
    {0, "version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch the file with 'git lfs pull'"},
    {0, "\x1f\x8b", "a gzip file", "unpack it with gunzip"},
    {0, "BZh", "a bzip2 file", "unpack it with bunzip2"},
    {0,
     std::string_view("\xfd"
                      "7zXZ\0",
                      6),
     "an xz file", "unpack it with unxz"},
    {0, "\x28\xb5\x2f\xfd", "a Zstandard file", "unpack it with unzstd"},
    {0, "7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"},
    {0, "Rar!\x1a\x07", "a RAR archive", "unpack it"},
    {257, "ustar", "a tar archive", "unpack it; PyTorch's own tar format (before 0.2) must be saved again by PyTorch"},
    {0, "\x89HDF\r\n\x1a\n", "an HDF5 file", "convert it to safetensors"},
    {0, "\x93NUMPY", "a NumPy array", "a checkpoint of named tensors is needed"},
    {0, "\x89PNG\r\n", "a PNG picture", "give the file of the weights"},
    {0, "\xff\xd8\xff", "a JPEG picture", "give the file of the weights"},
    {0, "PK\x05\x06", "an empty zip archive", "fetch the file again"},
    {0, "\x80\x02", "a bare pickle, not a file of torch.save", "save it with torch.save(model.state_dict(), path)"},
    {0, "\x80\x03", "a bare pickle, not a file of torch.save", "save it with torch.save(model.state_dict(), path)"},
    {0, "\x80\x04", "a bare pickle, not a file of torch.save", "save it with torch.save(model.state_dict(), path)"},
    {0, "\x80\x05", "a bare pickle, not a file of torch.save", "save it with torch.save(model.state_dict(), path)"},
};

/// Whether a text begins like a web page, as servers send in place of a file.
inline bool looks_like_html(std::string text) {
  text = lower_case(text);
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  const std::string_view rest = begin == std::string::npos ? std::string_view() : std::string_view(text).substr(begin);
  return rest.starts_with("<!doctype html") || rest.starts_with("<html") || rest.starts_with("<?xml");
}
}  // namespace detail

/// Tells the container by its first bytes, never by the name of the file. Throws FormatError that says what the file is
/// when it is none of them.
inline Container sniff_container(const ByteSource& source) {
  const std::string head = source.read_string(0, static_cast<std::size_t>(std::min<std::uint64_t>(source.size(), 512)));
  const auto refuse = [&source](const std::string& found, const std::string& advice) {
    throw FormatError(ErrorText{.what = "this is not a checkpoint",
                                .where = source.name(),
                                .expected = "safetensors or a file of torch.save",
                                .found = found,
                                .advice = advice});
  };
  if (head.empty()) refuse("an empty file", "fetch the file again");
  // A header length that the file could hold: before the magic numbers, some of which are lengths too (640, 896, ...).
  std::uint64_t length = 0;
  if (head.size() >= 8) std::memcpy(&length, head.data(), 8);
  const bool length_fits = head.size() >= 8 && length <= source.size() - 8;
  if (length_fits && head.size() > 8 && head[8] == '{') return Container::safetensors;
  if (head.starts_with("PK\x03\x04")) return Container::torch_zip;
  if (head.starts_with(detail::torch_legacy_magic)) return Container::torch_legacy;
  for (const detail::Mistaken& other : detail::mistaken_files) {
    if (head.size() > other.offset && std::string_view(head).substr(other.offset).starts_with(other.magic)) {
      refuse(other.what, other.advice);
    }
  }
  if (detail::looks_like_html(head)) refuse("a web page", "the download failed: look at the page in a text editor");
  if (head.size() > 8 && head[8] == '{') return Container::safetensors;
  if (length_fits) return Container::safetensors;  // let its reader say what is wrong
  if (head.find_first_not_of(" \t\r\n") != head.npos && head[head.find_first_not_of(" \t\r\n")] == '{') {
    refuse("a JSON text", "give the file of the weights");
  }
  refuse("a file that begins with " + shown(head.substr(0, 16)), "fetch the file again");
  return Container::safetensors;  // not reached: refuse() throws
}

}  // namespace ssam::inline SSAM_ABI
