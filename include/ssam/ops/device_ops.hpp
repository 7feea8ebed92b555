#pragma once

#include <concepts>
#include <ssam/ops/ops.hpp>  // the concept asks for what is declared above it

namespace ssam::inline SSAM_ABI::ops {

namespace detail {
/// What the ops of a device are called with.
template <class S, class Device>
struct OpArguments {
  TensorView<S, Device> y;                           // results, and what is read
  MatrixView<S, Device> m;                           // likewise
  TensorView<double, Device> sum;                    // of a norm or a loss
  TensorView<const FourierToken, Device> points;     // on the device
  TensorView<const AdamWTensor<S>, Device> tensors;  // on the device
  S number;
  S* host;
};
}  // namespace detail

/// The ops that layers and models are made of, for tensors of `S` on a device. Their meaning is said in ops/cpu; a
/// device has them as overloads on Context<Device>. (A missing one that is called is reported by its name.)
template <class Device, class S>
concept DeviceOps = requires(Context<Device>& c, const detail::OpArguments<S, Device>& a, Index n, double rate,
                             const AttentionGeometry& geometry, const MaskLossOptions& loss, const AdamWStep& step) {
  requires std::same_as<
      void,
      std::common_type_t<
          // memory
          decltype(upload<S>(c, a.host, a.y)), decltype(download<S>(c, a.y, a.host)),
          decltype(fill<S>(c, a.y, a.number)), decltype(copy<S>(c, a.y, a.y)), decltype(copy_matrix<S>(c, a.m, a.m)),
          // elements, rows and columns
          decltype(accumulate_matrix<S>(c, a.m, a.m)), decltype(add<S>(c, a.y, a.y, a.y)),
          decltype(accumulate<S>(c, a.y, a.y)), decltype(scale<S>(c, a.number, a.y)), decltype(add_row<S>(c, a.y, a.m)),
          decltype(multiply_row<S>(c, a.m, a.y, a.m)), decltype(sum_rows<S>(c, a.m, a.y)),
          decltype(dot_rows<S>(c, a.m, a.m, a.y)), decltype(dropout<S>(c, a.y, rate, std::uint64_t{}, a.y)),
          // products
          decltype(gemm<S>(c, Transpose::no, Transpose::no, a.number, a.m, a.m, a.number, a.m)),
          decltype(matmul<S>(c, Transpose::no, Transpose::no, a.m, a.m, a.m)),
          decltype(linear<S>(c, a.m, a.m, a.y, a.m)), decltype(svd<S>(c, a.y, a.y, a.y, a.y)),
          decltype(singular_values<S>(c, a.y, a.y, a.y, a.y)),
          decltype(singular_values_backward<S>(c, a.y, a.y, a.y, a.y, a.y)),
          // activations and norms
          decltype(gelu_forward<S>(c, a.y, a.y)), decltype(gelu_backward<S>(c, a.y, a.y, a.y)),
          decltype(relu_forward<S>(c, a.y, a.y)), decltype(relu_backward<S>(c, a.y, a.y, a.y)),
          decltype(sigmoid_forward<S>(c, a.y, a.y)), decltype(sigmoid_backward<S>(c, a.y, a.y, a.y)),
          decltype(layer_norm_forward<S>(c, a.y, a.y, a.y, a.number, a.y, a.y, a.y)),
          decltype(layer_norm_backward<S>(c, a.y, a.y, a.y, a.y, a.y, a.y, a.y, a.y)),
          decltype(batch_norm_forward_training<S>(c, a.y, a.y, a.y, a.number, a.number, a.y, a.y, a.y, a.y, a.y)),
          decltype(batch_norm_forward_eval<S>(c, a.y, a.y, a.y, a.y, a.y, a.number, a.y)),
          decltype(batch_norm_backward<S>(c, a.y, a.y, a.y, a.y, a.y, a.y, a.y, a.y)),
          // attention
          decltype(attention_forward<S>(c, geometry, a.m, a.m, a.m, a.y, a.y, a.y, a.m, a.y)),
          decltype(attention_backward<S>(c, geometry, a.m, a.m, a.m, a.y, a.y, a.y, a.m, a.y, a.m, a.m, a.m, a.m, a.y,
                                         a.y, a.y)),
          // feature maps
          decltype(im2col<S>(c, a.y, n, n, n, a.m)), decltype(col2im<S>(c, a.m, n, n, n, a.y)),
          decltype(pixel_shuffle<S>(c, a.y, a.y)), decltype(pixel_unshuffle<S>(c, a.y, a.y)),
          decltype(nchw_to_nhwc<S>(c, a.y, a.y)), decltype(nhwc_to_nchw<S>(c, a.y, a.y)),
          decltype(resize_bilinear_forward<S>(c, a.y, a.y)), decltype(resize_bilinear_backward<S>(c, a.y, a.y)),
          decltype(adaptive_average_pool<S>(c, a.y, a.y)), decltype(max_pool_forward<S>(c, a.y, a.y)),
          decltype(max_pool_backward<S>(c, a.y, a.y, a.y)),
          // prompts
          decltype(fourier_grid<S>(c, a.y, n, n, a.y)), decltype(fourier_tokens<S>(c, a.y, a.y, a.y, a.points, a.y)),
          // training
          decltype(mask_loss<S>(c, a.y, a.y, loss, a.y, rate, a.sum)),
          decltype(squared_norm<S>(c, a.tensors, n, a.sum)),
          decltype(adamw_step<S>(c, a.tensors, n, step, rate, a.sum))>>;
};

}  // namespace ssam::inline SSAM_ABI::ops
