#pragma once

#include <ssam/ops/cpu/kernel.hpp>
#include <ssam/ops/pool_checks.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// The largest of every 2 x 2 pixels, per channel: x [B, 2 h, 2 w, C] -> y [B, h, w, C].
template <class S>
void max_pool_forward(Context<Cpu>& context, In<S, Cpu> x, TensorView<S, Cpu> y) {
  detail::require_pool(x.shape(), y.shape(), "max_pool_forward");
  const Index width = y.dim(2), channels = y.dim(3), run = 2 * width * channels;
  detail::for_rows(context, y.dim(0) * y.dim(1), 2 * run, [&](Index row) {
    const S* top = x.data() + row * 2 * run;
    S* out = y.data() + row * width * channels;
    for (Index j = 0; j < width; ++j, top += 2 * channels, out += channels) {
      detail::array(out, channels) = detail::array(top, channels)
                                         .max(detail::array(top + channels, channels))
                                         .max(detail::array(top + run, channels))
                                         .max(detail::array(top + run + channels, channels));
    }
  });
}

/// Its adjoint at x: dy [B, h, w, C] goes to the first of the largest pixels, in the order of rows, as in PyTorch;
/// dx [B, 2 h, 2 w, C] is overwritten.
template <class S>
void max_pool_backward(Context<Cpu>& context, In<S, Cpu> x, In<S, Cpu> dy, TensorView<S, Cpu> dx) {
  detail::require_pool(x.shape(), dy.shape(), "max_pool_backward");
  require(dx.shape() == x.shape(), "max_pool_backward", "dx of the shape of x", dx, x);
  const Index width = dy.dim(2), channels = dy.dim(3), run = 2 * width * channels;
  detail::for_rows(context, dy.dim(0) * dy.dim(1), 2 * run, [&](Index row) {
    const Index places[4] = {0, channels, run, run + channels};
    const S* top = x.data() + row * 2 * run;
    S* to = dx.data() + row * 2 * run;
    const S* from = dy.data() + row * width * channels;
    for (Index j = 0; j < width; ++j, top += 2 * channels, to += 2 * channels, from += channels) {
      for (Index c = 0; c < channels; ++c) {
        int best = 0;
        for (int i = 1; i < 4; ++i) best = top[places[i] + c] > top[places[best] + c] ? i : best;
        for (int i = 0; i < 4; ++i) to[places[i] + c] = i == best ? from[c] : S(0);
      }
    }
  });
}

}  // namespace ssam::inline SSAM_ABI::ops
