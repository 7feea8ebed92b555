#include <cublas_v2.h>
#include <cuda_bf16.h>

#include <Eigen/Core>
#include <bit>
#include <set>
#include <vector>

#include "memory.hpp"
#include "runtime.hpp"

struct cublasContext {};

namespace ssam_emulation {

namespace {

std::set<cublasHandle_t>& handles() {
  static std::set<cublasHandle_t>& all = *new std::set<cublasHandle_t>;
  return all;
}

std::size_t element_bytes(cudaDataType type) {
  switch (type) {
    case CUDA_R_64F:
      return 8;
    case CUDA_R_32F:
      return 4;
    default:
      return 2;
  }
}

/// A column-major operand of a product as it is stored: `rows` x `cols`, columns `ld` apart, matrices `stride` apart.
struct Operand {
  const char* name;
  const void* data;
  cudaDataType type;
  int rows;
  int cols;
  int ld;
  long long stride;
  int batch;

  bool empty() const { return rows == 0 || cols == 0; }
  long long extent() const { return (static_cast<long long>(cols) - 1) * ld + rows; }
  /// Aborts unless all matrices lie in one live allocation, each element at a multiple of its size.
  void require() const {
    if (empty()) return;
    const std::string what = std::string("operand ") + name + " of a matrix product";
    const long long elements = (static_cast<long long>(batch) - 1) * stride + extent();
    if (stride < 0) fail(what + " has a negative stride");
    if (reinterpret_cast<std::uintptr_t>(data) % element_bytes(type) != 0) fail(what + " is not aligned");
    require_device(data, static_cast<std::size_t>(elements) * element_bytes(type), what);
  }
  const void* matrix(int i) const {
    return static_cast<const char*>(data) + static_cast<std::size_t>(i * stride) * element_bytes(type);
  }
};

/// To 10 mantissa bits, to nearest (ties to even), as the tensor cores read it.
float to_tf32(float value) {
  auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return value;  // infinities and NaN
  bits += 0xfffu + (bits >> 13 & 1u);
  return std::bit_cast<float>(bits & ~0x1fffu);
}

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
template <class T>
using View = Eigen::Map<Matrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T>
using ConstView = Eigen::Map<const Matrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;

/// The operand's elements one after another, rounded to what a product in `compute` reads of them.
void pack(const Operand& operand, int i, cublasComputeType_t compute, std::vector<float>& packed) {
  packed.resize(static_cast<std::size_t>(operand.rows) * static_cast<std::size_t>(operand.cols));
  float* to = packed.data();
  for (int c = 0; c < operand.cols; ++c) {
    const auto offset = static_cast<std::ptrdiff_t>(c) * operand.ld;
    if (operand.type == CUDA_R_16BF) {
      const auto* from = static_cast<const __nv_bfloat16*>(operand.matrix(i)) + offset;
      for (int r = 0; r < operand.rows; ++r) *to++ = __bfloat162float(from[r]);
    } else {
      const auto* from = static_cast<const float*>(operand.matrix(i)) + offset;
      const bool tf32 = compute == CUBLAS_COMPUTE_32F_FAST_TF32;
      for (int r = 0; r < operand.rows; ++r) *to++ = tf32 ? to_tf32(from[r]) : from[r];
    }
  }
}

/// c = alpha * op(a) * op(b) + beta * c; with beta 0 c is only written.
template <class T>
void multiply(bool transpose_a, bool transpose_b, T alpha, const ConstView<T>& a, const ConstView<T>& b, T beta,
              View<T> c) {
  if (beta == T(0)) {
    c.setZero();
  } else if (beta != T(1)) {
    c *= beta;
  }
  if (a.size() == 0 || b.size() == 0 || alpha == T(0)) return;
  if (!transpose_a && !transpose_b) c.noalias() += alpha * (a * b);
  if (transpose_a && !transpose_b) c.noalias() += alpha * (a.transpose() * b);
  if (!transpose_a && transpose_b) c.noalias() += alpha * (a * b.transpose());
  if (transpose_a && transpose_b) c.noalias() += alpha * (a.transpose() * b.transpose());
}

struct Product {
  bool transpose_a, transpose_b;
  Operand a, b, c;
  const void* alpha;
  const void* beta;
  cublasComputeType_t compute;
};

template <class T>
ConstView<T> view(const Operand& operand, int i) {
  return {static_cast<const T*>(operand.matrix(i)), operand.rows, operand.cols, Eigen::OuterStride<>(operand.ld)};
}

void run_double(const Product& p) {
  const double alpha = *static_cast<const double*>(p.alpha);
  const double beta = *static_cast<const double*>(p.beta);
  for (int i = 0; i < p.c.batch; ++i) {
    View<double> c(static_cast<double*>(const_cast<void*>(p.c.matrix(i))), p.c.rows, p.c.cols,
                   Eigen::OuterStride<>(p.c.ld));
    multiply<double>(p.transpose_a, p.transpose_b, alpha, view<double>(p.a, i), view<double>(p.b, i), beta, c);
  }
}

void run_float(const Product& p) {
  const float alpha = *static_cast<const float*>(p.alpha);
  const float beta = *static_cast<const float*>(p.beta);
  const bool as_stored = p.a.type == CUDA_R_32F && p.compute == CUBLAS_COMPUTE_32F;
  std::vector<float> packed_a, packed_b;
  for (int i = 0; i < p.c.batch; ++i) {
    View<float> c(static_cast<float*>(const_cast<void*>(p.c.matrix(i))), p.c.rows, p.c.cols,
                  Eigen::OuterStride<>(p.c.ld));
    if (as_stored) {
      multiply<float>(p.transpose_a, p.transpose_b, alpha, view<float>(p.a, i), view<float>(p.b, i), beta, c);
      continue;
    }
    if (i == 0 || p.a.stride != 0) pack(p.a, i, p.compute, packed_a);
    if (i == 0 || p.b.stride != 0) pack(p.b, i, p.compute, packed_b);
    const ConstView<float> a(packed_a.data(), p.a.rows, p.a.cols, Eigen::OuterStride<>(p.a.rows));
    const ConstView<float> b(packed_b.data(), p.b.rows, p.b.cols, Eigen::OuterStride<>(p.b.rows));
    multiply<float>(p.transpose_a, p.transpose_b, alpha, a, b, beta, c);
  }
}

bool supported(const Product& p) {
  const auto types = [&](cudaDataType a, cudaDataType c) { return p.a.type == a && p.b.type == a && p.c.type == c; };
  switch (p.compute) {
    case CUBLAS_COMPUTE_64F:
      return types(CUDA_R_64F, CUDA_R_64F);
    case CUBLAS_COMPUTE_32F:
      return types(CUDA_R_32F, CUDA_R_32F) || types(CUDA_R_16BF, CUDA_R_32F);
    case CUBLAS_COMPUTE_32F_FAST_TF32:
      return types(CUDA_R_32F, CUDA_R_32F);
  }
  return false;
}

cublasStatus_t run(const Product& p) {
  if (p.alpha == nullptr || p.beta == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if (is_device(p.alpha) || is_device(p.beta)) fail("alpha or beta of a matrix product is device memory");
  if (p.c.rows < 0 || p.c.cols < 0 || p.a.rows < 0 || p.a.cols < 0 || p.c.batch < 0) return CUBLAS_STATUS_INVALID_VALUE;
  for (const Operand* operand : {&p.a, &p.b, &p.c}) {
    if (operand->ld < std::max(1, operand->rows)) return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (!supported(p)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (p.c.empty() || p.c.batch == 0) return CUBLAS_STATUS_SUCCESS;
  for (const Operand* operand : {&p.a, &p.b, &p.c}) operand->require();
  if (p.c.batch > 1 && p.c.stride < p.c.rows) fail("the results of a batched matrix product overlap");
  ++machine().counters.library_calls;
  DeviceAccess access;
  for (const Operand* operand : {&p.a, &p.b, &p.c}) access.open(operand->data);
  p.compute == CUBLAS_COMPUTE_64F ? run_double(p) : run_float(p);
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

}  // namespace ssam_emulation

using namespace ssam_emulation;

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  const std::lock_guard lock(api_mutex());
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if (check_machine() != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = new cublasContext;
  handles().insert(*handle);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  const std::lock_guard lock(api_mutex());
  if (handles().erase(handle) == 0) return CUBLAS_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  const std::lock_guard lock(api_mutex());
  if (!handles().contains(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  check_stream(stream);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, std::size_t bytes) {
  const std::lock_guard lock(api_mutex());
  if (!handles().contains(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (bytes > 0) require_device(workspace, bytes, "the workspace of cuBLAS");
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t) {
  const std::lock_guard lock(api_mutex());
  return handles().contains(handle) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

const char* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_MAPPING_ERROR:
      return "CUBLAS_STATUS_MAPPING_ERROR";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "an unknown cuBLAS status";
}
const char* cublasGetStatusString(cublasStatus_t status) { return cublasGetStatusName(status); }

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
                                          int m, int n, int k, const void* alpha, const void* A, cudaDataType Atype,
                                          int lda, long long int strideA, const void* B, cudaDataType Btype, int ldb,
                                          long long int strideB, const void* beta, void* C, cudaDataType Ctype, int ldc,
                                          long long int strideC, int batchCount, cublasComputeType_t computeType,
                                          cublasGemmAlgo_t) {
  const std::lock_guard lock(api_mutex());
  if (!handles().contains(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  const bool ta = transa != CUBLAS_OP_N, tb = transb != CUBLAS_OP_N;
  return run({ta,
              tb,
              {"A", A, Atype, ta ? k : m, ta ? m : k, lda, strideA, batchCount},
              {"B", B, Btype, tb ? n : k, tb ? k : n, ldb, strideB, batchCount},
              {"C", C, Ctype, m, n, ldc, strideC, batchCount},
              alpha,
              beta,
              computeType});
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n,
                            int k, const void* alpha, const void* A, cudaDataType Atype, int lda, const void* B,
                            cudaDataType Btype, int ldb, const void* beta, void* C, cudaDataType Ctype, int ldc,
                            cublasComputeType_t computeType, cublasGemmAlgo_t algo) {
  return cublasGemmStridedBatchedEx(handle, transa, transb, m, n, k, alpha, A, Atype, lda, 0, B, Btype, ldb, 0, beta, C,
                                    Ctype, ldc, 0, 1, computeType, algo);
}
