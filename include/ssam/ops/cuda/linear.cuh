#pragma once

#include <ssam/ops/cuda/gemm.cuh>

namespace ssam::inline SSAM_ABI::ops {

namespace detail {

/// What kernels of cuBLASLt may read of a bias at once, in bytes. The heuristic sees where a bias begins, but has been
/// seen to choose such kernels for any.
inline constexpr std::uint32_t bias_alignment = 16;

/// y = x w^T + bias in one product of cuBLASLt; false where it has none for this problem.
template <class S, CudaDevice D>
bool linear_with_epilogue(Context<D>& context, InMatrix<S, D> x, InMatrix<S, D> w, In<S, D> bias, OutMatrix<S, D> y) {
  using Types = BlasTypes<S, D>;
  WorkspaceScope scope(context);
  const BlasOperand weight = read_operand<S>(context, w), input = read_operand<S>(context, x), output = blas_operand(y);
  const ssam::detail::LinearProblem problem{.out = blas_extent(y.cols),
                                            .n = blas_extent(y.rows),
                                            .in = blas_extent(x.cols),
                                            .w_stride = weight.stride,
                                            .x_stride = input.stride,
                                            .y_stride = output.stride,
                                            .w_alignment = ssam::detail::alignment_of(weight.data),
                                            .x_alignment = ssam::detail::alignment_of(input.data),
                                            .y_alignment = ssam::detail::alignment_of(y.data),
                                            .bias_alignment = ssam::detail::alignment_of(bias.data()),
                                            .operand = Types::operand,
                                            .result = Types::result,
                                            .compute = Types::compute};
  const auto workspace = context.blas_workspace();
  const auto workspace_bytes = static_cast<std::size_t>(workspace.size());
  ssam::detail::LinearPlan& plan =
      context.linear_plans().plan(context.blas_lt(), problem, bias.data(), workspace_bytes);
  if (!plan.runs()) return false;
  const S one = 1, zero = 0;
  plan.run(context.blas_lt(), &one, weight.data, input.data, bias.data(), &zero, y.data, workspace.data(),
           workspace_bytes, context.stream());
  return true;
}

}  // namespace detail

/// y = x w^T + bias, x [n, in], w [out, in], y [n, out]; an empty bias: none. The bias is the epilogue of cuBLASLt's
/// product: column-major, it runs along the rows of y^T = w x^T, and is added in the result's type (fp32; fp64 for
/// double). A GELU never is the epilogue: SAM's is exact (erf), cuBLASLt's is the tanh approximation (its documentation
/// does not say so, PyTorch and TensorRT-LLM offer it as that). Throws ShapeError, DeviceError.
template <class S, CudaDevice D>
void linear(Context<D>& context, InMatrix<S, D> x, InMatrix<S, D> w, In<S, D> bias, OutMatrix<S, D> y) {
  detail::require_linear<S, D>(x, w, bias, y);
  if (y.rows == 0 || y.cols == 0) return;
  // An add_row of its own for what cuBLASLt does not do: nothing to sum over, a bias that it might read misaligned, a
  // combination of types, strides and alignments that it has no algorithm for. The result is the same but for rounding.
  const bool fused = !bias.empty() && x.cols > 0 && ssam::detail::alignment_of(bias.data()) >= detail::bias_alignment &&
                     detail::linear_with_epilogue<S>(context, x, w, bias, y);
  if (fused) return;
  matmul<S>(context, Transpose::no, Transpose::yes, x, w, y);
  if (!bias.empty()) add_row<S>(context, bias, y);
}

}  // namespace ssam::inline SSAM_ABI::ops
