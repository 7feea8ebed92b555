#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <ssam/core/version.hpp>
#include <type_traits>

namespace ssam::inline SSAM_ABI {

/// Element types of stored tensors.
enum class DType {
  f64,      ///< IEEE double
  f32,      ///< IEEE single
  f16,      ///< IEEE half
  bf16,     ///< bfloat16: the upper half of a single
  i64,      ///< signed, 8 bytes
  i32,      ///< signed, 4 bytes
  i16,      ///< signed, 2 bytes
  i8,       ///< signed, 1 byte
  u8,       ///< unsigned, 1 byte
  boolean,  ///< one byte, 0 or 1
};

/// Bytes of one element.
constexpr std::size_t item_size(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f16:
    case DType::bf16:
    case DType::i16:
      return 2;
    case DType::i8:
    case DType::u8:
    case DType::boolean:
      break;
  }
  return 1;
}

/// safetensors' own name of the type ("F32", "BF16", "BOOL", ...).
constexpr const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return "F64";
    case DType::f32:
      return "F32";
    case DType::f16:
      return "F16";
    case DType::bf16:
      return "BF16";
    case DType::i64:
      return "I64";
    case DType::i32:
      return "I32";
    case DType::i16:
      return "I16";
    case DType::i8:
      return "I8";
    case DType::u8:
      return "U8";
    case DType::boolean:
      break;
  }
  return "BOOL";
}

/// Whether `dtype` is one of the four of floating point.
constexpr bool is_floating(DType dtype) {
  return dtype == DType::f64 || dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

/// The stored type that a C++ type is written as.
template <class T>
constexpr DType dtype_of() {
  using U = std::remove_cv_t<T>;
  if constexpr (std::is_same_v<U, double>) {
    return DType::f64;
  } else if constexpr (std::is_same_v<U, float>) {
    return DType::f32;
  } else if constexpr (std::is_same_v<U, bool>) {
    return DType::boolean;
  } else {
    static_assert(std::is_integral_v<U> && (std::is_signed_v<U> || sizeof(U) == 1), "no stored type for this C++ type");
    if constexpr (sizeof(U) == 8) return DType::i64;
    if constexpr (sizeof(U) == 4) return DType::i32;
    if constexpr (sizeof(U) == 2) return DType::i16;
    return std::is_signed_v<U> ? DType::i8 : DType::u8;
  }
}

namespace detail {
/// A 16 bit float with `mantissa` explicit mantissa bits, as a float: exact, NaN payloads included.
template <int mantissa>
constexpr float widen_16_bit(std::uint16_t bits) {
  constexpr int exponent_bits = 15 - mantissa;
  constexpr std::uint32_t exponent_mask = (1u << exponent_bits) - 1;
  constexpr std::uint32_t bias = exponent_mask >> 1;
  const std::uint32_t sign = static_cast<std::uint32_t>(bits >> 15) << 31;
  const std::uint32_t exponent = (static_cast<std::uint32_t>(bits) >> mantissa) & exponent_mask;
  std::uint32_t fraction = bits & ((1u << mantissa) - 1);
  if (exponent == exponent_mask) return std::bit_cast<float>(sign | 0x7f800000u | fraction << (23 - mantissa));
  if (exponent != 0) {
    return std::bit_cast<float>(sign | (exponent - bias + 127u) << 23 | fraction << (23 - mantissa));
  }
  if constexpr (exponent_bits == 8) {
    return std::bit_cast<float>(sign | fraction << (23 - mantissa));  // zero, or subnormal in both formats
  } else {
    // A subnormal of the small format is fraction * 2^(1 - bias - mantissa), normal in a float.
    constexpr float unit = std::bit_cast<float>((1u - bias - mantissa + 127u) << 23);
    const float magnitude = static_cast<float>(fraction) * unit;
    return sign != 0 ? -magnitude : magnitude;
  }
}

/// The nearest 16 bit float with `mantissa` explicit mantissa bits (ties to even); NaN stays NaN, too large is
/// infinite.
template <int mantissa>
constexpr std::uint16_t narrow_16_bit(double value) {
  constexpr int exponent_bits = 15 - mantissa;
  constexpr int bias = (1 << (exponent_bits - 1)) - 1;
  constexpr std::uint32_t infinity = ((1u << exponent_bits) - 1) << mantissa;
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto sign = static_cast<std::uint32_t>(bits >> 63) << 15;
  const int exponent = static_cast<int>((bits >> 52) & 0x7ff);
  std::uint64_t fraction = bits & ((std::uint64_t{1} << 52) - 1);
  if (exponent == 0x7ff) {
    // The quiet bit is set: a payload of low bits only must not become infinity.
    const std::uint32_t payload = static_cast<std::uint32_t>(fraction >> (52 - mantissa)) | 1u << (mantissa - 1);
    return static_cast<std::uint16_t>(sign | infinity | (fraction != 0 ? payload : 0));
  }
  const int target = exponent - 1023 + bias;  // biased exponent in the small format; < 1: subnormal
  int shift = 52 - mantissa;
  if (target < 1) shift += 1 - target;
  if (exponent == 0 || shift > 54) return static_cast<std::uint16_t>(sign);
  fraction |= std::uint64_t{1} << 52;
  const std::uint64_t kept = fraction >> shift;
  const std::uint64_t rest = fraction & ((std::uint64_t{1} << shift) - 1);
  const std::uint64_t half = std::uint64_t{1} << (shift - 1);
  const std::uint64_t rounded = kept + (rest > half || (rest == half && (kept & 1) != 0) ? 1 : 0);
  // `rounded` carries the implicit bit: adding it to the exponent below lets a carry run into the exponent by itself.
  const std::uint64_t base = target < 1 ? 0 : static_cast<std::uint64_t>(target - 1) << mantissa;
  const std::uint64_t result = base + rounded;
  return static_cast<std::uint16_t>(sign | (result >= infinity ? infinity : static_cast<std::uint32_t>(result)));
}
}  // namespace detail

/// IEEE half precision bits as a float: exact.
constexpr float float_from_f16(std::uint16_t bits) { return detail::widen_16_bit<10>(bits); }
/// bfloat16 bits as a float: exact.
constexpr float float_from_bf16(std::uint16_t bits) { return detail::widen_16_bit<7>(bits); }
/// `value` as the nearest IEEE half (ties to even).
constexpr std::uint16_t f16_from_double(double value) { return detail::narrow_16_bit<10>(value); }
/// `value` as the nearest bfloat16 (ties to even).
constexpr std::uint16_t bf16_from_double(double value) { return detail::narrow_16_bit<7>(value); }

}  // namespace ssam::inline SSAM_ABI
