#pragma once

#include <cmath>
#include <ssam/ops/views.hpp>

namespace ssam::inline SSAM_ABI::ops::detail {

/// Where one output position of a linear interpolation reads: (1 - weight) * in[low] + weight * in[high].
struct LinearTap {
  Index low, high;
  double weight;
};

/// Indices [begin, end).
struct IndexRange {
  Index begin, end;
};

/// One axis of a resize from `in` to `out` positions: PyTorch's align_corners=False.
struct LinearAxis {
  Index in, out;
  double scale;

  LinearAxis(Index in_extent, Index out_extent)
      : in(in_extent), out(out_extent), scale(static_cast<double>(in_extent) / static_cast<double>(out_extent)) {}

  /// Output i lies at (i + 0.5) * in / out - 0.5, not below 0.
  SSAM_HOST_DEVICE LinearTap tap(Index i) const {
    const double wanted = (static_cast<double>(i) + 0.5) * scale - 0.5, position = wanted > 0 ? wanted : 0;
    const Index before = static_cast<Index>(position), low = before < in ? before : in - 1;
    const double beyond = position - static_cast<double>(low);
    return {low, low + 1 < in ? low + 1 : low, beyond < 1 ? beyond : 1};
  }

  /// Outputs among which all are that read input r, and one or two more.
  SSAM_HOST_DEVICE IndexRange readers(Index r) const {
    const double first = std::floor((static_cast<double>(r) - 0.5) / scale - 0.5);
    const double last = std::ceil((static_cast<double>(r) + 1.5) / scale - 0.5);
    return {first > 0 ? static_cast<Index>(first) : 0,
            last + 1 < static_cast<double>(out) ? static_cast<Index>(last) + 1 : out};
  }

  /// What output i takes of input r.
  SSAM_HOST_DEVICE double weight(Index i, Index r) const {
    const LinearTap at = tap(i);
    return (at.low == r ? 1 - at.weight : 0) + (at.high == r ? at.weight : 0);
  }
};

/// Inputs that output i of an adaptive average pool from `in` to `out` positions takes the mean of.
SSAM_HOST_DEVICE inline IndexRange pool_range(Index i, Index in, Index out) {
  return {i * in / out, ((i + 1) * in + out - 1) / out};
}

inline void require_resize(const Shape& x, const Shape& y, const char* op) {
  require(x.rank() == 4 && y.rank() == 4 && x[0] == y[0] && x[3] == y[3], op, "[B, H, W, C] and [B, h, w, C]", x, y);
  require(x[1] > 0 && x[2] > 0 && y[1] > 0 && y[2] > 0, op, "non-empty images", x, y);
}

}  // namespace ssam::inline SSAM_ABI::ops::detail
