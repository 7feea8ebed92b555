#pragma once

#include <ssam/ops/views.hpp>

namespace ssam::inline SSAM_ABI::ops::detail {

/// x [B, 2 h, 2 w, C] and y [B, h, w, C]. Throws ShapeError.
inline void require_pool(const Shape& x, const Shape& y, const char* op) {
  require(x.rank() == 4 && x[1] % 2 == 0 && x[2] % 2 == 0 && y == Shape{x[0], x[1] / 2, x[2] / 2, x[3]}, op,
          "x [B, 2 h, 2 w, C] and y [B, h, w, C]", x, y);
}

}  // namespace ssam::inline SSAM_ABI::ops::detail
