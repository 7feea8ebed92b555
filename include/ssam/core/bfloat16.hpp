#pragma once

#include <bit>
#include <cstdint>
#include <ssam/core/device.hpp>
#include <type_traits>

namespace ssam::inline SSAM_ABI {

/// A bfloat16 number: the upper half of a float. Storage only, it is computed with as a float.
struct BFloat16 {
  std::uint16_t bits = 0;  ///< sign, 8 bits of exponent, 7 of mantissa

  BFloat16() = default;  ///< 0
  /// The nearest one to `value`, ties to even, as processors and PyTorch round. Stays infinite or NaN (then quiet).
  explicit BFloat16(float value) {
    const auto wide = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = (wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16;
    const bool nan = (wide & 0x7fffffffu) > 0x7f800000u;
    bits = static_cast<std::uint16_t>(nan ? (wide >> 16) | 0x40u : rounded);
  }
  /// The same number.
  explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

/// What `Linear` and `SVDLinear` store matrices as that training leaves alone, once they are prepared: what the
/// device's products of `Scalar` round them to anyway. The layer then has no other copy of them.
template <class Scalar, class Device>
using FrozenScalar =
    std::conditional_t<std::is_same_v<Scalar, float> && std::is_same_v<Device, CpuBf16>, BFloat16, Scalar>;
/// Whether that is another type than `Scalar`.
template <class Scalar, class Device>
inline constexpr bool has_frozen_scalar = !std::is_same_v<FrozenScalar<Scalar, Device>, Scalar>;

}  // namespace ssam::inline SSAM_ABI
