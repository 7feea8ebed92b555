#pragma once

#include <cmath>
#include <numbers>
#include <ssam/ops/cpu/kernel.hpp>
#include <ssam/ops/fourier_token.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// SAM's random-Fourier position of every cell's centre of an h x w grid -> out [h w, C]: sine and cosine of
/// 2 pi (2 x - 1, 2 y - 1) G with G `gaussian` [2, C / 2], computed in double.
template <class S>
void fourier_grid(Context<Cpu>& context, In<S, Cpu> gaussian, Index h, Index w, TensorView<S, Cpu> out) {
  detail::require_fourier<S, Cpu>("fourier_grid", gaussian, h * w, out);
  const Index half = gaussian.dim(1);
  WorkspaceScope scope(context);
  // sin(a + b) and cos(a + b) from those of a row's and of a column's angle.
  const auto table = [&](Index cells, const S* frequency) {
    const auto waves = allocate<double>(context, {cells, 2, half});
    context.parallel_for(cells, [&](Index i) {
      double* sine = waves.slice(i).data();
      const double at = 2 * (static_cast<double>(i) + 0.5) / static_cast<double>(cells) - 1;
      for (Index c = 0; c < half; ++c) {
        const double angle = 2 * std::numbers::pi * at * static_cast<double>(frequency[c]);
        sine[c] = std::sin(angle);
        sine[half + c] = std::cos(angle);
      }
    });
    return waves;
  };
  const auto across = table(w, gaussian.data()), down = table(h, gaussian.data() + half);
  detail::for_rows(context, h * w, 2 * half, [&](Index cell) {
    const double* a = across.slice(cell % w).data();
    const double* b = down.slice(cell / w).data();
    S* row = out.data() + cell * 2 * half;
    for (Index c = 0; c < half; ++c) {
      row[c] = static_cast<S>(a[c] * b[half + c] + a[half + c] * b[c]);
      row[half + c] = static_cast<S>(a[half + c] * b[half + c] - a[c] * b[c]);
    }
  });
}

/// Tokens of a prompt's points -> out [tokens, C]: the random-Fourier position by `gaussian` (see fourier_grid) plus
/// the row of `kinds` [kinds, C] that the token names, or `nothing` [C].
template <class S>
void fourier_tokens(Context<Cpu>&, In<S, Cpu> gaussian, In<S, Cpu> kinds, In<S, Cpu> nothing,
                    std::type_identity_t<TensorView<const FourierToken, Cpu>> tokens, TensorView<S, Cpu> out) {
  detail::require_fourier_tokens<S, Cpu>(gaussian, kinds, nothing, tokens.size(), out);
  const Index half = gaussian.dim(1);
  for (Index t = 0; t < tokens.size(); ++t) {
    const FourierToken& token = tokens.data()[t];
    S* row = out.data() + t * 2 * half;
    if (token.kind < 0) {
      std::copy_n(nothing.data(), 2 * half, row);
      continue;
    }
    const S* kind = kinds.data() + token.kind * 2 * half;
    for (Index c = 0; c < half; ++c) {
      const double angle = 2 * std::numbers::pi *
                           ((2 * token.x - 1) * static_cast<double>(gaussian.data()[c]) +
                            (2 * token.y - 1) * static_cast<double>(gaussian.data()[half + c]));
      row[c] = static_cast<S>(std::sin(angle)) + kind[c];
      row[half + c] = static_cast<S>(std::cos(angle)) + kind[half + c];
    }
  }
}

}  // namespace ssam::inline SSAM_ABI::ops
