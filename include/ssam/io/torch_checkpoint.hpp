#pragma once

#include <ssam/io/container.hpp>
#include <ssam/io/torch_storage.hpp>
#include <unordered_map>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// Largest pickle that is read: SAM ViT-H's takes 120 KB, with its optimiser less than 2 MB.
inline constexpr std::size_t max_pickle_bytes = std::size_t{64} << 20;

inline std::string top_folder(const ZipArchive& archive, const std::string& file) {
  const auto fail = [&file](const std::string& found, const std::string& advice) {
    throw FormatError(ErrorText{.what = "this zip archive is no checkpoint of torch.save",
                                .where = file,
                                .expected = "one folder with data.pkl, version and data/*",
                                .found = found,
                                .advice = advice});
  };
  std::string top;
  std::size_t pickles = 0;
  for (const auto& [name, entry] : archive.entries()) {
    if (!name.ends_with("/data.pkl") && name != "data.pkl") continue;
    ++pickles;
    top = name.substr(0, name.size() - std::string_view("data.pkl").size());
  }
  if (pickles == 0) fail("no data.pkl", "is it the file that was meant?");
  if (pickles > 1) fail(std::to_string(pickles) + " files data.pkl", "save the checkpoint again");
  if (top.empty() || top.find('/') + 1 != top.size()) fail("data.pkl in " + shown(top), "save the checkpoint again");
  for (const auto& [name, entry] : archive.entries()) {
    if (!name.starts_with(top)) fail("the member " + shown(name) + " outside " + shown(top), "save it again");
  }
  return top;
}

/// Checks the members `version` (a number torch.load knows) and, where there is one, `byteorder`.
inline void check_zip_header(const ZipArchive& archive, const std::string& top, const std::string& file) {
  const auto text_of = [&](const std::string& name) {
    const ZipEntry* entry = archive.find(top + name);
    std::string text = entry == nullptr ? std::string() : archive.read(top + name, *entry, 64);
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    return text;
  };
  // torch.jit.save has moved it since.
  const std::string version = text_of(archive.find(top + "version") != nullptr ? "version" : ".data/version");
  const bool digits = !version.empty() && version.size() < 3 && version.find_first_not_of("0123456789") == version.npos;
  if (!digits || std::stoi(version) < 1 || std::stoi(version) > 10) {
    throw FormatError(ErrorText{.what = "unknown version of the checkpoint format",
                                .where = file + ", member " + shown(top + "version"),
                                .expected = "1 to 10",
                                .found = shown(version)});
  }
  const std::string order = text_of("byteorder");
  if (!order.empty() && order != "little") {
    throw FormatError(ErrorText{.what = "the checkpoint's byte order cannot be read",
                                .where = file + ", member " + shown(top + "byteorder"),
                                .expected = "'little'",
                                .found = shown(order),
                                .advice = "save it again on a little-endian machine"});
  }
}

inline StateDict read_torch_zip(const ByteSource& source) {
  const ZipArchive archive(source);
  const std::string top = top_folder(archive, source.name());
  check_zip_header(archive, top, source.name());
  const ZipEntry& entry = *archive.find(top + "data.pkl");
  const std::string bytes = archive.read(top + "data.pkl", entry, max_pickle_bytes);
  const Pickle pickle(bytes, source.name(), entry.data);
  if (pickle.size() != bytes.size()) {
    throw FormatError(ErrorText{.what = "bytes follow the end of the checkpoint's pickle",
                                .where = at_offset(source.name(), entry.data + pickle.size())});
  }
  const auto locate = [&](const PickleStorage& storage, const std::string& where) {
    const ZipEntry* data = archive.find(top + "data/" + std::string(storage.key));
    if (data == nullptr) {
      throw FormatError(ErrorText{.what = "the archive has no such storage",
                                  .where = where,
                                  .expected = "a member " + shown(top + "data/" + std::string(storage.key))});
    }
    check_storage_size(storage, data->size, where);
    return StorageRecord{data->data, data->size, data};
  };
  return read_storages(source, pickle, TorchStateFinder(pickle, source.name()).find(), &archive, locate);
}

/// The four pickles behind the magic number of a legacy file, and nothing of the storages behind them.
inline std::string read_legacy_pickles(const ByteSource& source) {
  std::string bytes =
      source.read_string(0, static_cast<std::size_t>(std::min<std::uint64_t>(source.size(), max_pickle_bytes)));
  std::size_t at = torch_legacy_magic.size();
  for (int i = 0; i < 4; ++i) at += Pickle(std::string_view(bytes).substr(at), source.name(), at).size();
  bytes.resize(at);
  bytes.shrink_to_fit();
  return bytes;
}

