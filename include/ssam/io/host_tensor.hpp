#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <ssam/core/shape.hpp>
#include <ssam/io/dtype.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Bytes of a tensor of this shape. Throws ShapeError when they do not fit 63 bits, or would not but for an extent of
/// 0.
inline std::size_t tensor_bytes(const Shape& shape, DType dtype) {
  Shape positive;
  bool zero = false;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    zero = zero || shape[axis] == 0;
    if (shape[axis] > 0) positive.push_back(shape[axis]);
  }
  const Index elements = positive.elements();
  const auto size = static_cast<Index>(item_size(dtype));
  if (elements > std::numeric_limits<Index>::max() / size) {
    throw ShapeError(ErrorText{.what = "the bytes of a tensor do not fit 63 bits", .found = shape.str()});
  }
  return zero ? 0 : static_cast<std::size_t>(elements * size);
}

/// A tensor as a file stores it: little-endian, row-major, of a type known at run time only.
struct HostTensor {
  DType dtype = DType::f32;           ///< of the elements
  Shape shape = Shape{0};             ///< outermost extent first
  std::vector<std::byte> bytes = {};  ///< the elements

  bool operator==(const HostTensor&) const = default;  ///< the same type, shape and bytes

  /// Number of elements. Throws ShapeError when `bytes` has not the size that shape and dtype ask for.
  std::size_t elements() const {
    if (bytes.size() != tensor_bytes(shape, dtype)) {
      throw ShapeError(ErrorText{.what = "a host tensor has the wrong number of bytes",
                                 .expected = shape.str() + " " + dtype_name(dtype),
                                 .found = std::to_string(bytes.size()) + " bytes"});
    }
    return bytes.size() / item_size(dtype);
  }

