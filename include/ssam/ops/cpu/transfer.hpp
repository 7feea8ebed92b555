#pragma once

#include <ssam/ops/views.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// Copies `to.size()` elements of host memory to the device in the order of its work. The host memory must stay as it
/// is until the device is synchronised with; from staging memory (HostBuffer) nothing waits.
template <class S>
void upload(Context<Cpu>&, const std::type_identity_t<S>* from, TensorView<S, Cpu> to) {
  Memory<Cpu>::copy_from_host(to.data(), from, static_cast<std::size_t>(to.size()) * sizeof(S));
}

/// Copies `from` to host memory and waits for it (and so for everything asked of the device before).
template <class S>
void download(Context<Cpu>&, In<S, Cpu> from, S* to) {
  Memory<Cpu>::copy_to_host(to, from.data(), static_cast<std::size_t>(from.size()) * sizeof(S));
}

}  // namespace ssam::inline SSAM_ABI::ops
