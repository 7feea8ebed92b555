#pragma once

#include <ssam/io/atomic_file.hpp>
#include <ssam/io/host_tensor.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// NumPy's name of a stored type; nullptr for bfloat16, which NumPy has not.
constexpr const char* npy_descr(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return "<f8";
    case DType::f32:
      return "<f4";
    case DType::f16:
      return "<f2";
    case DType::i64:
      return "<i8";
    case DType::i32:
      return "<i4";
    case DType::i16:
      return "<i2";
    case DType::i8:
      return "|i1";
    case DType::u8:
      return "|u1";
    case DType::boolean:
      return "|b1";
    case DType::bf16:
      break;
  }
  return nullptr;
}

/// The header of a .npy file: a Python dictionary of exactly 'descr', 'fortran_order' and 'shape'.
class NpyHeader {
 public:
  NpyHeader(std::string_view text, const std::string& file, std::uint64_t offset)
      : text_(text), file_(file), offset_(offset) {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted_text();
      expect(':');
      read_value(key);
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail("text behind the dictionary");
    if (!has_descr_ || !has_order_ || !has_shape_) fail("a dictionary without 'descr', 'fortran_order' or 'shape'");
  }

  DType dtype = DType::f32;
  bool fortran_order = false;
  Shape shape;

 private:
  [[noreturn]] void fail(const std::string& found) const {
    throw FormatError(ErrorText{.what = "malformed .npy header",
                                .where = at_offset(file_, offset_ + at_),
                                .expected = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
                                .found = found});
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail("no '" + std::string(1, c) + "'");
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  std::string_view quoted_text() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) fail("a text without an end");
    const std::string_view inside = text_.substr(at_, end - at_);
    at_ = end + 1;
    return inside;
  }

  void read_value(std::string_view key) {
    if (key == "descr" && !std::exchange(has_descr_, true)) {
      read_descr();
    } else if (key == "fortran_order" && !std::exchange(has_order_, true)) {
      fortran_order = accept_word("True");
      if (!fortran_order && !accept_word("False")) fail("neither True nor False");
    } else if (key == "shape" && !std::exchange(has_shape_, true)) {
      read_shape();
    } else {
      fail("the key " + shown(key) + ", unknown or there a second time");
    }
  }

  void read_descr() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') fail("a structured array");
    const std::string_view descr = quoted_text();
    for (const DType candidate : {DType::f64, DType::f32, DType::f16, DType::i64, DType::i32, DType::i16, DType::i8,
                                  DType::u8, DType::boolean}) {
      if (descr != npy_descr(candidate)) continue;
      dtype = candidate;
      return;
    }
    fail("the type " + shown(descr) + " (little-endian f8, f4, f2, i8, i4, i2, i1, u1 and b1 can be read)");
  }

  void read_shape() {
    expect('(');
    while (!accept(')')) {
      skip_space();
      Index extent = 0;
      const std::size_t begin = at_;
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
        const Index digit = text_[at_] - '0';
        if (extent > (std::numeric_limits<Index>::max() - digit) / 10) fail("an extent beyond 63 bits");
        extent = extent * 10 + digit;
      }
      if (at_ == begin) fail("no extent");
      if (shape.rank() == Shape::max_rank) fail("more than 8 dimensions");
      shape.push_back(extent);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
  }

  std::string_view text_;
  const std::string& file_;
  std::uint64_t offset_;
  std::size_t at_ = 0;
  bool has_descr_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
};

/// Column-major elements into row-major order.
inline std::vector<std::byte> from_fortran_order(const HostTensor& tensor, const std::vector<std::byte>& bytes) {
  const std::size_t item = item_size(tensor.dtype);
  std::vector<std::byte> out(bytes.size());
  std::vector<std::size_t> index(static_cast<std::size_t>(tensor.shape.rank()));
  for (std::size_t done = 0; done < bytes.size(); done += item) {
    std::size_t position = 0;
    for (int axis = 0; axis < tensor.shape.rank(); ++axis) {  // row-major position of a column-major index
      position = position * static_cast<std::size_t>(tensor.shape[axis]) + index[static_cast<std::size_t>(axis)];
    }
    std::memcpy(out.data() + position * item, bytes.data() + done, item);
    for (int axis = 0; axis < tensor.shape.rank(); ++axis) {
      std::size_t& i = index[static_cast<std::size_t>(axis)];
      if (++i < static_cast<std::size_t>(tensor.shape[axis])) break;
      i = 0;
    }
  }
  return out;
}

