#pragma once

#include <ssam/ops/views.hpp>

namespace ssam::inline SSAM_ABI::ops::detail {

/// Output extent of a convolution along one axis. Throws ShapeError when the kernel does not fit the padded input.
inline Index convolution_extent(Index extent, Index kernel, Index stride, Index pad, const char* op) {
  require(kernel > 0 && stride > 0 && pad >= 0 && pad < kernel, op, "kernel > 0, stride > 0, 0 <= pad < kernel", kernel,
          stride, pad);
  require(kernel - pad <= extent + pad, op, "a kernel that fits the padded input", kernel, extent, pad);
  return (extent + 2 * pad - kernel) / stride + 1;
}

/// The patches [B * oh * ow, kernel * kernel * C] of a convolution of a feature map [B, H, W, C].
struct PatchGeometry {
  Index batch, height, width, channels, kernel, stride, pad, oh, ow;

  /// Throws ShapeError unless `map` is a feature map and `rows` x `cols` are its patches.
  PatchGeometry(const Shape& map, Index kernel_extent, Index kernel_stride, Index padding, Index rows, Index cols,
                const char* op)
      : kernel(kernel_extent), stride(kernel_stride), pad(padding) {
    require(map.rank() == 4, op, "a feature map [B, H, W, C]", map);
    batch = map[0], height = map[1], width = map[2], channels = map[3];
    oh = convolution_extent(height, kernel, stride, pad, op);
    ow = convolution_extent(width, kernel, stride, pad, op);
    require(rows == batch * oh * ow && cols == kernel * kernel * channels, op,
            "columns [B * oh * ow, kernel * kernel * C]", rows, cols, map);
  }
};

inline void require_pixel_shuffle(const Shape& x, const Shape& y, const char* op) {
  require(x.rank() == 4 && x[3] % 4 == 0 && y == Shape{x[0], 2 * x[1], 2 * x[2], x[3] / 4}, op,
          "[B, H, W, 4 * C] and [B, 2H, 2W, C]", x, y);
}

inline void require_nchw(const Shape& nchw, const Shape& nhwc, const char* op) {
  require(nchw.rank() == 4 && nhwc == Shape{nchw[0], nchw[2], nchw[3], nchw[1]}, op, "[B, C, H, W] and [B, H, W, C]",
          nchw, nhwc);
}

}  // namespace ssam::inline SSAM_ABI::ops::detail
