// ssam::compiled's ops on tensors of floats; see ssam/ops/cpu/compiled.hpp.
#define SSAM_COMPILE_OPS_HERE float
#include <ssam/ops/ops.hpp>

#if defined(SSAM_WITH_ONEDNN)
namespace ssam::inline SSAM_ABI::ops::detail {
template void onednn_product<BFloat16>(Index, Index, Index, const BFloat16*, Index, Transpose, const BFloat16*, Index,
                                       Transpose, bool, float*, Index);
template void onednn_product<float>(Index, Index, Index, const float*, Index, Transpose, const float*, Index, Transpose,
                                    bool, float*, Index);
}  // namespace ssam::inline SSAM_ABI::ops::detail
#endif
