#pragma once

#include <ssam/ops/dropout_mask.hpp>
#include <ssam/ops/shape_checks.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// out = x * mask / (1 - rate) with a mask that is a pure function of (key, element index): forward and backward draw
/// the same one, no mask is stored, and the thread count does not matter. `out` may alias x.
template <class S>
void dropout(Context<Cpu>& context, In<S, Cpu> x, double rate, std::uint64_t key, TensorView<S, Cpu> out) {
  detail::require_one_size("dropout", out, x);
  const detail::DropoutMask<S> mask(rate, key);
  context.parallel_ranges(x.size(), 1 << 14, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) out.data()[i] = mask(x.data()[i], i);
  });
}

}  // namespace ssam::inline SSAM_ABI::ops
