#pragma once

#include <cublas_v2.h>

#include <string>

/// The product behind the emulated cuBLAS and cuBLASLt.
namespace ssam_emulation {

std::size_t element_bytes(cudaDataType type);

/// A column-major operand of a product as it is stored: `rows` x `cols`, columns `ld` apart, matrices `stride` apart.
struct Operand {
  const char* name;
  const void* data;
  cudaDataType type;
  long long rows;
  long long cols;
  long long ld;
  long long stride;
  int batch;

  bool empty() const { return rows == 0 || cols == 0; }
  long long extent() const { return (cols - 1) * ld + rows; }
  /// Aborts unless all matrices lie in one live allocation, each element at a multiple of its size.
  void require() const;
  const void* matrix(int i) const {
    return static_cast<const char*>(data) + static_cast<std::size_t>(i * stride) * element_bytes(type);
  }
};

/// c = alpha * op(a) * op(b) + beta * c + bias for each of a batch.
struct Product {
  bool transpose_a, transpose_b;
  Operand a, b, c;
  const void* alpha;
  const void* beta;
  cublasComputeType_t compute;
  const void* bias = nullptr;  ///< one element of c's type for each of its rows, or null: none
};

/// Whether the types of the operands and of the sums go together.
bool supported(const Product& product);
/// Whether extents and leading dimensions are possible ones.
bool valid_extents(const Product& product);

/// Checks everything, multiplies at once and counts it. Aborts where a GPU would read or write what it must not.
cublasStatus_t run(const Product& product);

}  // namespace ssam_emulation
