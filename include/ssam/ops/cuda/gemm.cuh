#pragma once

#include <cuda_bf16.h>

#include <limits>
#include <ssam/ops/cuda/elementwise.cuh>
#include <ssam/ops/shape_checks.hpp>

namespace ssam::ops {

namespace cuda_kernels {

/// out (contiguous) = x rounded to bfloat16.
template <class S>
__global__ void __launch_bounds__(map_threads)
    to_bf16_kernel(const S* x, Index rows, Index cols, Index stride, __nv_bfloat16* out) {
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = detail::global_thread(); i < rows * cols; i += step) {
    const auto at = detail::split(i, cols);
    out[i] = __float2bfloat16_rn(x[at.quotient * stride + at.remainder]);
  }
}

}  // namespace cuda_kernels

namespace detail {

/// cuBLAS counts in int.
inline int blas_extent(Index n) {
  if (n > std::numeric_limits<int>::max()) {
    throw ShapeError(ErrorText{.what = "a matrix is too large for cuBLAS",
                               .where = "gemm",
                               .expected = "extents below 2^31",
                               .found = std::to_string(n)});
  }
  return static_cast<int>(n);
}

inline cublasOperation_t blas_op(Op op) { return op == Op::none ? CUBLAS_OP_N : CUBLAS_OP_T; }

/// One operand as cuBLAS reads it.
struct BlasOperand {
  const void* data;
  int stride;
};

/// A matrix as it lies. (The stride of a single row may be anything; cuBLAS cannot repeat one.)
template <class S, class D>
BlasOperand blas_operand(MatrixView<S, D> matrix) {
  require(matrix.rows <= 1 || matrix.stride >= matrix.cols, "gemm", "rows that do not overlap");
  return {matrix.data, blas_extent(std::max<Index>({matrix.stride, matrix.cols, 1}))};
}

/// A copy in bfloat16, on the workspace.
template <CudaDevice D>
BlasOperand bf16_operand(Context<D>& context, MatrixView<const float, D> matrix) {
  const auto copy = allocate<__nv_bfloat16>(context, {matrix.rows, matrix.cols});
  launch(context, "to_bf16", cuda_kernels::to_bf16_kernel<float>,
         block_count(matrix.rows * matrix.cols, Index{4} * cuda_kernels::map_threads), cuda_kernels::map_threads, 0,
         matrix.data, matrix.rows, matrix.cols, matrix.stride, copy.data());
  return {copy.data(), blas_extent(std::max<Index>(matrix.cols, 1))};
}

}  // namespace detail

/// C = alpha op(A) op(B) + beta C by cuBLAS, which is column-major: what it is asked for is C^T = op(B)^T op(A)^T, and
/// a row-major matrix is its own transpose there. Products of floats have the precision of the device's tag; sums are
/// fp32 (fp64 for double). Throws ShapeError, DeviceError.
template <class S, CudaDevice D>
void gemm(Context<D>& context, Op a_op, Op b_op, S alpha, InMatrix<S, D> a, InMatrix<S, D> b, S beta,
          MatrixView<S, D> c) {
  const Index k = detail::require_gemm<S, D>(a_op, b_op, a, b, c);
  if (c.rows == 0 || c.cols == 0) return;
  constexpr bool is_float = std::is_same_v<S, float>;
  constexpr bool rounds = is_float && D::precision == MatmulPrecision::bf16;
  constexpr cublasComputeType_t compute = !is_float                               ? CUBLAS_COMPUTE_64F
                                          : D::precision == MatmulPrecision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                                  : CUBLAS_COMPUTE_32F;
  constexpr cudaDataType_t result = is_float ? CUDA_R_32F : CUDA_R_64F;
  constexpr cudaDataType_t operand = rounds ? CUDA_R_16BF : result;
  WorkspaceScope scope(context);
  detail::BlasOperand left, right;
  if constexpr (rounds) {
    left = detail::bf16_operand(context, b);
    right = detail::bf16_operand(context, a);
  } else {
    left = detail::blas_operand(b);
    right = detail::blas_operand(a);
  }
  ssam::detail::check_cublas(
      cublasGemmEx(context.blas(), detail::blas_op(b_op), detail::blas_op(a_op), detail::blas_extent(c.cols),
                   detail::blas_extent(c.rows), detail::blas_extent(k), &alpha, left.data, operand, left.stride,
                   right.data, operand, right.stride, &beta, c.data, result, detail::blas_operand(c).stride, compute,
                   CUBLAS_GEMM_DEFAULT),
      "a matrix product");
}

/// gemm with alpha 1 and beta 0.
template <class S, CudaDevice D>
void multiply(Context<D>& context, Op a_op, Op b_op, InMatrix<S, D> a, InMatrix<S, D> b, MatrixView<S, D> c) {
  gemm<S>(context, a_op, b_op, S(1), a, b, S(0), c);
}

}  // namespace ssam::ops
