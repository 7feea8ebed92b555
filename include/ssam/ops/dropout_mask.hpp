#pragma once

#include <cstdint>
#include <ssam/ops/views.hpp>

namespace ssam::inline SSAM_ABI::ops::detail {

/// A dropout mask that is a pure function of (key, element index).
template <class S>
struct DropoutMask {
  std::uint64_t key, threshold;
  S scale;

  DropoutMask(double rate, std::uint64_t mask_key)
      : key(mask_key), threshold(static_cast<std::uint64_t>(rate * 0x1p32)), scale(static_cast<S>(1 / (1 - rate))) {}

  /// Element `i` with value x.
  SSAM_HOST_DEVICE S operator()(S x, Index i) const {
    std::uint64_t z = key + 0x9E3779B97F4A7C15ull * static_cast<std::uint64_t>(i + 1);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return (z >> 32) < threshold ? S(0) : x * scale;
  }
};

}  // namespace ssam::inline SSAM_ABI::ops::detail