  /// The elements as T: float, double, int64_t or uint8_t. Halves widen exactly. Throws MismatchError for floating
  /// point asked for as integers and for integers that do not fit T.
  template <class T>
  std::vector<T> to() const {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, std::int64_t> ||
                  std::is_same_v<T, std::uint8_t>);
    std::vector<T> values(elements());
    visit_elements([&](std::size_t i, auto value) {
      if constexpr (std::is_floating_point_v<T>) {
        values[i] = static_cast<T>(value);
      } else if constexpr (std::is_floating_point_v<decltype(value)>) {
        throw MismatchError(ErrorText{.what = "a tensor of floating point cannot be read as integers",
                                      .found = std::string(dtype_name(dtype)) + " " + shape.str()});
      } else {
        values[i] = static_cast<T>(value);
        if (static_cast<std::int64_t>(values[i]) != static_cast<std::int64_t>(value)) throw_out_of_range(value);
      }
    });
    return values;
  }

  /// A stored tensor of `shape` from as many values. C++ bool, (u)int8, int16, int32, int64, float and double have
  /// stored types.
  template <class T>
  static HostTensor from(const Shape& shape, const T* values) {
    HostTensor tensor{dtype_of<T>(), shape, std::vector<std::byte>(tensor_bytes(shape, dtype_of<T>()))};
    if (!tensor.bytes.empty()) std::memcpy(tensor.bytes.data(), values, tensor.bytes.size());
    return tensor;
  }
  /// Throws ShapeError when the number of values is not the shape's.
  template <class T>
  static HostTensor from(const Shape& shape, std::span<T> values) {
    if (values.size_bytes() != tensor_bytes(shape, dtype_of<T>())) {
      throw ShapeError(ErrorText{.what = "wrong number of values for a host tensor",
                                 .expected = shape.str(),
                                 .found = std::to_string(values.size()) + " values"});
    }
    return from(shape, static_cast<const T*>(values.data()));
  }
  /// The same of a vector. Throws ShapeError when the number of `values` is not that of `shape`.
  template <class T>
  static HostTensor from(const Shape& shape, const std::vector<T>& values) {
    return from(shape, std::span<const T>(values));
  }

  /// The same values as another stored type, `target`: halves and singles round to nearest even. Throws MismatchError
  /// for floating point into integers and for integers that do not fit.
  HostTensor converted(DType target) const {
    HostTensor out{target, shape, {}};
    const std::size_t count = elements();
    if (target == dtype) {
      out.bytes = bytes;
      return out;
    }
    out.bytes.resize(count * item_size(target));
    if (is_floating(target)) {
      visit_elements([&](std::size_t i, auto value) {
        switch (target) {
          case DType::f64:
            return out.put(i, static_cast<double>(value));
          case DType::f32:
            return out.put(i, static_cast<float>(value));
          case DType::f16:
            return out.put(i, f16_from_double(static_cast<double>(value)));
          default:
            return out.put(i, bf16_from_double(static_cast<double>(value)));
        }
      });
      return out;
    }
    const std::vector<std::int64_t> values = to<std::int64_t>();
    for (std::size_t i = 0; i < count; ++i) out.put_integer(i, values[i]);
    return out;
  }

  /// How many elements are NaN or infinite, as the floating-point type T.
  template <class T = double>
  std::size_t count_nonfinite() const {
    std::size_t count = 0;
    if (!is_floating(dtype)) return count;
    visit_elements([&](std::size_t, auto value) {
      if constexpr (std::is_floating_point_v<decltype(value)>) count += std::isfinite(static_cast<T>(value)) ? 0 : 1;
    });
    return count;
  }

 private:
  template <class T>
  T get(std::size_t i) const {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    return value;
  }
  template <class T>
  void put(std::size_t i, T value) {
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }

  void put_integer(std::size_t i, std::int64_t value) {
    const auto store = [&](auto narrow) {
      if (static_cast<std::int64_t>(narrow) != value) throw_out_of_range(value);
      put(i, narrow);
    };
    switch (dtype) {
      case DType::i64:
        return store(value);
      case DType::i32:
        return store(static_cast<std::int32_t>(value));
      case DType::i16:
        return store(static_cast<std::int16_t>(value));
      case DType::i8:
        return store(static_cast<std::int8_t>(value));
      case DType::boolean:
        if (value != 0 && value != 1) throw_out_of_range(value);
        [[fallthrough]];
      default:
        return store(static_cast<std::uint8_t>(value));
    }
  }

  [[noreturn]] void throw_out_of_range(std::int64_t value) const {
    throw MismatchError(ErrorText{.what = "an element of a tensor does not fit the wanted type",
                                  .where = std::string(dtype_name(dtype)) + " " + shape.str(),
                                  .found = std::to_string(value)});
  }

  /// f(i, value) for every element, in the C++ type that holds it exactly (float for the halves).
  template <class F>
  void visit_elements(const F& f) const {
    const std::size_t count = elements();
    const auto each = [&](auto read) {
      for (std::size_t i = 0; i < count; ++i) f(i, read(i));
    };
    switch (dtype) {
      case DType::f64:
        return each([&](std::size_t i) { return get<double>(i); });
      case DType::f32:
        return each([&](std::size_t i) { return get<float>(i); });
      case DType::f16:
        return each([&](std::size_t i) { return float_from_f16(get<std::uint16_t>(i)); });
      case DType::bf16:
        return each([&](std::size_t i) { return float_from_bf16(get<std::uint16_t>(i)); });
      case DType::i64:
        return each([&](std::size_t i) { return get<std::int64_t>(i); });
      case DType::i32:
        return each([&](std::size_t i) { return get<std::int32_t>(i); });
      case DType::i16:
        return each([&](std::size_t i) { return get<std::int16_t>(i); });
      case DType::i8:
        return each([&](std::size_t i) { return get<std::int8_t>(i); });
      case DType::u8:
        return each([&](std::size_t i) { return get<std::uint8_t>(i); });
      case DType::boolean:
        return each([&](std::size_t i) { return static_cast<std::uint8_t>(get<std::uint8_t>(i) != 0); });
    }
  }
};

// The bytes of a file are used as they are.
static_assert(std::endian::native == std::endian::little,
              "ssam reads and writes checkpoints on little-endian machines");

}  // namespace ssam::inline SSAM_ABI
