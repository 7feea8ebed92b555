#pragma once

#include <limits>
#include <ssam/io/atomic_file.hpp>
#include <ssam/io/crc32.hpp>
#include <ssam/io/state_dict.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// `value` as `width` bytes, the lowest first.
inline std::string little_endian(std::uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
  return bytes;
}

/// The name of PyTorch's storage class for a type.
inline const char* torch_storage_name(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return "DoubleStorage";
    case DType::f32:
      return "FloatStorage";
    case DType::f16:
      return "HalfStorage";
    case DType::bf16:
      return "BFloat16Storage";
    case DType::i64:
      return "LongStorage";
    case DType::i32:
      return "IntStorage";
    case DType::i16:
      return "ShortStorage";
    case DType::i8:
      return "CharStorage";
    case DType::u8:
      return "ByteStorage";
    case DType::boolean:
      break;
  }
  return "BoolStorage";
}

/// The pickle (protocol 2) of a dictionary of tensors, as torch.save writes it; the n-th tensor's elements lie in the
/// storage "n". It names three globals, all of which torch.load(weights_only=True) allows.
class StatePickle {
 public:
  /// Throws FormatError, which names `file`, for a name that nobody would read.
  static std::string of(const StateDict& state, const std::string& file) {
    StatePickle pickle;
    pickle.bytes_ = "\x80\x02}(";
    std::size_t storage = 0;
    for (const auto& [name, tensor] : state.tensors) {
      check_tensor_name(name, file);
      pickle.text(name);
      pickle.tensor(tensor, std::to_string(storage++));
    }
    return pickle.bytes_ + "u.";
  }

 private:
  void text(std::string_view text) {
    bytes_ += "X" + little_endian(text.size(), 4);
    bytes_ += text;
  }
  void number(Index value) {
    if (value <= std::numeric_limits<std::int32_t>::max()) {
      bytes_ += "J" + little_endian(static_cast<std::uint64_t>(value), 4);
    } else {
      bytes_ += "\x8a\x08" + little_endian(static_cast<std::uint64_t>(value), 8);
    }
  }
  void tensor(const HostTensor& tensor, const std::string& storage) {
    const Shape& shape = tensor.shape;
    bytes_ += "ctorch._utils\n_rebuild_tensor_v2\n((";
    text("storage");
    bytes_ += std::string("ctorch\n") + torch_storage_name(tensor.dtype) + "\n";
    text(storage);
    text("cpu");
    number(shape.elements());
    bytes_ += "tQ";
    number(0);  // offset into the storage
    bytes_ += "(";
    for (int axis = 0; axis < shape.rank(); ++axis) number(shape[axis]);
    bytes_ += "t(";
    for (int axis = 0; axis < shape.rank(); ++axis) {  // row-major strides
      Index stride = 1;
      for (int inner = axis + 1; inner < shape.rank(); ++inner) stride *= shape[inner];
      number(stride);
    }
    bytes_ +=
        "t\x89"  // no gradient wanted; then the hooks, none
        "ccollections\nOrderedDict\n)RtR";
  }

  std::string bytes_;
};

/// Writes a zip archive of stored members, each member's first byte at a multiple of 64, as torch.save does.
class StoredZipWriter {
 public:
  explicit StoredZipWriter(AtomicFile& file) : file_(file) {}

  /// Appends the member `name` with `count` bytes from `data` on.
  void add(const std::string& name, const void* data, std::size_t count) {
    const std::string sizes = little_endian(crc32(data, count), 4) + little_endian(count, 4) + little_endian(count, 4);
    const std::string head = std::string("\0\0\0\0\0\0\0\0", 8) + sizes + little_endian(name.size(), 2);
    constexpr std::uint64_t local_size = 30, extra_head = 4;
    const std::uint64_t begin = at_ + local_size + name.size() + extra_head;
    const std::uint64_t padding = (64 - begin % 64) % 64;
    directory_ += std::string("PK\1\2", 4) + std::string("\0\0", 2) + std::string("\0\0", 2) + head +
                  std::string(12, '\0') + little_endian(at_, 4) + name;
    ++members_;
    write(std::string("PK\3\4", 4) + std::string("\0\0", 2) + head + little_endian(extra_head + padding, 2) + name +
          "FB" + little_endian(padding, 2) + std::string(static_cast<std::size_t>(padding), 'Z'));
    file_.write(data, count);
    at_ += count;
  }

  /// Writes the directory; to be called last.
  void finish() {
    const std::uint64_t begin = at_;
    write(directory_);
    write(std::string("PK\5\6\0\0\0\0", 8) + little_endian(members_, 2) + little_endian(members_, 2) +
          little_endian(directory_.size(), 4) + little_endian(begin, 4) + std::string("\0\0", 2));
  }

 private:
  void write(const std::string& bytes) {
    file_.write(bytes);
    at_ += bytes.size();
  }

  AtomicFile& file_;
  std::uint64_t at_ = 0, members_ = 0;
  std::string directory_;
};

}  // namespace detail

/// Writes a state dictionary that torch.load reads, with weights_only=True too (.pth), whole or not at all; the same
/// state gives the same bytes. Metadata have no place in it and are left out. Throws IoError; FormatError for names
/// that no reader would accept; MismatchError for more than 4 GB or 65,000 tensors, which this form of the archive
/// cannot hold.
inline void save_torch_checkpoint(const std::filesystem::path& path, const StateDict& state) {
  std::uint64_t bytes = 0;
  for (const auto& [name, tensor] : state.tensors) bytes += tensor.bytes.size() + name.size() + 1000;
  if (bytes > std::numeric_limits<std::uint32_t>::max() || state.tensors.size() > 65'000) {
    throw MismatchError(
        ErrorText{.what = "the weights are too large for a .pth file of this library",
                  .where = path.string(),
                  .expected = "less than 4 GB and at most 65,000 tensors",
                  .found = std::to_string(bytes) + " bytes, " + std::to_string(state.tensors.size()) + " tensors",
                  .advice = "save them as safetensors, or in half precision"});
  }
  const std::string pickle = detail::StatePickle::of(state, path.string());
  AtomicFile file(path);
  detail::StoredZipWriter archive(file);
  const std::string top = "archive/", order = "little", format = "3\n";
  archive.add(top + "data.pkl", pickle.data(), pickle.size());
  archive.add(top + "byteorder", order.data(), order.size());
  std::size_t storage = 0;
  for (const auto& [name, tensor] : state.tensors) {
    archive.add(top + "data/" + std::to_string(storage++), tensor.bytes.data(), tensor.bytes.size());
  }
  archive.add(top + "version", format.data(), format.size());
  archive.finish();
  file.commit();
}

}  // namespace ssam::inline SSAM_ABI
