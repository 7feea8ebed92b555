#pragma once

#include <ssam/ops/views.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// A point of a prompt: where it is, as a fraction of the image's width and height, and what it is.
struct FourierToken {
  double x = 0;     ///< 0..1, the image's left to its right edge
  double y = 0;     ///< 0..1, the upper to the lower edge
  Index kind = -1;  ///< which of `kinds` is added to its position; -1: the token is the row `nothing` alone
};

namespace detail {

template <class S, class Device>
void require_fourier(const char* op, TensorView<const S, Device> gaussian, Index tokens, TensorView<S, Device> out) {
  require(gaussian.shape().rank() == 2 && gaussian.dim(0) == 2, op, "a matrix [2, C / 2]", gaussian);
  require(out.size() == tokens * 2 * gaussian.dim(1), op, "one row of C for every token", out, tokens);
}

template <class S, class Device>
void require_fourier_tokens(TensorView<const S, Device> gaussian, TensorView<const S, Device> kinds,
                            TensorView<const S, Device> nothing, Index tokens, TensorView<S, Device> out) {
  const Index channels = 2 * gaussian.dim(1);
  require_fourier("fourier_tokens", gaussian, tokens, out);
  require(nothing.size() == channels && kinds.size() % channels == 0, "fourier_tokens", "rows of C for every kind",
          kinds, nothing, channels);
}

}  // namespace detail

}  // namespace ssam::inline SSAM_ABI::ops