inline HostTensor read_npy(const ByteSource& source) {
  unsigned char head[10] = {};
  source.read(0, head, sizeof head);
  const int version = head[6];
  if (std::memcmp(head, "\x93NUMPY", 6) != 0 || version < 1 || version > 3 || head[7] != 0) {
    throw FormatError(ErrorText{.what = "this is not a .npy file of version 1, 2 or 3",
                                .where = source.name(),
                                .found = shown({reinterpret_cast<const char*>(head), 8})});
  }
  const std::uint64_t length_bytes = version == 1 ? 2 : 4;
  std::uint64_t length = 0;
  source.read(8, &length, static_cast<std::size_t>(length_bytes));
  constexpr std::uint64_t longest = 65536;  // eight extents take less than 300 bytes
  if (length > longest) {
    throw FormatError(ErrorText{.what = "the header of a .npy file is too long",
                                .where = at_offset(source.name(), 8),
                                .expected = "at most " + std::to_string(longest) + " bytes",
                                .found = std::to_string(length)});
  }
  const std::uint64_t begin = 8 + length_bytes;
  const std::string text = source.read_string(begin, static_cast<std::size_t>(length));
  const NpyHeader header(text, source.name(), begin);
  const std::uint64_t rest = source.size() - begin - length;
  std::size_t bytes = 0;
  try {
    bytes = tensor_bytes(header.shape, header.dtype);
  } catch (const ShapeError& error) {
    throw FormatError(ErrorText{.what = "an impossible shape", .where = source.name(), .found = error.what()});
  }
  if (bytes != rest) {
    throw FormatError(ErrorText{.what = "a .npy file has not the size its header asks for",
                                .where = at_offset(source.name(), begin + length),
                                .expected = std::to_string(bytes) + " bytes of data",
                                .found = std::to_string(rest)});
  }
  HostTensor tensor{header.dtype, header.shape, std::vector<std::byte>(bytes)};
  source.read(begin + length, tensor.bytes.data(), bytes);
  if (header.fortran_order) tensor.bytes = from_fortran_order(tensor, tensor.bytes);
  return tensor;
}

}  // namespace detail

/// Reads one array (.npy, versions 1 to 3); column-major ones are turned into row-major order. Throws IoError,
/// FormatError.
inline HostTensor load_npy(const std::filesystem::path& path) { return detail::read_npy(ByteSource::file(path)); }

/// Writes one array (.npy, version 1), whole or not at all. Throws IoError, and MismatchError for bfloat16, which NumPy
/// has not.
inline void save_npy(const std::filesystem::path& path, const HostTensor& tensor) {
  const char* descr = detail::npy_descr(tensor.dtype);
  if (descr == nullptr) {
    throw MismatchError(ErrorText{
        .what = "NumPy has no bfloat16", .where = path.string(), .advice = "save tensor.converted(DType::f32)"});
  }
  tensor.elements();  // throws when the bytes are not the shape's
  std::string shape;
  for (int axis = 0; axis < tensor.shape.rank(); ++axis) shape += std::to_string(tensor.shape[axis]) + ", ";
  if (tensor.shape.rank() > 1) shape.resize(shape.size() - 2);  // (2, 3), but (2,) as Python writes it
  if (tensor.shape.rank() == 1) shape.pop_back();
  std::string text = std::string("{'descr': '") + descr + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  text.resize((10 + text.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');  // the data begins at a multiple of 64 bytes
  text += '\n';
  const auto length = static_cast<std::uint16_t>(text.size());
  AtomicFile file(path);
  file.write(std::string_view("\x93NUMPY\x01\x00", 8));
  file.write(&length, sizeof length);
  file.write(text);
  file.write(tensor.bytes.data(), tensor.bytes.size());
  file.commit();
}

}  // namespace ssam::inline SSAM_ABI
