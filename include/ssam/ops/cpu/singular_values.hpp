#pragma once

#include <ssam/ops/cpu/kernel.hpp>
#include <ssam/ops/shape_checks.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// out = relu(scale * s + shift), the singular values of S-SAM's W' = U relu(A S + B) Vt; all [r].
template <class S>
void singular_values(Context<Cpu>& context, In<S, Cpu> scale, In<S, Cpu> s, In<S, Cpu> shift, TensorView<S, Cpu> out) {
  detail::require_one_size("singular_values", out, scale, s, shift);
  detail::for_elements(context, out.size(), [&](Index i, Index n) {
    auto to = detail::array(out.data() + i, n);
    to = detail::array(scale.data() + i, n) * detail::array(s.data() + i, n) + detail::array(shift.data() + i, n);
    to = (to < S(0)).select(S(0), to);
  });
}

/// dscale += s * d and dshift += d, where d is dout wherever `out` > 0 and 0 elsewhere.
template <class S>
void singular_values_backward(Context<Cpu>& context, In<S, Cpu> s, In<S, Cpu> out, In<S, Cpu> dout,
                              TensorView<S, Cpu> dscale, TensorView<S, Cpu> dshift) {
  detail::require_one_size("singular_values_backward", dout, s, out, dscale, dshift);
  detail::for_elements(context, dout.size(), [&](Index i, Index n) {
    const auto d = (detail::array(out.data() + i, n) > S(0)).select(detail::array(dout.data() + i, n), S(0));
    detail::array(dscale.data() + i, n) += detail::array(s.data() + i, n) * d;
    detail::array(dshift.data() + i, n) += d;
  });
}

}  // namespace ssam::inline SSAM_ABI::ops
