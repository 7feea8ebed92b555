#pragma once

#include <ssam/io/torch_state.hpp>
#include <ssam/io/zip_archive.hpp>

namespace ssam::inline SSAM_ABI::detail {

/// Where the bytes of one storage lie in the file.
struct StorageRecord {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  const ZipEntry* entry = nullptr;  ///< zip only: for the checksum
};

/// One more than the last element a tensor touches, counted from its storage's beginning. Throws ShapeError when it
/// does not fit 63 bits.
inline std::int64_t tensor_end(const PickleTensor& tensor) {
  std::int64_t last = tensor.offset;
  bool overflow = false;
  for (int axis = 0; axis < tensor.shape.rank(); ++axis) {
    const std::int64_t extent = tensor.shape[axis];
    if (extent == 0) return tensor.offset;
    std::int64_t step = 0;
    overflow = overflow || __builtin_mul_overflow(extent - 1, tensor.strides[static_cast<std::size_t>(axis)], &step) ||
               __builtin_add_overflow(last, step, &last);
  }
  if (overflow || last == std::numeric_limits<std::int64_t>::max()) {
    throw ShapeError(ErrorText{.what = "the strides of a tensor do not fit 63 bits", .found = tensor.shape.str()});
  }
  return last + 1;
}

inline bool is_contiguous(const PickleTensor& tensor) {
  std::int64_t expected = 1;
  for (int axis = tensor.shape.rank() - 1; axis >= 0; --axis) {
    if (tensor.shape[axis] != 1 && tensor.strides[static_cast<std::size_t>(axis)] != expected) return false;
    expected *= std::max<std::int64_t>(tensor.shape[axis], 1);  // cannot overflow: tensor_bytes() has checked it
  }
  return true;
}

/// Copies the elements of a strided tensor, row-major, from its storage's bytes.
inline void copy_strided(const PickleTensor& tensor, std::size_t item, const std::byte* storage, std::byte* to,
                         std::size_t bytes) {
  const std::byte* from = storage + static_cast<std::size_t>(tensor.offset) * item;
  if (is_contiguous(tensor)) {
    std::memcpy(to, from, bytes);
    return;
  }
  std::array<std::int64_t, Shape::max_rank> index = {};
  auto strides = tensor.strides;
  for (int axis = 0; axis < tensor.shape.rank(); ++axis) {
    if (tensor.shape[axis] == 1) strides[static_cast<std::size_t>(axis)] = 0;  // may be any number: never used
  }
  std::int64_t position = 0;
  for (std::size_t done = 0; done < bytes; done += item) {
    std::memcpy(to + done, from + static_cast<std::size_t>(position) * item, item);
    for (int axis = tensor.shape.rank() - 1; axis >= 0; --axis) {
      const auto a = static_cast<std::size_t>(axis);
      position += strides[a];
      if (++index[a] < tensor.shape[axis]) break;
      position -= strides[a] * tensor.shape[axis];
      index[a] = 0;
    }
  }
}

/// Throws FormatError unless a record of `bytes` is what the pickle says of the storage.
inline void check_storage_size(const PickleStorage& storage, std::uint64_t bytes, const std::string& where) {
  const std::uint64_t item = item_size(storage.dtype);
  if (bytes % item == 0 && bytes / item == static_cast<std::uint64_t>(storage.elements)) return;
  throw FormatError(
      ErrorText{.what = "a storage has not the size its tensors rely on",
                .where = where,
                .expected = std::to_string(storage.elements) + " elements of " + std::to_string(item) + " bytes",
                .found = std::to_string(bytes) + " bytes",
                .advice = "the file is damaged or was tampered with"});
}

/// The bytes of the tensor. Throws FormatError unless it lies inside its storage.
inline std::size_t check_inside(const PickleTensor& tensor, const PickleStorage& storage, const std::string& where) {
  try {
    const std::size_t bytes = tensor_bytes(tensor.shape, storage.dtype);
    if (tensor_end(tensor) <= storage.view_elements) return bytes;
    throw ShapeError(ErrorText{.what = "a tensor outside its storage",
                               .expected = "at most " + std::to_string(storage.view_elements) + " elements",
                               .found = tensor.shape.str() + " from element " + std::to_string(tensor.offset)});
  } catch (const ShapeError& error) {
    throw FormatError(ErrorText{.what = "a tensor has impossible extents", .where = where, .found = error.what()});
  }
}

/// Turns the tensors of a pickle into host tensors, each storage read once from its place in the file: beside the
/// result there is never more in memory than one storage that several tensors share.
/// `locate(storage, where)` gives the record of a storage or throws.
template <class Locate>
StateDict read_storages(const ByteSource& source, const Pickle& pickle, TorchState plan, const ZipArchive* archive,
                        const Locate& locate) {
  StateDict state;
  state.skipped = std::move(plan.skipped);
  std::map<std::string_view, std::vector<const std::pair<const std::string, PickleTensor>*>> users;
  // Views may repeat elements: a limit on all of them keeps a small file from asking for any amount of memory.
  std::uint64_t budget = std::min<std::uint64_t>(source.size(), std::uint64_t{1} << 60) * 4 + (1u << 20);
  for (const auto& named : plan.tensors) {
    const PickleStorage& storage = pickle.storage(named.second.storage);
    const std::size_t bytes = check_inside(named.second, storage, at_tensor(source.name(), named.first));
    if (bytes > budget) {
      throw FormatError(ErrorText{.what = "the tensors repeat more elements than the file can hold",
                                  .where = at_tensor(source.name(), named.first),
                                  .found = named.second.shape.str()});
    }
    budget -= bytes;
    users[storage.key].push_back(&named);
  }
  for (const auto& [key, tensors] : users) {
    const PickleStorage& storage = pickle.storage(tensors.front()->second.storage);
    const std::string name = tensors.front()->first;
    const StorageRecord record = locate(storage, at_tensor(source.name(), name));
    std::vector<std::byte> bytes(static_cast<std::size_t>(record.size));
    source.read(record.offset, bytes.data(), bytes.size());
    if (record.entry != nullptr) archive->check_crc("data/" + std::string(key), *record.entry, bytes.data());
    for (const auto* named : tensors) {
      const PickleStorage& own = pickle.storage(named->second.storage);
      if (own.dtype != storage.dtype || own.elements != storage.elements) {
        throw FormatError(ErrorText{.what = "one storage has two types or sizes",
                                    .where = at_tensor(source.name(), named->first),
                                    .expected = std::to_string(storage.elements) + " " + dtype_name(storage.dtype),
                                    .found = std::to_string(own.elements) + " " + dtype_name(own.dtype)});
      }
      PickleTensor tensor = named->second;
      tensor.offset += own.view_begin;
      HostTensor& out = state.tensors[named->first];
      out.dtype = storage.dtype;
      out.shape = tensor.shape;
      const std::size_t count = tensor_bytes(tensor.shape, storage.dtype);
      if (tensors.size() == 1 && is_contiguous(tensor) && count == bytes.size()) {
        out.bytes = std::move(bytes);
      } else if (count > 0) {
        out.bytes.resize(count);
        copy_strided(tensor, item_size(storage.dtype), bytes.data(), out.bytes.data(), count);
      }
    }
  }
  return state;
}

}  // namespace ssam::inline SSAM_ABI::detail
