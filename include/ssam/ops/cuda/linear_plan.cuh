#pragma once

#include <cublasLt.h>
#include <cublas_v2.h>

#include <algorithm>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ssam/ops/cuda/memory.cuh>

/// What cuBLASLt has to know of a product with a bias, kept from one call to the next. Used by ops/cuda/linear.cuh.
namespace ssam::inline SSAM_ABI::detail {

inline void check_cublas(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(ErrorText{.what = std::string(what) + " failed", .found = cublasGetStatusString(status)});
}

/// Calls one of cuBLASLt's functions that destroy.
template <auto Destroy>
struct LtDelete {
  template <class T>
  void operator()(T* descriptor) const noexcept {
    Destroy(descriptor);
  }
};
using LtLayout = std::unique_ptr<std::remove_pointer_t<cublasLtMatrixLayout_t>, LtDelete<&cublasLtMatrixLayoutDestroy>>;
using LtOperation = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulDesc_t>, LtDelete<&cublasLtMatmulDescDestroy>>;
using LtPreference =
    std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>, LtDelete<&cublasLtMatmulPreferenceDestroy>>;

/// The largest power of two that an address is a multiple of, in bytes; at most 256, cuBLASLt's own idea of aligned.
inline std::uint32_t alignment_of(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  return static_cast<std::uint32_t>(std::min<std::uintptr_t>(at & (~at + 1), 256));
}

/// y^T [out, n] = w x^T + bias as cuBLASLt sees it (column-major): all that the choice of an algorithm depends on.
struct LinearProblem {
  std::int64_t out, n, in;
  std::int64_t w_stride, x_stride, y_stride;
  std::uint32_t w_alignment, x_alignment, y_alignment, bias_alignment;
  cudaDataType operand, result;  ///< of w and x; of y, the bias and the scale factors
  cublasComputeType_t compute;

  friend auto operator<=>(const LinearProblem&, const LinearProblem&) = default;
};

/// The descriptors of a problem and the algorithm cuBLASLt chose for it; no algorithm where it has none.
class LinearPlan {
 public:
  /// `bias`: any with the problem's alignment; `workspace_bytes`: what the algorithm may use.
  LinearPlan(cublasLtHandle_t handle, const LinearProblem& problem, const void* bias, std::size_t workspace_bytes)
      : operation_(operation(problem)),
        w_(layout(problem.operand, problem.in, problem.out, problem.w_stride)),
        x_(layout(problem.operand, problem.in, problem.n, problem.x_stride)),
        y_(layout(problem.result, problem.out, problem.n, problem.y_stride)) {
    set_bias(bias);  // its alignment is read from here
    choose(handle, problem, workspace_bytes);
  }

  bool runs() const { return algorithm_.has_value(); }

  /// Queues y = x w^T + bias. `one`, `zero`: of the result's type.
  void run(cublasLtHandle_t handle, const void* one, const void* w, const void* x, const void* bias, const void* zero,
           void* y, void* workspace, std::size_t workspace_bytes, cudaStream_t stream) {
    set_bias(bias);
    check_cublas(cublasLtMatmul(handle, operation_.get(), one, w, w_.get(), x, x_.get(), zero, y, y_.get(), y, y_.get(),
                                &*algorithm_, workspace, workspace_bytes, stream),
                 "a matrix product with a bias");
  }

 private:
  static LtOperation operation(const LinearProblem& problem) {
    cublasLtMatmulDesc_t created = nullptr;
    check_cublas(cublasLtMatmulDescCreate(&created, problem.compute, problem.result), "cublasLtMatmulDescCreate");
    LtOperation operation(created);
    const cublasOperation_t transposed = CUBLAS_OP_T;  // w; x is read as it lies
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    set(operation.get(), CUBLASLT_MATMUL_DESC_TRANSA, transposed);
    set(operation.get(), CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    return operation;
  }

  static LtLayout layout(cudaDataType type, std::int64_t rows, std::int64_t cols, std::int64_t stride) {
    cublasLtMatrixLayout_t created = nullptr;
    check_cublas(cublasLtMatrixLayoutCreate(&created, type, static_cast<std::uint64_t>(rows),
                                            static_cast<std::uint64_t>(cols), stride),
                 "cublasLtMatrixLayoutCreate");
    return LtLayout(created);
  }

  template <class T>
  static void set(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check_cublas(cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof(value)),
                 "cublasLtMatmulDescSetAttribute");
  }
  template <class T>
  static void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute,
                  const T& value) {
    check_cublas(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(value)),
                 "cublasLtMatmulPreferenceSetAttribute");
  }

  void set_bias(const void* bias) { set(operation_.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias); }

  void choose(cublasLtHandle_t handle, const LinearProblem& problem, std::size_t workspace_bytes) {
    cublasLtMatmulPreference_t created = nullptr;
    check_cublas(cublasLtMatmulPreferenceCreate(&created), "cublasLtMatmulPreferenceCreate");
    const LtPreference preference(created);
    const std::uint64_t bytes = workspace_bytes;
    set(created, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, bytes);
    set(created, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, problem.w_alignment);
    set(created, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, problem.x_alignment);
    set(created, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, problem.y_alignment);
    set(created, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, problem.y_alignment);
    cublasLtMatmulHeuristicResult_t result{};
    int found = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle, operation_.get(), w_.get(), x_.get(), y_.get(),
                                                                 y_.get(), created, 1, &result, &found);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return;  // so it says that it has none
    check_cublas(status, "cublasLtMatmulAlgoGetHeuristic");
    if (found > 0 && result.state == CUBLAS_STATUS_SUCCESS) algorithm_ = result.algo;
  }

  LtOperation operation_;
  LtLayout w_, x_, y_;
  std::optional<cublasLtMatmulAlgo_t> algorithm_;
};

/// The plans of a context: each problem is asked about once.
class LinearPlans {
 public:
  LinearPlan& plan(cublasLtHandle_t handle, const LinearProblem& problem, const void* bias,
                   std::size_t workspace_bytes) {
    const auto known = plans_.find(problem);
    if (known != plans_.end()) return known->second;
    if (plans_.size() == capacity) plans_.clear();
    return plans_.try_emplace(problem, handle, problem, bias, workspace_bytes).first->second;
  }

  std::size_t size() const { return plans_.size(); }

  static constexpr std::size_t capacity = 4096;  ///< a training has some dozens; whose shapes never end begins anew

 private:
  std::map<LinearProblem, LinearPlan> plans_;
};

}  // namespace ssam::inline SSAM_ABI::detail
