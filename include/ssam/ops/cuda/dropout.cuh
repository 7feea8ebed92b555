#pragma once

#include <ssam/ops/cuda/map.cuh>
#include <ssam/ops/dropout_mask.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

template <class S>
struct Dropout {
  detail::DropoutMask<S> mask;
  __device__ S operator()(const S* x, Index i) const { return mask(x[0], i); }
};

}  // namespace cuda_kernels

/// out = x * mask / (1 - rate) with the mask that the CPU draws for (key, element index): forward and backward draw the
/// same one and no mask is stored. `out` may alias x.
template <class S, CudaDevice D>
void dropout(Context<D>& context, In<S, D> x, double rate, std::uint64_t key, Out<S, D> out) {
  detail::require_one_size("dropout", out, x);
  detail::map<S, D, 1>(context, "dropout", cuda_kernels::Dropout<S>{detail::DropoutMask<S>(rate, key)},
                       {detail::flat(x)}, detail::flat(out));
}

}  // namespace ssam::inline SSAM_ABI::ops
