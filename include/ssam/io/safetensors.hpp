#pragma once

#include <ssam/io/atomic_file.hpp>
#include <ssam/io/safetensors_header.hpp>
#include <ssam/io/state_dict.hpp>
#include <tuple>

namespace ssam::inline SSAM_ABI {

namespace detail {
/// Longest header any reader accepts (the limit of the reference implementation).
inline constexpr std::uint64_t max_safetensors_header = 100'000'000;

/// The text of the header. The format's own rule is kept: `{` first, white space only behind the last `}`.
inline std::string read_safetensors_header_text(const ByteSource& source) {
  std::uint64_t length = 0;
  source.read(0, &length, sizeof length);
  if (length > source.size() - 8 || length > max_safetensors_header || length < 2) {
    throw FormatError(ErrorText{.what = "this is not a safetensors file, or a truncated one",
                                .where = at_offset(source.name(), 0),
                                .expected = "a header length between 2 and " +
                                            std::to_string(std::min(source.size() - 8, max_safetensors_header)),
                                .found = std::to_string(length)});
  }
  std::string text = source.read_string(8, static_cast<std::size_t>(length));
  if (text[0] != '{') {
    throw FormatError(ErrorText{.what = "the safetensors header does not begin with '{'",
                                .where = at_offset(source.name(), 8),
                                .found = shown(text.substr(0, 8))});
  }
  return text;
}

/// Checks that the entries cover the data without overlap, hole or rest, each with the bytes its shape asks for.
inline void check_safetensors_layout(std::vector<SafetensorsEntry>& entries, std::uint64_t data_begin,
                                     std::uint64_t data_size, const std::string& file) {
  std::sort(entries.begin(), entries.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t position = 0;
  for (const SafetensorsEntry& entry : entries) {
    const std::string range = std::string("[") + std::to_string(entry.begin) + ", " + std::to_string(entry.end) + ")";
    if (entry.begin > entry.end || entry.end > data_size) {
      throw FormatError(ErrorText{.what = "a tensor lies outside the file",
                                  .where = at_tensor(file, entry.name),
                                  .expected = "offsets within " + std::to_string(data_size) + " bytes of data",
                                  .found = range,
                                  .advice = "the file is truncated or damaged: use a whole copy of it"});
    }
    std::size_t bytes = 0;
    try {
      bytes = tensor_bytes(entry.shape, entry.dtype);
    } catch (const ShapeError& error) {
      throw FormatError(ErrorText{
          .what = "a tensor has an impossible shape", .where = at_tensor(file, entry.name), .found = error.what()});
    }
    if (bytes != entry.end - entry.begin) {
      throw FormatError(ErrorText{
          .what = "a tensor's data offsets do not match its shape",
          .where = at_tensor(file, entry.name),
          .expected = std::to_string(bytes) + " bytes for " + dtype_name(entry.dtype) + " " + entry.shape.str(),
          .found = range});
    }
    if (entry.begin != position) {
      throw FormatError(ErrorText{.what = entry.begin < position ? "two tensors overlap" : "bytes belong to no tensor",
                                  .where = at_offset(at_tensor(file, entry.name), data_begin + entry.begin),
                                  .expected = "a tensor at data offset " + std::to_string(position),
                                  .found = range});
    }
    position = entry.end;
  }
  if (position != data_size) {
    throw FormatError(ErrorText{.what = "bytes follow the last tensor",
                                .where = at_offset(file, data_begin + position),
                                .expected = std::to_string(position) + " bytes of data",
                                .found = std::to_string(data_size)});
  }
}

inline StateDict read_safetensors(const ByteSource& source, const LoadOptions& options) {
  SafetensorsHeader header;
  std::uint64_t data_begin = 8;
  {
    const std::string text = read_safetensors_header_text(source);
    SafetensorsSax sax(source.name(), header);
    nlohmann::json::sax_parse(text, &sax);
    data_begin += text.size();
  }
  check_safetensors_layout(header.entries, data_begin, source.size() - data_begin, source.name());
  StateDict state;
  state.metadata = std::move(header.metadata);
  for (SafetensorsEntry& entry : header.entries) {
    if (!entry.other_type.empty()) {
      state.skipped.push_back(shown(entry.name) + ": its type is " + entry.other_type);
      continue;
    }
    HostTensor& tensor = state.tensors[std::move(entry.name)];
    tensor.dtype = entry.dtype;
    tensor.shape = entry.shape;
    tensor.bytes.resize(static_cast<std::size_t>(entry.end - entry.begin));
    source.read(data_begin + entry.begin, tensor.bytes.data(), tensor.bytes.size());
  }
  check_finite(state, options, source.name());
  return state;
}

/// write(data, count) for every piece of the file, in order. Keys are sorted by name; the data by falling element size,
/// then by name, so that every tensor is aligned to its elements. The same state always gives the same bytes.
template <class Write>
void write_safetensors(const StateDict& state, const Write& write, const std::string& where) {
  std::vector<const std::pair<const std::string, HostTensor>*> order;
  for (const auto& entry : state.tensors) {
    check_tensor_name(entry.first, where);
    if (entry.first == "__metadata__") {
      throw FormatError(ErrorText{.what = "a tensor cannot have this name", .where = at_tensor(where, entry.first)});
    }
    entry.second.elements();  // throws when the bytes are not the shape's
    order.push_back(&entry);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return item_size(a->second.dtype) > item_size(b->second.dtype);
  });
  nlohmann::json header = nlohmann::json::object();
  if (!state.metadata.empty()) header["__metadata__"] = state.metadata;
  std::size_t offset = 0;
  for (const auto* entry : order) {
    const HostTensor& tensor = entry->second;
    nlohmann::json shape = nlohmann::json::array();
    for (int axis = 0; axis < tensor.shape.rank(); ++axis) shape.push_back(tensor.shape[axis]);
    header[entry->first] = {{"dtype", dtype_name(tensor.dtype)},
                            {"shape", std::move(shape)},
                            {"data_offsets", nlohmann::json::array({offset, offset + tensor.bytes.size()})}};
    offset += tensor.bytes.size();
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    throw FormatError(ErrorText{.what = "metadata is not UTF-8", .where = where});
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  if (state.tensors.size() > max_tensors || length > max_safetensors_header) {
    throw FormatError(ErrorText{.what = "too many tensors for one safetensors file", .where = where});
  }
  write(static_cast<const void*>(&length), sizeof length);
  write(static_cast<const void*>(text.data()), text.size());
  for (const auto* entry : order) {
    write(static_cast<const void*>(entry->second.bytes.data()), entry->second.bytes.size());
  }
}
}  // namespace detail

/// Reads a safetensors file: only its header and each tensor once, straight into its place. Throws IoError, and
/// FormatError that names file, offset and tensor; strict about everything the format leaves no choice in.
inline StateDict load_safetensors(const std::filesystem::path& path, const LoadOptions& options = {}) {
  return detail::read_safetensors(ByteSource::file(path), options);
}

/// The same from memory: `bytes` are the file's; `where` stands for the file in messages.
inline StateDict parse_safetensors(std::string_view bytes, const std::string& where, const LoadOptions& options = {}) {
  return detail::read_safetensors(ByteSource::memory(bytes, where), options);
}

/// Writes a safetensors file, whole or not at all; the same state gives the same bytes. Throws IoError; FormatError for
/// names and metadata that no reader would accept.
inline void save_safetensors(const std::filesystem::path& path, const StateDict& state) {
  AtomicFile file(path);
  detail::write_safetensors(
      state, [&file](const void* data, std::size_t count) { file.write(data, count); }, path.string());
  file.commit();
}

/// The bytes save_safetensors() writes for `state`.
inline std::string safetensors_bytes(const StateDict& state) {
  std::string bytes;
  detail::write_safetensors(
      state, [&bytes](const void* data, std::size_t count) { bytes.append(static_cast<const char*>(data), count); },
      "safetensors in memory");
  return bytes;
}

}  // namespace ssam::inline SSAM_ABI
