#pragma once

// Everything lives in an inline namespace named after the version and the options that change inline code: objects
// compiled with different ones do not link together, instead of mixing their functions without a word.
#if defined(SSAM_WITH_ONEDNN) && defined(_OPENMP)
#define SSAM_ABI v0_2_0_onednn_openmp
#elif defined(SSAM_WITH_ONEDNN)
#define SSAM_ABI v0_2_0_onednn
#elif defined(_OPENMP)
#define SSAM_ABI v0_2_0_eigen_openmp
#else
#define SSAM_ABI v0_2_0_eigen
#endif

/// The library. Models of `nn/`, `text/` and `sam/` compute with the `ops` on a device tag (Cpu, Cuda); `adapt/`
/// adapts, `train/` trains them.
namespace ssam::inline SSAM_ABI {

/// This library's version. CMake reads it from here.
inline constexpr const char* version = "0.2.0";

}  // namespace ssam::inline SSAM_ABI
