#pragma once

// The kernels that take the compiler longest (the SVD alone 20 s). A program that links the CMake target ssam::compiled
// has SSAM_COMPILED_OPS defined and finds them there for float and double; any other compiles them where it uses them.
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
  SSAM_INSTANCE void attention_forward<S>(Context<Cpu>&, const AttentionGeometry&, InMatrix<S, Cpu>, InMatrix<S, Cpu>, \
                                          InMatrix<S, Cpu>, In<S, Cpu>, In<S, Cpu>, In<S, Cpu>, MatrixView<S, Cpu>,    \
                                          TensorView<S, Cpu>);                                                         \
  SSAM_INSTANCE void attention_backward<S>(                                                                            \
      Context<Cpu>&, const AttentionGeometry&, InMatrix<S, Cpu>, InMatrix<S, Cpu>, InMatrix<S, Cpu>, In<S, Cpu>,       \
      In<S, Cpu>, In<S, Cpu>, InMatrix<S, Cpu>, In<S, Cpu>, InMatrix<S, Cpu>, MatrixView<S, Cpu>, MatrixView<S, Cpu>,  \
      MatrixView<S, Cpu>, MaybeOut<S, Cpu>, MaybeOut<S, Cpu>, MaybeOut<S, Cpu>);                                       \
  SSAM_INSTANCE void svd<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>, TensorView<S, Cpu>, TensorView<S, Cpu>);    \
  SSAM_INSTANCE void gelu_forward<S>(Context<Cpu>&, In<S, Cpu>, TensorView<S, Cpu>);                                   \
  SSAM_INSTANCE void gelu_backward<S>(Context<Cpu>&, In<S, Cpu>, In<S, Cpu>, TensorView<S, Cpu>);

namespace ssam::inline SSAM_ABI::ops {
SSAM_INSTANCES(float)
SSAM_INSTANCES(double)
}  // namespace ssam::inline SSAM_ABI::ops

#undef SSAM_INSTANCES
#undef SSAM_INSTANCE
#endif
