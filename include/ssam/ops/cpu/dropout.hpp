#pragma once

#include <ssam/ops/views.hpp>

namespace ssam::ops {

/// out = x * mask / (1 - rate) with a mask that is a pure function of (key, element index): forward and backward draw
/// the same one, no mask is stored, and the thread count does not matter. `out` may alias x.
template <class S>
void dropout(Context<Cpu>& context, In<S, Cpu> x, double rate, std::uint64_t key, TensorView<S, Cpu> out) {
  require(x.size() == out.size(), "dropout", "equal sizes");
  const S scale = static_cast<S>(1 / (1 - rate));
  const auto threshold = static_cast<std::uint64_t>(rate * 0x1p32);
  context.parallel_ranges(x.size(), 1 << 14, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      std::uint64_t z = key + 0x9E3779B97F4A7C15ull * static_cast<std::uint64_t>(i + 1);
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
      out.data()[i] = (z >> 32) < threshold ? S(0) : x.data()[i] * scale;
    }
  });
}

}  // namespace ssam::ops