/// The format before PyTorch 1.6: pickles of a magic number, a version, facts about the machine, the object and the
/// list of storage keys; then for each key the number of elements (8 bytes) and the elements.
inline StateDict read_torch_legacy(const ByteSource& source) {
  const std::string head = read_legacy_pickles(source);
  std::uint64_t at = torch_legacy_magic.size();
  const auto next = [&] {
    Pickle pickle(std::string_view(head).substr(static_cast<std::size_t>(at)), source.name(), at);
    at += pickle.size();
    return pickle;
  };
  const auto fail = [&source](std::uint64_t offset, const std::string& found) {
    throw FormatError(
        ErrorText{.what = "malformed legacy checkpoint", .where = at_offset(source.name(), offset), .found = found});
  };
  using Kind = PickleValue::Kind;
  const Pickle version = next();
  if (version.root().kind != Kind::integer || version.root().integer != 1001) fail(at, "an unknown version");
  const Pickle machine = next();
  bool little = false;
  if (Pickle::is_dict(machine.root())) {
    const auto& items = machine.items(machine.root());
    for (std::size_t i = 0; i < items.size(); i += 2) {
      if (items[i].kind != Kind::text || machine.text(items[i]) != "little_endian") continue;
      little = items[i + 1].kind == Kind::boolean && items[i + 1].integer == 1;
    }
  }
  if (!little) fail(at, "numbers that are not little-endian");
  const Pickle object = next();
  TorchState plan = TorchStateFinder(object, source.name()).find();
  const Pickle keys = next();
  if (keys.root().kind != Kind::list) fail(at, "no list of storages");

  // The records have no directory: what lies between them is known only from the pickle's word on each storage.
  std::unordered_map<std::string_view, const PickleStorage*> by_key;
  for (std::uint32_t i = 0; i < object.storage_count(); ++i) by_key.emplace(object.storage(i).key, &object.storage(i));
  std::unordered_map<std::string_view, StorageRecord> records;
  for (const PickleValue& key : keys.items(keys.root())) {
    const auto known = key.kind == Kind::text ? by_key.find(keys.text(key)) : by_key.end();
    if (known == by_key.end()) fail(at, "a storage no tensor uses");
    std::uint64_t elements = 0;
    source.read(at, &elements, sizeof elements);
    const PickleStorage& storage = *known->second;
    const std::string where = at_offset(source.name(), at) + ", storage " + shown(storage.key);
    if (elements != static_cast<std::uint64_t>(storage.elements)) {
      fail(at, std::to_string(elements) + " elements in storage " + shown(storage.key) + " that should have " +
                   std::to_string(storage.elements));
    }
    at += sizeof elements;
    if (elements > (source.size() - at) / item_size(storage.dtype))
      fail(at, "a truncated storage " + shown(storage.key));
    const std::uint64_t bytes = elements * item_size(storage.dtype);
    if (!records.emplace(storage.key, StorageRecord{at, bytes, nullptr}).second) fail(at, "a storage named twice");
    at += bytes;
  }
  if (at != source.size()) fail(at, "bytes behind the last storage");
  const auto locate = [&](const PickleStorage& storage, const std::string& where) {
    const auto record = records.find(storage.key);
    if (record == records.end()) {
      throw FormatError(ErrorText{
          .what = "the file has no such storage", .where = where, .expected = "a storage " + shown(storage.key)});
    }
    check_storage_size(storage, record->second.size, where);
    return record->second;
  };
  return read_storages(source, object, std::move(plan), nullptr, locate);
}

inline StateDict read_torch(const ByteSource& source, const LoadOptions& options) {
  const Container container = sniff_container(source);
  if (container == Container::safetensors) {
    throw FormatError(ErrorText{.what = "this is not a file of torch.save",
                                .where = source.name(),
                                .found = "what may be safetensors",
                                .advice = "load it with load_checkpoint()"});
  }
  StateDict state = container == Container::torch_zip ? read_torch_zip(source) : read_torch_legacy(source);
  check_finite(state, options, source.name());
  return state;
}

}  // namespace detail

/// Reads a state dictionary that torch.save wrote (.pth, .pt), in its zip format or the one before version 1.6. Tensors
/// are copied dense and row-major, whatever their strides. Accepts the dictionary itself or one under "model",
/// "state_dict", ...; what it leaves out is listed in `skipped`. Of a TorchScript program (torch.jit.save) it reads the
/// modules' parameters and buffers under their names. The pickle is read, never executed, a program's code neither.
/// Throws IoError, and FormatError that names file, offset and tensor.
inline StateDict load_torch_checkpoint(const std::filesystem::path& path, const LoadOptions& options = {}) {
  return detail::read_torch(ByteSource::file(path), options);
}

/// The same from memory: `bytes` are the file's; `where` stands for the file in messages.
inline StateDict parse_torch_checkpoint(std::string_view bytes, const std::string& where,
                                        const LoadOptions& options = {}) {
  return detail::read_torch(ByteSource::memory(bytes, where), options);
}

}  // namespace ssam::inline SSAM_ABI
