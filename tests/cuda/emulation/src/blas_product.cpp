#include "blas_product.hpp"

#include <cuda_bf16.h>

#include <Eigen/Core>
#include <bit>
#include <vector>

#include "memory.hpp"
#include "runtime.hpp"

namespace ssam_emulation {

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

void Operand::require() const {
  if (empty()) return;
  const std::string what = std::string("operand ") + name + " of a matrix product";
  const long long elements = (static_cast<long long>(batch) - 1) * stride + extent();
  if (stride < 0) fail(what + " has a negative stride");
  if (reinterpret_cast<std::uintptr_t>(data) % element_bytes(type) != 0) fail(what + " is not aligned");
  require_device(data, static_cast<std::size_t>(elements) * element_bytes(type), what);
}

namespace {

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
  for (long long c = 0; c < operand.cols; ++c) {
    const long long offset = c * operand.ld;
    if (operand.type == CUDA_R_16BF) {
      const auto* from = static_cast<const __nv_bfloat16*>(operand.matrix(i)) + offset;
      for (long long r = 0; r < operand.rows; ++r) *to++ = __bfloat162float(from[r]);
    } else {
      const auto* from = static_cast<const float*>(operand.matrix(i)) + offset;
      const bool tf32 = compute == CUBLAS_COMPUTE_32F_FAST_TF32;
      for (long long r = 0; r < operand.rows; ++r) *to++ = tf32 ? to_tf32(from[r]) : from[r];
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

template <class T>
ConstView<T> view(const Operand& operand, int i) {
  return {static_cast<const T*>(operand.matrix(i)), operand.rows, operand.cols, Eigen::OuterStride<>(operand.ld)};
}

template <class T>
void add_bias(const Product& p, View<T>& c) {
  if (p.bias == nullptr) return;
  c.colwise() += Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(static_cast<const T*>(p.bias), c.rows());
}

void run_double(const Product& p) {
  const double alpha = *static_cast<const double*>(p.alpha);
  const double beta = *static_cast<const double*>(p.beta);
  for (int i = 0; i < p.c.batch; ++i) {
    View<double> c(static_cast<double*>(const_cast<void*>(p.c.matrix(i))), p.c.rows, p.c.cols,
                   Eigen::OuterStride<>(p.c.ld));
    multiply<double>(p.transpose_a, p.transpose_b, alpha, view<double>(p.a, i), view<double>(p.b, i), beta, c);
    add_bias(p, c);
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
      add_bias(p, c);
      continue;
    }
    if (i == 0 || p.a.stride != 0) pack(p.a, i, p.compute, packed_a);
    if (i == 0 || p.b.stride != 0) pack(p.b, i, p.compute, packed_b);
    const ConstView<float> a(packed_a.data(), p.a.rows, p.a.cols, Eigen::OuterStride<>(p.a.rows));
    const ConstView<float> b(packed_b.data(), p.b.rows, p.b.cols, Eigen::OuterStride<>(p.b.rows));
    multiply<float>(p.transpose_a, p.transpose_b, alpha, a, b, beta, c);
    add_bias(p, c);
  }
}

}  // namespace

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

bool valid_extents(const Product& p) {
  if (p.c.rows < 0 || p.c.cols < 0 || p.a.rows < 0 || p.a.cols < 0 || p.c.batch < 0) return false;
  for (const Operand* operand : {&p.a, &p.b, &p.c}) {
    if (operand->ld < std::max(1LL, operand->rows)) return false;
  }
  return true;
}

cublasStatus_t run(const Product& p) {
  if (p.alpha == nullptr || p.beta == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if (is_device(p.alpha) || is_device(p.beta)) fail("alpha or beta of a matrix product is device memory");
  if (!valid_extents(p)) return CUBLAS_STATUS_INVALID_VALUE;
  if (!supported(p)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (p.c.empty() || p.c.batch == 0) return CUBLAS_STATUS_SUCCESS;
  for (const Operand* operand : {&p.a, &p.b, &p.c}) operand->require();
  if (p.bias != nullptr) Operand{"bias", p.bias, p.c.type, p.c.rows, 1, p.c.rows, 0, 1}.require();
  if (p.c.batch > 1 && p.c.stride < p.c.rows) fail("the results of a batched matrix product overlap");
  ++machine().counters.library_calls;
  DeviceAccess access;
  for (const void* data : {p.a.data, p.b.data, p.c.data, p.bias}) {
    if (data != nullptr) access.open(data);
  }
  p.compute == CUBLAS_COMPUTE_64F ? run_double(p) : run_float(p);
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace ssam_emulation
