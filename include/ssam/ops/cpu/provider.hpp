#pragma once

#include <Eigen/Core>
#include <string>
#if defined(SSAM_WITH_ONEDNN)
#include <dnnl.h>
#include <dnnl_debug.h>
#endif
#include <ssam/core/version.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// What multiplies matrices of floats on the host, and with which of the processor's instructions: "oneDNN 2.7.2
/// (avx2)", or "Eigen 3.4.0 (AVX SSE, ...)" where the build has no oneDNN. Matrices of doubles are Eigen's.
inline std::string matrix_provider() {
#if defined(SSAM_WITH_ONEDNN)
  const dnnl_version_t* const found = dnnl_version();
  return "oneDNN " + std::to_string(found->major) + "." + std::to_string(found->minor) + "." +
         std::to_string(found->patch) + " (" + dnnl_cpu_isa2str(dnnl_get_effective_cpu_isa()) + ")";
#else
  return "Eigen " + std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
         std::to_string(EIGEN_MINOR_VERSION) + " (" + Eigen::SimdInstructionSetsInUse() + ")";
#endif
}

}  // namespace ssam::inline SSAM_ABI::ops
