#pragma once

#include <cuda_bf16.h>

#include <limits>
#include <ssam/ops/cuda/elementwise.cuh>
#include <ssam/ops/shape_checks.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

/// out (contiguous, one item after the other) = x rounded to bfloat16; `total` elements in items of rows x cols, which
/// begin `step` elements apart. All of them are multiples of Unit::size.
template <class S, class Unit>
__global__ void __launch_bounds__(map_threads)
    to_bf16_kernel(const S* x, Index total, Index rows, Index cols, Index stride, Index step, __nv_bfloat16* out) {
  constexpr int size = Unit::size;
  const Index threads = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = detail::global_thread(); i < total / size; i += threads) {
    const auto at = detail::split(i, cols / size);
    const auto row = detail::split(at.quotient, rows);
    const Index from = row.quotient * step + row.remainder * stride + at.remainder * size;
    const Unit values = detail::load_unit<Unit>(x + from);
    detail::Pack<__nv_bfloat16, size> rounded;
    for (int e = 0; e < size; ++e) rounded.at[e] = __float2bfloat16_rn(values.at[e]);
    *reinterpret_cast<detail::Pack<__nv_bfloat16, size>*>(out + i * size) = rounded;
  }
}

}  // namespace cuda_kernels

namespace detail {

/// What products of S on the device D are made of, in cuBLAS's terms.
template <class S, CudaDevice D>
struct BlasTypes {
  static constexpr bool is_float = std::is_same_v<S, float>;
  /// Whether operands are rounded to bfloat16 before cuBLAS sees them.
  static constexpr bool rounds = is_float && D::precision == MatmulPrecision::bf16;
  static constexpr cublasComputeType_t compute = !is_float                               ? CUBLAS_COMPUTE_64F
                                                 : D::precision == MatmulPrecision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                                         : CUBLAS_COMPUTE_32F;
  static constexpr cudaDataType result = is_float ? CUDA_R_32F : CUDA_R_64F;
  static constexpr cudaDataType operand = rounds ? CUDA_R_16BF : result;
};

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

inline cublasOperation_t blas_op(Transpose op) { return op == Transpose::no ? CUBLAS_OP_N : CUBLAS_OP_T; }

/// One operand as cuBLAS reads it; `step`: elements from one item of a batch to the next.
struct BlasOperand {
  const void* data;
  int stride;
  Index step;
};

/// A matrix as it lies. (The stride of a single row may be anything; cuBLAS cannot repeat one.)
template <class S, class D>
BlasOperand blas_operand(MatrixView<S, D> matrix, Index step = 0) {
  require(matrix.rows <= 1 || matrix.stride >= matrix.cols, "gemm", "rows that do not overlap", matrix, matrix.stride);
  return {matrix.data, blas_extent(std::max<Index>({matrix.stride, matrix.cols, 1})), step};
}

/// An operand of `count` products in the precision of the device: as it lies, or a copy in bfloat16 on the workspace.
template <class S, CudaDevice D>
BlasOperand read_operand(Context<D>& context, InMatrix<S, D> matrix, Index step = 0, Index count = 1) {
  if constexpr (!BlasTypes<S, D>::rounds) {
    return blas_operand(matrix, step);
  } else {
    const Index items = step == 0 ? 1 : count, size = matrix.rows * matrix.cols;
    const auto copy = allocate<__nv_bfloat16>(context, {items, matrix.rows, matrix.cols});
    const bool wide = vectorizable(matrix.data, matrix.stride, matrix.cols) && step % Vec<S>::size == 0;
    with_unit<S>(wide, [&](auto unit) {
      using Unit = decltype(unit);
      launch(context, "to_bf16", cuda_kernels::to_bf16_kernel<S, Unit>,
             block_count(items * size, Index{4} * cuda_kernels::map_threads), cuda_kernels::map_threads, 0, matrix.data,
             items * size, matrix.rows, matrix.cols, matrix.stride, step, copy.data());
    });
    return {copy.data(), blas_extent(std::max<Index>(matrix.cols, 1)), step == 0 ? 0 : size};
  }
}

}  // namespace detail

