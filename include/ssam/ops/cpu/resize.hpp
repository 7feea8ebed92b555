#pragma once

#include <ssam/ops/cpu/kernel.hpp>
#include <ssam/ops/linear_axis.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// Bilinear interpolation with PyTorch's align_corners=False: x [B, H, W, C] -> y [B, h, w, C]. H = h = 1 is the linear
/// interpolation of a sequence.
template <class S>
void resize_bilinear_forward(Context<Cpu>& context, In<S, Cpu> x, TensorView<S, Cpu> y) {
  detail::require_resize(x.shape(), y.shape(), "resize_bilinear_forward");
  const Index height = x.dim(1), width = x.dim(2), channels = x.dim(3), h = y.dim(1), w = y.dim(2);
  const Index rows = y.dim(0) * h;
  const detail::LinearAxis down(height, h), across(width, w);
  WorkspaceScope scope(context);
  const auto mixed_rows = allocate<S>(context, {detail::slot_count(context, rows), width * channels});
  detail::parallel_slots(context, rows, [&](Index row, Index slot) {
    const auto vertical = down.tap(row % h);
    const S* image = x.data() + row / h * height * width * channels;
    S* mixed = mixed_rows.slice(slot).data();
    const S lower = static_cast<S>(vertical.weight);
    detail::array(mixed, width * channels) =
        (S(1) - lower) * detail::array(image + vertical.low * width * channels, width * channels) +
        lower * detail::array(image + vertical.high * width * channels, width * channels);
    S* out = y.data() + row * w * channels;
    for (Index j = 0; j < w; ++j, out += channels) {
      const auto tap = across.tap(j);
      const S right = static_cast<S>(tap.weight), left = S(1) - right;
      const S* low = mixed + tap.low * channels;
      const S* high = mixed + tap.high * channels;
      for (Index c = 0; c < channels; ++c) out[c] = left * low[c] + right * high[c];
    }
  });
}

/// The exact adjoint of resize_bilinear_forward: dy [B, h, w, C] -> dx [B, H, W, C], overwritten.
template <class S>
void resize_bilinear_backward(Context<Cpu>& context, In<S, Cpu> dy, TensorView<S, Cpu> dx) {
  detail::require_resize(dx.shape(), dy.shape(), "resize_bilinear_backward");
  const Index height = dx.dim(1), width = dx.dim(2), channels = dx.dim(3), h = dy.dim(1), w = dy.dim(2);
  const Index rows = dx.dim(0) * height;
  const detail::LinearAxis down(height, h), across(width, w);
  WorkspaceScope scope(context);
  const auto mixed_rows = allocate<S>(context, {detail::slot_count(context, rows), w * channels});
  // One work item gathers one row of dx: first the rows of dy that read it, then their columns.
  detail::parallel_slots(context, rows, [&](Index row, Index slot) {
    const S* image = dy.data() + row / height * h * w * channels;
    auto mixed = detail::array(mixed_rows.slice(slot).data(), w * channels);
    mixed = S(0);
    const auto readers = down.readers(row % height);
    for (Index i = readers.begin; i < readers.end; ++i) {
      const double weight = down.weight(i, row % height);
      if (weight != 0) mixed += static_cast<S>(weight) * detail::array(image + i * w * channels, w * channels);
    }
    S* out = dx.data() + row * width * channels;
    std::fill(out, out + width * channels, S(0));
    const S* from = mixed.data();
    for (Index j = 0; j < w; ++j, from += channels) {
      const auto tap = across.tap(j);
      const S right = static_cast<S>(tap.weight), left = S(1) - right;
      S* low = out + tap.low * channels;
      S* high = out + tap.high * channels;
      for (Index c = 0; c < channels; ++c) {
        low[c] += left * from[c];
        high[c] += right * from[c];
      }
    }
  });
}

/// PyTorch's adaptive average pooling: output (i, j) of y [B, h, w, C] is the mean of the rows
/// [floor(i H / h), ceil((i + 1) H / h)) and the columns likewise of x [B, H, W, C].
template <class S>
void adaptive_average_pool(Context<Cpu>& context, In<S, Cpu> x, TensorView<S, Cpu> y) {
  detail::require_resize(x.shape(), y.shape(), "adaptive_average_pool");
  const Index height = x.dim(1), width = x.dim(2), channels = x.dim(3), h = y.dim(1), w = y.dim(2);
  context.parallel_for(y.dim(0) * h, [&](Index row) {
    const auto [top, bottom] = detail::pool_range(row % h, height, h);
    for (Index j = 0; j < w; ++j) {
      const auto [left, right] = detail::pool_range(j, width, w);
      auto out = detail::array(y.data() + (row * w + j) * channels, channels);
      out = S(0);
      for (Index r = top; r < bottom; ++r) {
        for (Index c = left; c < right; ++c) {
          out += detail::array(x.data() + ((row / h * height + r) * width + c) * channels, channels);
        }
      }
      out /= static_cast<S>((bottom - top) * (right - left));
    }
  });
}

}  // namespace ssam::inline SSAM_ABI::ops
