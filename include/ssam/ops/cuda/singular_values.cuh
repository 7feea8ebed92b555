#pragma once

#include <ssam/ops/cuda/map.cuh>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

template <class S>
struct SingularValue {
  __device__ S operator()(const S* x, Index) const {  // scale, s, shift
    const S value = x[0] * x[1] + x[2];
    return value < S(0) ? S(0) : value;
  }
};

template <class S>
__global__ void __launch_bounds__(map_threads)
    singular_values_backward_kernel(const S* s, const S* out, const S* dout, Index count, S* dscale, S* dshift) {
  const Index i = detail::global_thread();
  if (i >= count || !(out[i] > S(0))) return;
  dscale[i] += s[i] * dout[i];
  dshift[i] += dout[i];
}

}  // namespace cuda_kernels

/// out = relu(scale * s + shift), the singular values of S-SAM's W' = U relu(A S + B) Vt; all [r].
template <class S, CudaDevice D>
void singular_values(Context<D>& context, In<S, D> scale, In<S, D> s, In<S, D> shift, Out<S, D> out) {
  detail::require_one_size("singular_values", out, scale, s, shift);
  detail::map<S, D, 3>(context, "singular_values", cuda_kernels::SingularValue<S>{},
                       {detail::flat(scale), detail::flat(s), detail::flat(shift)}, detail::flat(out));
}

/// dscale += s * d and dshift += d, where d is dout wherever `out` > 0 and 0 elsewhere.
template <class S, CudaDevice D>
void singular_values_backward(Context<D>& context, In<S, D> s, In<S, D> out, In<S, D> dout, Out<S, D> dscale,
                              Out<S, D> dshift) {
  detail::require_one_size("singular_values_backward", dout, s, out, dscale, dshift);
  const Index count = dout.size();
  detail::launch(context, "singular_values_backward", cuda_kernels::singular_values_backward_kernel<S>,
                 detail::block_count(count, cuda_kernels::map_threads), cuda_kernels::map_threads, 0, s.data(),
                 out.data(), dout.data(), count, dscale.data(), dshift.data());
}

}  // namespace ssam::inline SSAM_ABI::ops
