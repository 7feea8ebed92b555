#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <ssam/core/error.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

/// How many of the values are NaN or infinite.
template <class T>
std::size_t count_nonfinite(std::span<const T> values) {
  std::size_t count = 0;
  for (const T value : values) count += std::isfinite(value) ? 0 : 1;
  return count;
}

/// Throws Error where computed values are not all finite: "<what> is not finite". `where` names what they were computed
/// from; may be empty.
inline void require_finite(std::span<const float> values, const std::string& what, const std::string& where = "") {
  const std::size_t count = count_nonfinite(values);
  if (count == 0) return;
  throw Error(
      ErrorText{.what = what + " is not finite",
                .where = where,
                .found = std::to_string(count) + " of " + std::to_string(values.size()) + " values are NaN or infinite",
                .advice = "weights or input reach beyond the range of the numbers that the model computes with"});
}

}  // namespace ssam::inline SSAM_ABI
