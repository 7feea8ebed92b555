#pragma once

// The host's ops, which take the compiler long (the SVD alone 20 s). A program that links the CMake target
// ssam::compiled has SSAM_COMPILED_OPS defined and finds them there for float and double; any other compiles them where
// it uses them.
#include <ssam/core/version.hpp>

#if defined(SSAM_COMPILED_OPS)

#if defined(SSAM_COMPILE_OPS_HERE)
#define SSAM_INSTANCE template
#else
#define SSAM_INSTANCE extern template
#endif

#define SSAM_INSTANCES(S)                                                                                              \
  SSAM_INSTANCE void detail::gemm_serial<S>(Transpose, Transpose, Index, Index, Index, S, const S*, Index, const S*,   \
                                            Index, S, S*, Index);                                                      \
  SSAM_INSTANCE void gelu_forward<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                                   \
  SSAM_INSTANCE void gelu_backward<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, TensorView<S, Cpu>);                      \
  SSAM_INSTANCE void relu_forward<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                                   \
  SSAM_INSTANCE void relu_backward<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, TensorView<S, Cpu>);                      \
  SSAM_INSTANCE void sigmoid_forward<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                                \
  SSAM_INSTANCE void sigmoid_backward<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, TensorView<S, Cpu>);                   \
  SSAM_INSTANCE void im2col<S>(Context<Cpu>&, In<S, Cpu>, Index, Index, Index, MatrixView<S, Cpu>);                    \
  SSAM_INSTANCE void col2im<S>(Context<Cpu>&, InMatrix<S, Cpu>, Index, Index, Index, TensorView<S, Cpu>);              \
  SSAM_INSTANCE void pixel_shuffle<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                                  \
  SSAM_INSTANCE void pixel_unshuffle<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                                \
  SSAM_INSTANCE void nchw_to_nhwc<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                                   \
  SSAM_INSTANCE void nhwc_to_nchw<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                                   \
  SSAM_INSTANCE void dropout<S>(Context<Cpu>&, In<S, Cpu>, double, std::uint64_t, TensorView<S, Cpu>);                 \
  SSAM_INSTANCE void fill<S>(Context<Cpu>&, TensorView<S, Cpu>, std::type_identity_t<S>);                              \
  SSAM_INSTANCE void copy<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                                           \
  SSAM_INSTANCE void copy_matrix<S>(Context<Cpu>&, InMatrix<S, Cpu>, MatrixView<S, Cpu>);                              \
  SSAM_INSTANCE void accumulate_matrix<S>(Context<Cpu>&, InMatrix<S, Cpu>, MatrixView<S, Cpu>);                        \
  SSAM_INSTANCE void add<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, TensorView<S, Cpu>);                                \
  SSAM_INSTANCE void accumulate<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                                     \
  SSAM_INSTANCE void scale<S>(Context<Cpu>&, std::type_identity_t<S>, TensorView<S, Cpu>);                             \
  SSAM_INSTANCE void add_row<S>(Context<Cpu>&, In<S, Cpu>, MatrixView<S, Cpu>);                                        \
  SSAM_INSTANCE void multiply_row<S>(Context<Cpu>&, InMatrix<S, Cpu>, In<S, Cpu>, MatrixView<S, Cpu>);                 \
  SSAM_INSTANCE void sum_rows<S>(Context<Cpu>&, InMatrix<S, Cpu>, TensorView<S, Cpu>);                                 \
  SSAM_INSTANCE void dot_rows<S>(Context<Cpu>&, InMatrix<S, Cpu>, InMatrix<S, Cpu>, TensorView<S, Cpu>);               \
  SSAM_INSTANCE void gemm<S>(Context<Cpu>&, Transpose, Transpose, S, InMatrix<S, Cpu>, InMatrix<S, Cpu>, S,            \
                             MatrixView<S, Cpu>);                                                                      \
  SSAM_INSTANCE void matmul<S>(Context<Cpu>&, Transpose, Transpose, InMatrix<S, Cpu>, InMatrix<S, Cpu>,                \
                               MatrixView<S, Cpu>);                                                                    \
  SSAM_INSTANCE void linear<S>(Context<Cpu>&, InMatrix<S, Cpu>, InMatrix<S, Cpu>, In<S, Cpu>, MatrixView<S, Cpu>);     \
  SSAM_INSTANCE void attention_forward<S>(Context<Cpu>&, const AttentionGeometry&, InMatrix<S, Cpu>, InMatrix<S, Cpu>, \
                                          InMatrix<S, Cpu>, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>, MatrixView<S, Cpu>,    \
                                          TensorView<S, Cpu>);                                                         \
  SSAM_INSTANCE void attention_backward<S>(                                                                            \
      Context<Cpu>&, const AttentionGeometry&, InMatrix<S, Cpu>, InMatrix<S, Cpu>, InMatrix<S, Cpu>, In<S, Cpu>,       \
      In<S, Cpu>, In<S, Cpu>, InMatrix<S, Cpu>, In<S, Cpu>, InMatrix<S, Cpu>, MatrixView<S, Cpu>, MatrixView<S, Cpu>,  \
      MatrixView<S, Cpu>, MaybeOut<S, Cpu>, MaybeOut<S, Cpu>, MaybeOut<S, Cpu>);                                       \
  SSAM_INSTANCE void svd<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>, TensorView<S, Cpu>, TensorView<S, Cpu>);    \
  SSAM_INSTANCE void singular_values<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>, TensorView<S, Cpu>);        \
  SSAM_INSTANCE void singular_values_backward<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>,                    \
                                                 TensorView<S, Cpu>, TensorView<S, Cpu>);                              \
  SSAM_INSTANCE void fourier_grid<S>(Context<Cpu>&, In<S, Cpu>, Index, Index, TensorView<S, Cpu>);                     \
  SSAM_INSTANCE void mask_loss<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, const MaskLossOptions&, MaybeOut<S, Cpu>,     \
                                  double, TensorView<double, Cpu>);                                                    \
  SSAM_INSTANCE void layer_norm_forward<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>, S, TensorView<S, Cpu>,   \
                                           MaybeOut<S, Cpu>, MaybeOut<S, Cpu>);                                        \
  SSAM_INSTANCE void layer_norm_backward<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>, \
                                            TensorView<S, Cpu>, MaybeOut<S, Cpu>, MaybeOut<S, Cpu>);                   \
  SSAM_INSTANCE void batch_norm_forward_training<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>, S, S,           \
                                                    TensorView<S, Cpu>, TensorView<S, Cpu>, TensorView<S, Cpu>,        \
                                                    TensorView<S, Cpu>, TensorView<S, Cpu>);                           \
  SSAM_INSTANCE void batch_norm_forward_eval<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>,         \
                                                In<S, Cpu>, S, TensorView<S, Cpu>);                                    \
  SSAM_INSTANCE void batch_norm_backward<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>, \
                                            TensorView<S, Cpu>, MaybeOut<S, Cpu>, MaybeOut<S, Cpu>);                   \
  SSAM_INSTANCE void max_pool_forward<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                               \
  SSAM_INSTANCE void max_pool_backward<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, TensorView<S, Cpu>);                  \
  SSAM_INSTANCE void resize_bilinear_forward<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                        \
  SSAM_INSTANCE void resize_bilinear_backward<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                       \
  SSAM_INSTANCE void adaptive_average_pool<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                          \
  SSAM_INSTANCE void squared_norm<S>(Context<Cpu>&, std::type_identity_t<TensorView<const AdamWTensor<S>, Cpu>>,       \
                                     Index, TensorView<double, Cpu>);                                                  \
  SSAM_INSTANCE void adamw_step<S>(Context<Cpu>&, std::type_identity_t<TensorView<const AdamWTensor<S>, Cpu>>, Index,  \
                                   const AdamWStep&, double, std::type_identity_t<TensorView<const double, Cpu>>);

