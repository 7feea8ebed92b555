#pragma once

#include <ssam/ops/views.hpp>

// What a device without ops meets: a sentence instead of a list of overloads that do not fit. A C variadic parameter
// is the worst match there is, so every real overload is preferred; the host is left out, its wrong calls are reported
// by the compiler as what they are.
namespace ssam::inline SSAM_ABI::ops {

namespace detail {
template <class Device>
inline constexpr bool has_ops = false;
}  // namespace detail

#define SSAM_OP_FALLBACK(name)                                                                                \
  template <class S = void, class Device>                                                                     \
  requires(!is_host<Device>) double name(Context<Device>&, ...) {                                             \
    static_assert(detail::has_ops<Device>, "ssam: no op '" #name                                              \
                                           "' for this device in this build; for Cuda include ops/cuda, for " \
                                           "Meta only shapes exist");                                         \
    return 0;                                                                                                 \
  }

SSAM_OP_FALLBACK(gemm)
SSAM_OP_FALLBACK(matmul)
SSAM_OP_FALLBACK(linear)
SSAM_OP_FALLBACK(fill)
SSAM_OP_FALLBACK(copy)
SSAM_OP_FALLBACK(copy_matrix)
SSAM_OP_FALLBACK(accumulate_matrix)
SSAM_OP_FALLBACK(add)
SSAM_OP_FALLBACK(accumulate)
SSAM_OP_FALLBACK(scale)
SSAM_OP_FALLBACK(add_row)
SSAM_OP_FALLBACK(multiply_row)
SSAM_OP_FALLBACK(sum_rows)
SSAM_OP_FALLBACK(dot_rows)
SSAM_OP_FALLBACK(dropout)
SSAM_OP_FALLBACK(gelu_forward)
SSAM_OP_FALLBACK(gelu_backward)
SSAM_OP_FALLBACK(relu_forward)
SSAM_OP_FALLBACK(relu_backward)
SSAM_OP_FALLBACK(sigmoid_forward)
SSAM_OP_FALLBACK(sigmoid_backward)
SSAM_OP_FALLBACK(layer_norm_forward)
SSAM_OP_FALLBACK(layer_norm_backward)
SSAM_OP_FALLBACK(batch_norm_forward_training)
SSAM_OP_FALLBACK(batch_norm_forward_eval)
SSAM_OP_FALLBACK(batch_norm_backward)
SSAM_OP_FALLBACK(attention_forward)
SSAM_OP_FALLBACK(attention_backward)
SSAM_OP_FALLBACK(im2col)
SSAM_OP_FALLBACK(col2im)
SSAM_OP_FALLBACK(pixel_shuffle)
SSAM_OP_FALLBACK(pixel_unshuffle)
SSAM_OP_FALLBACK(nchw_to_nhwc)
SSAM_OP_FALLBACK(nhwc_to_nchw)
SSAM_OP_FALLBACK(resize_bilinear_forward)
SSAM_OP_FALLBACK(resize_bilinear_backward)
SSAM_OP_FALLBACK(adaptive_average_pool)
SSAM_OP_FALLBACK(fourier_grid)
SSAM_OP_FALLBACK(fourier_tokens)
SSAM_OP_FALLBACK(max_pool_forward)
SSAM_OP_FALLBACK(max_pool_backward)
SSAM_OP_FALLBACK(mask_loss)
SSAM_OP_FALLBACK(adamw_step)
SSAM_OP_FALLBACK(squared_norm)
SSAM_OP_FALLBACK(svd)
SSAM_OP_FALLBACK(singular_values)
SSAM_OP_FALLBACK(singular_values_backward)
SSAM_OP_FALLBACK(upload)
SSAM_OP_FALLBACK(download)

#undef SSAM_OP_FALLBACK

}  // namespace ssam::inline SSAM_ABI::ops
