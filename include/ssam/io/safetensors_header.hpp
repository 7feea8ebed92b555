#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ssam/io/host_tensor.hpp>
#include <ssam/io/names.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace ssam::inline SSAM_ABI::detail {

/// One entry of a safetensors header; offsets count from the first byte after the header.
struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::string other_type = {};  ///< of whole or complex numbers that are not read; dtype is then one of their size
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
};

/// A header's JSON, event by event, so that duplicate keys are seen (a parsed JSON value would keep the last silently)
/// and nothing is built that the format does not have.
class SafetensorsSax {
 public:
  SafetensorsSax(const std::string& file, SafetensorsHeader& header) : file_(file), header_(header) {}

  bool null() { fail("null"); }
  bool boolean(bool) { fail("a boolean"); }
  bool binary(nlohmann::json::binary_t&) { fail("binary data"); }
  bool number_integer(std::int64_t) { fail("a negative number"); }
  bool number_float(double, const std::string& text) { fail("the number " + shown(text)); }

  bool number_unsigned(std::uint64_t value) {
    if (place_ == Place::shape) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<Index>::max())) fail("an extent beyond 63 bits");
      if (entry_.shape.rank() == Shape::max_rank) fail("more than 8 dimensions");
      entry_.shape.push_back(static_cast<Index>(value));
    } else if (place_ == Place::offsets) {
      if (offsets_ == 2) fail("more than two data offsets");
      (offsets_ == 0 ? entry_.begin : entry_.end) = value;
      ++offsets_;
    } else {
      fail("a number");
    }
    return true;
  }

  bool string(std::string& value) {
    if (place_ == Place::metadata) {
      if (!header_.metadata.emplace(key_, value).second) fail("the metadata key " + shown(key_) + " a second time");
    } else if (place_ == Place::entry && field_ == Field::dtype) {
      entry_.dtype = dtype_from(value);
      entry_.other_type = value == dtype_name(entry_.dtype) ? "" : value;
    } else {
      fail("the text " + shown(value));
    }
    return true;
  }

  bool start_object(std::size_t) {
    if (place_ == Place::nothing) {
      place_ = Place::top;
    } else if (place_ == Place::top && key_ == "__metadata__") {
      place_ = Place::metadata;
    } else if (place_ == Place::top) {
      place_ = Place::entry;
      seen_ = {};
      entry_.shape = Shape();
    } else {
      fail("an object");
    }
    return true;
  }

  bool key(std::string& text) {
    key_ = text;
    if (place_ == Place::top) {
      if (!names_.emplace(text, 0).second) fail("the name " + shown(text) + " a second time");
      if (text == "__metadata__") return true;
      check_tensor_name(text, file_);
      if (names_.size() > max_tensors) fail("more than " + std::to_string(max_tensors) + " tensors");
      entry_.name = text;
    } else if (place_ == Place::entry) {
      field_ = text == "dtype" ? Field::dtype : text == "shape" ? Field::shape : Field::data_offsets;
      if (field_ == Field::data_offsets && text != "data_offsets") fail("the unknown field " + shown(text));
      bool& seen = seen_[static_cast<std::size_t>(field_)];
      if (seen) fail("the field " + shown(text) + " a second time");
      seen = true;
    }
    return true;
  }

  bool end_object() {
    if (place_ == Place::entry) {
      if (!seen_[0] || !seen_[1] || !seen_[2]) fail("a tensor without dtype, shape or data_offsets");
      header_.entries.push_back(entry_);
    }
    place_ = place_ == Place::top ? Place::nothing : Place::top;
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ != Place::entry || field_ == Field::dtype) fail("an array");
    place_ = field_ == Field::shape ? Place::shape : Place::offsets;
    offsets_ = 0;
    return true;
  }

  bool end_array() {
    if (place_ == Place::offsets && offsets_ != 2) fail(std::to_string(offsets_) + " data offsets");
    place_ = Place::entry;
    return true;
  }

  template <class Exception>
  bool parse_error(std::size_t position, const std::string&, const Exception& error) {
    throw FormatError(ErrorText{.what = "the safetensors header is not JSON",
                                .where = at_offset(file_, 8 + position),
                                .found = shown(error.what())});
  }

 private:
  enum class Place { nothing, top, metadata, entry, shape, offsets };
  enum class Field { dtype, shape, data_offsets };

  [[noreturn]] void fail(const std::string& found) const {
    const bool inside = place_ == Place::entry || place_ == Place::shape || place_ == Place::offsets;
    throw FormatError(ErrorText{
        .what = "the safetensors header is malformed",
        .where = inside ? at_tensor(file_, entry_.name) : file_,
        .expected = "{name: {dtype: text, shape: [extents], data_offsets: [begin, end]}} and __metadata__ of texts",
        .found = found});
  }

  DType dtype_from(const std::string& name) const {
    for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32, DType::i16,
                              DType::i8, DType::u8, DType::boolean}) {
      if (name == dtype_name(dtype)) return dtype;
    }
    // No weights have these types, but what lies beside weights may: the state of a random number generator.
    if (name == "U16") return DType::i16;
    if (name == "U32") return DType::i32;
    if (name == "U64" || name == "C64") return DType::i64;
    throw FormatError(ErrorText{.what = "unsupported element type",
                                .where = at_tensor(file_, entry_.name),
                                .expected = "F64, F32, F16, BF16, I64, I32, I16, I8, U8 or BOOL",
                                .found = shown(name),
                                .advice = "convert the tensor before saving it"});
  }

  const std::string& file_;
  SafetensorsHeader& header_;
  Place place_ = Place::nothing;
  Field field_ = Field::dtype;
  std::string key_;
  std::map<std::string, int> names_;
  SafetensorsEntry entry_;
  std::array<bool, 3> seen_ = {};
  int offsets_ = 0;
};

}  // namespace ssam::inline SSAM_ABI::detail