// CpuBf16's own; its other ops are Cpu's.
#define SSAM_BF16_INSTANCES(S, D)                                                                                    \
  SSAM_INSTANCE void gemm<S>(Context<D>&, Transpose, Transpose, S, InMatrix<S, D>, InMatrix<S, D>, S,                \
                             MatrixView<S, D>);                                                                      \
  SSAM_INSTANCE void matmul<S>(Context<D>&, Transpose, Transpose, InMatrix<S, D>, InMatrix<S, D>, MatrixView<S, D>); \
  SSAM_INSTANCE void linear<S>(Context<D>&, InMatrix<S, D>, InMatrix<S, D>, In<S, D>, MatrixView<S, D>);             \
  SSAM_INSTANCE void attention_forward<S>(Context<D>&, const AttentionGeometry&, InMatrix<S, D>, InMatrix<S, D>,     \
                                          InMatrix<S, D>, In<S, D>, In<S, D>, In<S, D>, MatrixView<S, D>,            \
                                          TensorView<S, D>);                                                         \
  SSAM_INSTANCE void attention_backward<S>(Context<D>&, const AttentionGeometry&, InMatrix<S, D>, InMatrix<S, D>,    \
                                           InMatrix<S, D>, In<S, D>, In<S, D>, In<S, D>, InMatrix<S, D>, In<S, D>,   \
                                           InMatrix<S, D>, MatrixView<S, D>, MatrixView<S, D>, MatrixView<S, D>,     \
                                           MaybeOut<S, D>, MaybeOut<S, D>, MaybeOut<S, D>);

namespace ssam::inline SSAM_ABI::ops {
#if defined(SSAM_COMPILE_OPS_HERE)  // one scalar type in a translation unit: the compiler works on both at once
SSAM_INSTANCES(SSAM_COMPILE_OPS_HERE)
SSAM_BF16_INSTANCES(SSAM_COMPILE_OPS_HERE, CpuBf16)
#else
SSAM_INSTANCES(float)
SSAM_INSTANCES(double)
SSAM_BF16_INSTANCES(float, CpuBf16)
SSAM_BF16_INSTANCES(double, CpuBf16)
#endif
#if defined(SSAM_WITH_ONEDNN) && !defined(SSAM_COMPILE_OPS_HERE)
SSAM_INSTANCE void detail::onednn_product<BFloat16>(Index, Index, Index, const BFloat16*, Index, Transpose,
                                                    const BFloat16*, Index, Transpose, bool, float*, Index);
SSAM_INSTANCE void detail::onednn_product<float>(Index, Index, Index, const float*, Index, Transpose, const float*,
                                                 Index, Transpose, bool, float*, Index);
#endif
}  // namespace ssam::inline SSAM_ABI::ops

#undef SSAM_INSTANCES
#undef SSAM_BF16_INSTANCES
#undef SSAM_INSTANCE
#endif