/// C = alpha op(A) op(B) + beta C by cuBLAS, which is column-major: what it is asked for is C^T = op(B)^T op(A)^T, and
/// a row-major matrix is its own transpose there. Products of floats have the precision of the device's tag; sums are
/// fp32 (fp64 for double). Throws ShapeError, DeviceError.
template <class S, CudaDevice D>
void gemm(Context<D>& context, Transpose a_op, Transpose b_op, S alpha, InMatrix<S, D> a, InMatrix<S, D> b, S beta,
          MatrixView<S, D> c) {
  using Types = detail::BlasTypes<S, D>;
  const Index k = detail::require_gemm<S, D>(a_op, b_op, a, b, c);
  if (c.rows == 0 || c.cols == 0) return;
  WorkspaceScope scope(context);
  const detail::BlasOperand left = detail::read_operand<S>(context, b), right = detail::read_operand<S>(context, a);
  ssam::detail::check_cublas(
      cublasGemmEx(context.blas(), detail::blas_op(b_op), detail::blas_op(a_op), detail::blas_extent(c.cols),
                   detail::blas_extent(c.rows), detail::blas_extent(k), &alpha, left.data, Types::operand, left.stride,
                   right.data, Types::operand, right.stride, &beta, c.data, Types::result,
                   detail::blas_operand(c).stride, Types::compute, CUBLAS_GEMM_DEFAULT),
      "a matrix product");
}

/// gemm with alpha 1 and beta 0.
template <class S, CudaDevice D>
void matmul(Context<D>& context, Transpose a_op, Transpose b_op, InMatrix<S, D> a, InMatrix<S, D> b,
            MatrixView<S, D> c) {
  gemm<S>(context, a_op, b_op, S(1), a, b, S(0), c);
}

namespace detail {

/// The matrices of a batch: item 0, and how many elements further the next one begins (0: the same one for all). Items
/// may be columns of one wide matrix.
template <class S, class D>
struct BatchedMatrix {
  MatrixView<S, D> first;
  Index step = 0;
};

/// C_i = alpha op(A_i) op(B_i) + beta C_i for `count` items at once; see gemm. Throws ShapeError, DeviceError.
template <class S, CudaDevice D>
void gemm_batched(Context<D>& context, Transpose a_op, Transpose b_op, S alpha,
                  std::type_identity_t<BatchedMatrix<const S, D>> a, std::type_identity_t<BatchedMatrix<const S, D>> b,
                  S beta, std::type_identity_t<BatchedMatrix<S, D>> c, Index count) {
  using Types = BlasTypes<S, D>;
  const MatrixView<S, D>& result = c.first;
  const Index k = require_gemm<S, D>(a_op, b_op, a.first, b.first, result);
  if (count <= 0 || result.rows == 0 || result.cols == 0) return;
  const bool one_after_another = c.step >= (result.rows - 1) * result.stride + result.cols;
  const bool side_by_side = c.step >= result.cols && count - 1 <= (result.stride - result.cols) / c.step;
  require(a.step >= 0 && b.step >= 0 && (count == 1 || one_after_another || side_by_side), "gemm_batched",
          "results that do not overlap", a.first, b.first, result, c.step);
  WorkspaceScope scope(context);
  const BlasOperand left = read_operand<S>(context, b.first, b.step, count),
                    right = read_operand<S>(context, a.first, a.step, count), to = blas_operand(result, c.step);
  ssam::detail::check_cublas(
      cublasGemmStridedBatchedEx(context.blas(), blas_op(b_op), blas_op(a_op), blas_extent(result.cols),
                                 blas_extent(result.rows), blas_extent(k), &alpha, left.data, Types::operand,
                                 left.stride, left.step, right.data, Types::operand, right.stride, right.step, &beta,
                                 result.data, Types::result, to.stride, to.step, blas_extent(count), Types::compute,
                                 CUBLAS_GEMM_DEFAULT),
      "a batch of matrix products");
}

}  // namespace detail

}  // namespace ssam::inline SSAM_ABI::ops
