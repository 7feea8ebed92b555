#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "blas_product.hpp"
#include "memory.hpp"
#include "runtime.hpp"

struct cublasLtContext {};

namespace ssam_emulation {

namespace {

/// Handles and what is behind them. A destroyed handle is never given out again, so that its use is seen.
template <class Object, class State>
class Registry {
 public:
  explicit Registry(const char* name) : name_(name) {}
  Object* create(const State& state) {
    Object* object = ever_.emplace_back(std::make_unique<Object>()).get();
    live_.emplace(object, state);
    return object;
  }
  void destroy(Object* object) {
    get(object);
    live_.erase(object);
  }
  /// Aborts unless it lives.
  State& get(Object* object) {
    const auto found = live_.find(object);
    if (found == live_.end()) fail(std::string("a ") + name_ + " of cuBLASLt that is none, or is destroyed");
    return found->second;
  }
  bool contains(Object* object) const { return live_.contains(object); }
  std::string leaks() const {
    return live_.empty() ? "" : "cuBLASLt: " + std::to_string(live_.size()) + " of " + name_ + "\n";
  }

 private:
  const char* name_;
  std::vector<std::unique_ptr<Object>> ever_;  // the destroyed ones, too: so none is at the address of another
  std::map<Object*, State> live_;
};

struct Layout {
  cudaDataType type;
  std::uint64_t rows, cols;
  std::int64_t ld;
  friend bool operator==(const Layout&, const Layout&) = default;
};
struct Operation {
  cublasComputeType_t compute;
  cudaDataType scale;
  std::int32_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  std::uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
};
struct Preference {
  std::uint64_t workspace = 0;
  std::array<std::uint32_t, 4> alignment{256, 256, 256, 256};  ///< of A, B, C, D
};
struct None {};

/// What an algorithm was chosen for, and the only thing it may be used for.
struct Problem {
  cublasComputeType_t compute;
  cudaDataType scale;
  std::int32_t transpose_a, transpose_b;
  std::uint32_t epilogue;
  std::array<Layout, 4> layouts;
  friend bool operator==(const Problem&, const Problem&) = default;
};
struct Algorithm {
  Problem problem;
  std::array<std::uint32_t, 4> alignment;
  std::uintptr_t bias_alignment;
  std::size_t workspace;
};

struct Lt {
  Registry<cublasLtContext, None> handles{"handle"};
  Registry<cublasLtMatrixLayoutOpaque_t, Layout> layouts{"matrix layout"};
  Registry<cublasLtMatmulDescOpaque_t, Operation> operations{"matmul descriptor"};
  Registry<cublasLtMatmulPreferenceOpaque_t, Preference> preferences{"preference"};
  std::vector<Algorithm> algorithms;
};
Lt& lt() {
  static Lt& only = *new Lt;
  return only;
}

constexpr std::uint64_t algorithm_mark = 0x5353414d4c54ull;
constexpr std::size_t algorithm_workspace = 4096;  // of every algorithm that may have one

template <class T>
cublasStatus_t set(T& to, const void* from, std::size_t bytes) {
  if (from == nullptr || bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

/// The alignment that cuBLASLt deduces from an address.
std::uintptr_t alignment_of(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  return at == 0 ? 256 : std::min<std::uintptr_t>(at & (~at + 1), 256);
}

Problem problem_of(const Operation& operation, const std::array<Layout, 4>& layouts) {
  return {operation.compute,     operation.scale,    operation.transpose_a,
          operation.transpose_b, operation.epilogue, layouts};
}

Operand operand(const char* name, const void* data, const Layout& layout) {
  return {name, data, layout.type, static_cast<long long>(layout.rows), static_cast<long long>(layout.cols), layout.ld,
          0,    1};
}

Product product_of(const Problem& problem) {
  const auto& [a, b, c, d] = problem.layouts;
  return {problem.transpose_a != CUBLAS_OP_N,
          problem.transpose_b != CUBLAS_OP_N,
          operand("A", nullptr, a),
          operand("B", nullptr, b),
          operand("D", nullptr, d),
          nullptr,
          nullptr,
          problem.compute};
}

/// Whether operation and layouts fit each other.
bool valid(const Problem& problem) {
  const auto& [a, b, c, d] = problem.layouts;
  const bool ta = problem.transpose_a != CUBLAS_OP_N, tb = problem.transpose_b != CUBLAS_OP_N;
  if (a.rows == 0 || a.cols == 0 || b.rows == 0 || b.cols == 0) return false;
  if ((ta ? a.cols : a.rows) != d.rows || (tb ? b.rows : b.cols) != d.cols) return false;
  if ((ta ? a.rows : a.cols) != (tb ? b.cols : b.rows)) return false;
  return c.type == d.type && c.rows == d.rows && c.cols == d.cols && valid_extents(product_of(problem));
}

/// The types that NVIDIA's table for cublasLtMatmul lists together, a bias among them.
bool listed(const Problem& problem) {
  const cudaDataType scale = problem.compute == CUBLAS_COMPUTE_64F ? CUDA_R_64F : CUDA_R_32F;
  return problem.scale == scale && supported(product_of(problem));
}

}  // namespace

std::string cublaslt_leaks() {
  return lt().handles.leaks() + lt().layouts.leaks() + lt().operations.leaks() + lt().preferences.leaks();
}

void refuse_algorithms(bool on) { machine().refuse_algorithms = on; }

}  // namespace ssam_emulation

using namespace ssam_emulation;

cublasStatus_t cublasLtCreate(cublasLtHandle_t* lightHandle) {
  const std::lock_guard lock(api_mutex());
  if (lightHandle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if (check_machine() != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  *lightHandle = lt().handles.create({});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t lightHandle) {
  const std::lock_guard lock(api_mutex());
  if (!lt().handles.contains(lightHandle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  lt().handles.destroy(lightHandle);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* matLayout, cudaDataType type, std::uint64_t rows,
                                          std::uint64_t cols, std::int64_t ld) {
  const std::lock_guard lock(api_mutex());
  if (matLayout == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *matLayout = lt().layouts.create({type, rows, cols, ld});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t matLayout) {
  const std::lock_guard lock(api_mutex());
  lt().layouts.destroy(matLayout);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* matmulDesc, cublasComputeType_t computeType,
                                        cudaDataType_t scaleType) {
  const std::lock_guard lock(api_mutex());
  if (matmulDesc == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *matmulDesc = lt().operations.create({computeType, scaleType});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t matmulDesc) {
  const std::lock_guard lock(api_mutex());
  lt().operations.destroy(matmulDesc);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t matmulDesc, cublasLtMatmulDescAttributes_t attr,
                                              const void* buf, std::size_t sizeInBytes) {
  const std::lock_guard lock(api_mutex());
  Operation& operation = lt().operations.get(matmulDesc);
  switch (attr) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return set(operation.transpose_a, buf, sizeInBytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return set(operation.transpose_b, buf, sizeInBytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return set(operation.epilogue, buf, sizeInBytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return set(operation.bias, buf, sizeInBytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* pref) {
  const std::lock_guard lock(api_mutex());
  if (pref == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *pref = lt().preferences.create({});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t pref) {
  const std::lock_guard lock(api_mutex());
  lt().preferences.destroy(pref);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t pref,
                                                    cublasLtMatmulPreferenceAttributes_t attr, const void* buf,
                                                    std::size_t sizeInBytes) {
  const std::lock_guard lock(api_mutex());
  Preference& preference = lt().preferences.get(pref);
  switch (attr) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return set(preference.workspace, buf, sizeInBytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return set(preference.alignment[static_cast<std::size_t>(attr - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES)], buf,
                 sizeInBytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t lightHandle, cublasLtMatmulDesc_t operationDesc,
                                              cublasLtMatrixLayout_t Adesc, cublasLtMatrixLayout_t Bdesc,
                                              cublasLtMatrixLayout_t Cdesc, cublasLtMatrixLayout_t Ddesc,
                                              cublasLtMatmulPreference_t preference, int requestedAlgoCount,
                                              cublasLtMatmulHeuristicResult_t heuristicResultsArray[],
                                              int* returnAlgoCount) {
  const std::lock_guard lock(api_mutex());
  if (!lt().handles.contains(lightHandle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (requestedAlgoCount <= 0 || heuristicResultsArray == nullptr || returnAlgoCount == nullptr) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  ++machine().counters.heuristics;
  *returnAlgoCount = 0;
  const Operation& operation = lt().operations.get(operationDesc);
  const Preference& wanted = lt().preferences.get(preference);
  auto& layouts = lt().layouts;
  const Problem problem =
      problem_of(operation, {layouts.get(Adesc), layouts.get(Bdesc), layouts.get(Cdesc), layouts.get(Ddesc)});
  if (!valid(problem)) return CUBLAS_STATUS_INVALID_VALUE;
  const bool epilogue = operation.epilogue == CUBLASLT_EPILOGUE_DEFAULT || operation.epilogue == CUBLASLT_EPILOGUE_BIAS;
  if (machine().refuse_algorithms || !epilogue || !listed(problem)) return CUBLAS_STATUS_NOT_SUPPORTED;
  for (std::size_t i = 0; i < 4; ++i) {
    if (wanted.alignment[i] < element_bytes(problem.layouts[i].type)) return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  const std::size_t workspace = wanted.workspace < algorithm_workspace ? 0 : algorithm_workspace;
  heuristicResultsArray[0] = {
      .algo = {{algorithm_mark, lt().algorithms.size()}},
      .workspaceSize = workspace,
      .state = CUBLAS_STATUS_SUCCESS,
      .wavesCount = 1,
      .reserved = {},
  };
  lt().algorithms.push_back({problem, wanted.alignment, alignment_of(operation.bias), workspace});
  *returnAlgoCount = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t lightHandle, cublasLtMatmulDesc_t computeDesc, const void* alpha,
                              const void* A, cublasLtMatrixLayout_t Adesc, const void* B, cublasLtMatrixLayout_t Bdesc,
                              const void* beta, const void* C, cublasLtMatrixLayout_t Cdesc, void* D,
                              cublasLtMatrixLayout_t Ddesc, const cublasLtMatmulAlgo_t* algo, void* workspace,
                              std::size_t workspaceSizeInBytes, cudaStream_t stream) {
  const std::lock_guard lock(api_mutex());
  if (!lt().handles.contains(lightHandle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (alpha == nullptr || beta == nullptr || A == nullptr || B == nullptr || C == nullptr || D == nullptr) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const Operation& operation = lt().operations.get(computeDesc);
  auto& layouts = lt().layouts;
  const Problem problem =
      problem_of(operation, {layouts.get(Adesc), layouts.get(Bdesc), layouts.get(Cdesc), layouts.get(Ddesc)});
  if (C != D || problem.layouts[2] != problem.layouts[3]) fail("only products of cuBLASLt with C = D are emulated");
  if (algo == nullptr) fail("cublasLtMatmul without an algorithm asks the heuristic every time");
  if (algo->data[0] != algorithm_mark || algo->data[1] >= lt().algorithms.size()) {
    fail("an algorithm that is not the heuristic's");
  }
  const Algorithm& algorithm = lt().algorithms[algo->data[1]];
  if (algorithm.problem != problem) fail("an algorithm of cuBLASLt that was chosen for another problem");
  const std::array<const void*, 4> addresses{A, B, C, D};
  for (std::size_t i = 0; i < 4; ++i) {
    if (reinterpret_cast<std::uintptr_t>(addresses[i]) % algorithm.alignment[i] != 0) {
      fail(std::string("operand ") + "ABCD"[i] + " of a matrix product is not aligned as the heuristic was told");
    }
  }
  Product product = product_of(problem);
  product.a.data = A;
  product.b.data = B;
  product.c.data = D;
  product.alpha = alpha;
  product.beta = beta;
  if (operation.epilogue == CUBLASLT_EPILOGUE_BIAS) {
    if (operation.bias == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    if (reinterpret_cast<std::uintptr_t>(operation.bias) % algorithm.bias_alignment != 0) {
      fail("the bias of a matrix product is not aligned as the heuristic was told");
    }
    // The heuristic is known to choose kernels that read 16 bytes of it at once all the same.
    if (reinterpret_cast<std::uintptr_t>(operation.bias) % 16 != 0) fail("the bias of a matrix product is not aligned");
    product.bias = operation.bias;
  }
  if (workspaceSizeInBytes < algorithm.workspace) return CUBLAS_STATUS_INVALID_VALUE;
  check_stream(stream);
  if (workspaceSizeInBytes > 0) {
    if (reinterpret_cast<std::uintptr_t>(workspace) % 256 != 0) fail("the workspace of cuBLASLt is not aligned");
    require_device(workspace, workspaceSizeInBytes, "the workspace of cuBLASLt");
    DeviceAccess access;
    access.open(workspace);
    std::memset(workspace, 0xff, algorithm.workspace);  // it is used
  }
  return run(product);
}
