#pragma once

#include <ssam/ops/cuda/context.cuh>
#include <ssam/ops/views.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// See ops/cpu/transfer.hpp.
template <class S, CudaDevice D>
void upload(Context<D>& context, const std::type_identity_t<S>* from, TensorView<S, D> to) {
  const auto bytes = static_cast<std::size_t>(to.size()) * sizeof(S);
  if (bytes == 0) return;
  ssam::detail::check_cuda(cudaMemcpyAsync(to.data(), from, bytes, cudaMemcpyHostToDevice, context.stream()),
                           "a copy to the GPU");
}

template <class S, CudaDevice D>
void download(Context<D>& context, In<S, D> from, S* to) {
  const auto bytes = static_cast<std::size_t>(from.size()) * sizeof(S);
  if (bytes > 0) {
    ssam::detail::check_cuda(cudaMemcpyAsync(to, from.data(), bytes, cudaMemcpyDeviceToHost, context.stream()),
                             "a copy from the GPU");
  }
  context.synchronize();
}

}  // namespace ssam::inline SSAM_ABI::ops
