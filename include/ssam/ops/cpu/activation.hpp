#pragma once

#include <ssam/ops/cpu/kernel.hpp>
#include <ssam/ops/normal_distribution.hpp>
#include <ssam/ops/shape_checks.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace detail {

/// The standard normal distribution at `count` points.
inline void normal_distribution(const double* x, Index count, double* density, double* cumulative) {
  for (Index i = 0; i < count; ++i) {
    const NormalPoint<double> point = normal_point(x[i]);
    density[i] = point.density, cumulative[i] = point.cumulative;
  }
}

/// As above, vectorised.
inline void normal_distribution(const float* x, Index count, float* density, float* cumulative) {
  for (Index i = 0; i < count; ++i) density[i] = normal_exponent(x[i]);
  array(density, count) = array(static_cast<const float*>(density), count).exp();
  for (Index i = 0; i < count; ++i) {
    const NormalPoint<float> point = normal_point(x[i], density[i]);
    density[i] = point.density, cumulative[i] = point.cumulative;
  }
}

/// f(begin, count, density, cumulative) over `x` in pieces that stay in the nearest cache.
template <class S, class F>
void with_normal_distribution(Context<Cpu>& context, TensorView<const S, Cpu> x, const F& f) {
  constexpr Index piece = 512;
  for_elements(context, x.size(), [&](Index begin, Index total) {
    alignas(64) S density[piece];
    alignas(64) S cumulative[piece];
    for (Index i = begin; i < begin + total; i += piece) {
      const Index count = std::min(piece, begin + total - i);
      normal_distribution(x.data() + i, count, density, cumulative);
      f(i, array(density, count), array(cumulative, count));
    }
  });
}

}  // namespace detail

/// y = x * Phi(x), the exact (erf) GELU; `y` may be `x`.
template <class S>
void gelu_forward(Context<Cpu>& context, In<S, Cpu> x, TensorView<S, Cpu> y) {
  detail::require_one_size("gelu_forward", y, x);
  detail::with_normal_distribution<S>(context, x, [&](Index i, const auto&, const auto& cumulative) {
    const Index n = cumulative.size();
    detail::array(y.data() + i, n) = detail::array(x.data() + i, n) * cumulative;
  });
}

/// dx = dy * (Phi(x) + x * phi(x)); `dx` may be `dy`.
template <class S>
void gelu_backward(Context<Cpu>& context, In<S, Cpu> x, In<S, Cpu> dy, TensorView<S, Cpu> dx) {
  detail::require_one_size("gelu_backward", dx, x, dy);
  detail::with_normal_distribution<S>(context, x, [&](Index i, const auto& density, const auto& cumulative) {
    const Index n = cumulative.size();
    detail::array(dx.data() + i, n) =
        detail::array(dy.data() + i, n) * (cumulative + detail::array(x.data() + i, n) * density);
  });
}

/// y = max(x, 0), NaN stays NaN; `y` may be `x`.
template <class S>
void relu_forward(Context<Cpu>& context, In<S, Cpu> x, TensorView<S, Cpu> y) {
  detail::require_one_size("relu_forward", y, x);
  detail::for_elements(context, y.size(), [&](Index i, Index n) {
    const auto in = detail::array(x.data() + i, n);
    detail::array(y.data() + i, n) = (in < S(0)).select(S(0), in);
  });
}

/// dx = dy where `x_or_y`, the input or (the same) the output, is positive, else 0; `dx` may be `dy`.
template <class S>
void relu_backward(Context<Cpu>& context, In<S, Cpu> x_or_y, In<S, Cpu> dy, TensorView<S, Cpu> dx) {
  detail::require_one_size("relu_backward", dx, x_or_y, dy);
  detail::for_elements(context, dx.size(), [&](Index i, Index n) {
    detail::array(dx.data() + i, n) =
        (detail::array(x_or_y.data() + i, n) > S(0)).select(detail::array(dy.data() + i, n), S(0));
  });
}

/// y = 1 / (1 + exp(-x)); `y` may be `x`.
template <class S>
void sigmoid_forward(Context<Cpu>& context, In<S, Cpu> x, TensorView<S, Cpu> y) {
  detail::require_one_size("sigmoid_forward", y, x);
  detail::for_elements(context, y.size(), [&](Index i, Index n) {
    detail::array(y.data() + i, n) = (S(1) + (-detail::array(x.data() + i, n)).exp()).inverse();
  });
}

/// dx = dy * y * (1 - y); `dx` may be `dy`.
template <class S>
void sigmoid_backward(Context<Cpu>& context, In<S, Cpu> y, In<S, Cpu> dy, TensorView<S, Cpu> dx) {
  detail::require_one_size("sigmoid_backward", dx, y, dy);
  detail::for_elements(context, dx.size(), [&](Index i, Index n) {
    const auto out = detail::array(y.data() + i, n);
    detail::array(dx.data() + i, n) = detail::array(dy.data() + i, n) * out * (S(1) - out);
  });
}

}  // namespace ssam::inline SSAM_ABI::ops
