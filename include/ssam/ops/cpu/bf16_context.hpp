#pragma once

#include <cstdlib>
#include <ssam/core/context.hpp>
#include <ssam/ops/cpu/provider.hpp>
#include <string>

#if defined(SSAM_WITH_ONEDNN)
#include <dnnl.h>
#endif

namespace ssam::inline SSAM_ABI {

/// Who multiplies bfloat16 matrices on the host.
enum class Bf16Products {
  processor,  ///< its own instructions
  emulated    ///< fp32 products of rounded operands: the same numbers within rounding of the sums, slower than Cpu
};

/// Whether this build on this processor multiplies bfloat16 matrices by instructions made for it (AVX512_BF16 and
/// later, through oneDNN).
inline bool has_bf16_instructions() {
#if defined(SSAM_WITH_ONEDNN)
  constexpr int needed = dnnl_cpu_isa_avx512_core_bf16;
  return (static_cast<int>(dnnl_get_effective_cpu_isa()) & needed) == needed;
#else
  return false;
#endif
}

namespace detail {
inline Bf16Products default_bf16_products() {
  const char* text = std::getenv("SSAM_BF16");
  if (text == nullptr) return Bf16Products::processor;
  if (std::string(text) == "emulated") return Bf16Products::emulated;
  throw ConfigError(ErrorText{.what = "the environment variable SSAM_BF16 is not understood",
                              .expected = "'emulated'",
                              .found = "'" + std::string(text) + "'",
                              .advice = "correct it, or unset it: the processor's own instructions are used then"});
}
}  // namespace detail

/// A context whose ops run on the host, with matrix products of bfloat16 operands.
template <>
class Context<CpuBf16> : public Context<Cpu> {
 public:
  /// `threads` <= 0: the default; `seed`: of `random`; `products`: as the environment variable SSAM_BF16 says
  /// ("emulated"), else the processor's. Throws ConfigError as HostContext, DeviceError where the processor (or a build
  /// without oneDNN) has no such products and `products` does not ask for emulated ones: nothing is slow in silence.
  explicit Context(int threads = 0, std::uint64_t seed = 0, Bf16Products products = detail::default_bf16_products())
      : Context<Cpu>(threads, seed), products_(products) {
    if (products == Bf16Products::emulated || has_bf16_instructions()) return;
    throw DeviceError(ErrorText{
        .what = "there are no bfloat16 products here",
        .expected = "a processor with AVX512_BF16 and a build with oneDNN",
        .found = ops::matrix_provider(),
        .advice = "compute in single precision (device cpu), or set SSAM_BF16=emulated: the same numbers, but slower"});
  }

  /// Who multiplies.
  Bf16Products products() const { return products_; }

  /// Calls f(context, i) for i in [0, `count`) as Context<Cpu>'s, `f` gets contexts of this kind.
  template <class F>
  void parallel_tasks(Index count, const F& f) {
    parallel_for(count, [&](Index i) {
      Context<CpuBf16> own(1, 0, products_);
      f(own, i);
    });
  }

 private:
  Bf16Products products_;
};

}  // namespace ssam::inline SSAM_ABI
