#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cusolverDn.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "support.hpp"

using namespace emulation_tests;

namespace {

struct Blas {
  Blas() { REQUIRE(cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS); }
  ~Blas() { cublasDestroy(handle); }
  cublasHandle_t handle = nullptr;
};

/// Small integers: their products and sums are exact in every precision.
template <class S>
std::vector<S> integers(std::size_t count, unsigned seed) {
  std::vector<S> values(count);
  for (S& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<S>(static_cast<int>(seed >> 24) % 9 - 4);
  }
  return values;
}

template <class S>
constexpr cudaDataType type_of = sizeof(S) == 8   ? CUDA_R_64F
                                 : sizeof(S) == 4 ? CUDA_R_32F
                                                  : CUDA_R_16BF;

/// Row-major C = alpha * op(A) op(B) + beta * C for each of `batch`, by cuBLAS's column-major product with the operands
/// exchanged, against a loop. Rows are `pad` elements longer than they need to be.
template <class S>
void check_products(cublasComputeType_t compute, bool ta, bool tb, int batch, S beta) {
  constexpr int m = 7, n = 12, k = 19, pad = 3;
  const int lda = (ta ? m : k) + pad, ldb = (tb ? k : n) + pad, ldc = n + pad;
  const int a_size = (ta ? k : m) * lda, b_size = (tb ? n : k) * ldb, c_size = m * ldc;
  const auto count = [&](int size) { return static_cast<std::size_t>(size * batch); };
  const std::vector<S> a = integers<S>(count(a_size), 1), b = integers<S>(count(b_size), 2);
  std::vector<S> c = integers<S>(count(c_size), 3);
  if (beta == S(0)) std::fill(c.begin(), c.end(), std::numeric_limits<S>::quiet_NaN());
  const Buffer<S> da(a), db(b), dc(c);
  const S alpha = 2;
  const Blas blas;
  REQUIRE(cublasGemmStridedBatchedEx(blas.handle, tb ? CUBLAS_OP_T : CUBLAS_OP_N, ta ? CUBLAS_OP_T : CUBLAS_OP_N, n, m,
                                     k, &alpha, db.data(), type_of<S>, ldb, b_size, da.data(), type_of<S>, lda, a_size,
                                     &beta, dc.data(), type_of<S>, ldc, c_size, batch, compute,
                                     CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS);
  const std::vector<S> found = dc.values();
  bool right = true;
  for (int i = 0; i < batch; ++i) {
    for (int r = 0; r < m; ++r) {
      for (int col = 0; col < ldc; ++col) {
        const auto at = static_cast<std::size_t>(i * c_size + r * ldc + col);
        S expected = c[at];  // the padding stays
        if (col < n) {
          S sum = 0;
          for (int j = 0; j < k; ++j) {
            sum += a[static_cast<std::size_t>(i * a_size + (ta ? j * lda + r : r * lda + j))] *
                   b[static_cast<std::size_t>(i * b_size + (tb ? col * ldb + j : j * ldb + col))];
          }
          expected = alpha * sum + (beta == S(0) ? S(0) : beta * c[at]);
        }
        right = right && (found[at] == expected || (found[at] != found[at] && expected != expected));
      }
    }
  }
  CHECK(right);
}

cublasStatus_t product(const Blas& blas, const float* a, int lda, const float* b, float* c, int m = 4, int n = 4,
                       int k = 4, cublasComputeType_t compute = CUBLAS_COMPUTE_32F) {
  const float one = 1, zero = 0;
  return cublasGemmEx(blas.handle, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, &one, a, CUDA_R_32F, lda, b, CUDA_R_32F, k, &zero,
                      c, CUDA_R_32F, m, compute, CUBLAS_GEMM_DEFAULT);
}

struct Solver {
  Solver() {
    REQUIRE(cusolverDnCreate(&handle) == CUSOLVER_STATUS_SUCCESS);
    REQUIRE(cusolverDnCreateParams(&params) == CUSOLVER_STATUS_SUCCESS);
  }
  ~Solver() {
    cusolverDnDestroyParams(params);
    cusolverDnDestroy(handle);
  }
  cusolverDnHandle_t handle = nullptr;
  cusolverDnParams_t params = nullptr;
};

}  // namespace

TEST_CASE("Matrix products follow cuBLAS's column-major convention") {
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      for (const int batch : {1, 3}) {
        check_products<float>(CUBLAS_COMPUTE_32F, ta, tb, batch, 0.0f);
        check_products<float>(CUBLAS_COMPUTE_32F, ta, tb, batch, 1.0f);
        check_products<float>(CUBLAS_COMPUTE_32F_FAST_TF32, ta, tb, batch, 0.0f);
        check_products<double>(CUBLAS_COMPUTE_64F, ta, tb, batch, -0.5);
      }
    }
  }
}

TEST_CASE("Operands of bfloat16 give products of float") {
  constexpr int m = 3, n = 2, k = 5;
  const std::vector<float> a = integers<float>(m * k, 4), b = integers<float>(k * n, 5);
  std::vector<__nv_bfloat16> narrow_a, narrow_b;
  for (const float value : a) narrow_a.push_back(__float2bfloat16_rn(value));
  for (const float value : b) narrow_b.push_back(__float2bfloat16_rn(value));
  const Buffer<__nv_bfloat16> da(narrow_a), db(narrow_b);
  const Buffer<float> dc(m * n);
  const float one = 1, zero = 0;
  const Blas blas;
  REQUIRE(cublasGemmEx(blas.handle, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, &one, da.data(), CUDA_R_16BF, m, db.data(),
                       CUDA_R_16BF, k, &zero, dc.data(), CUDA_R_32F, m, CUBLAS_COMPUTE_32F,
                       CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS);
  const std::vector<float> found = dc.values();
  for (int r = 0; r < m; ++r) {
    for (int c = 0; c < n; ++c) {
      float sum = 0;
      for (int j = 0; j < k; ++j)
        sum += a[static_cast<std::size_t>(j * m + r)] * b[static_cast<std::size_t>(c * k + j)];
      CHECK(found[static_cast<std::size_t>(c * m + r)] == sum);
    }
  }
}

TEST_CASE("TF32 products read ten bits of the operands") {
  const Blas blas;
  const auto square = [&](float value, cublasComputeType_t compute) {
    const Buffer<float> a(std::vector<float>(1, value)), b(std::vector<float>(1, 1.0f)), c(1);
    REQUIRE(product(blas, a.data(), 1, b.data(), c.data(), 1, 1, 1, compute) == CUBLAS_STATUS_SUCCESS);
    return c.values()[0];
  };
  const float value = 1.0f + 0x1p-10f + 0x1p-12f;
  CHECK(square(value, CUBLAS_COMPUTE_32F) == value);
  CHECK(square(value, CUBLAS_COMPUTE_32F_FAST_TF32) == 1.0f + 0x1p-10f);
  CHECK(square(1.0f + 0x1p-11f, CUBLAS_COMPUTE_32F_FAST_TF32) == 1.0f);  // a tie, to even
  CHECK(square(1.0f + 0x1p-10f + 0x1p-11f, CUBLAS_COMPUTE_32F_FAST_TF32) == 1.0f + 0x1p-9f);
  CHECK(square(std::numeric_limits<float>::infinity(), CUBLAS_COMPUTE_32F_FAST_TF32) > 1e38f);
}

TEST_CASE("Wrong arguments of a matrix product are refused, wrong memory aborts") {
  const Blas blas;
  const Buffer<float> a(integers<float>(16, 1)), b(integers<float>(16, 2)), c(16);
  CHECK(product(blas, a.data(), 4, b.data(), c.data()) == CUBLAS_STATUS_SUCCESS);
  CHECK(product(blas, a.data(), 3, b.data(), c.data()) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(product(blas, a.data(), 4, b.data(), c.data(), -1) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(product(blas, a.data(), 4, b.data(), c.data(), 4, 4, 4, CUBLAS_COMPUTE_64F) == CUBLAS_STATUS_NOT_SUPPORTED);
  CHECK(product(blas, a.data(), 4, nullptr, c.data(), 4, 0) == CUBLAS_STATUS_SUCCESS);
  check_dies("operand A of a matrix product: 68 bytes at offset 0 of an allocation of 64 bytes",
             [&] { product(blas, a.data(), 5, b.data(), c.data(), 2); });
  check_dies("operand C of a matrix product: 64 bytes at offset 4",
             [&] { product(blas, a.data(), 4, b.data(), c.data() + 1); });
  std::vector<float> host(16);
  check_dies("operand B of a matrix product is not device memory",
             [&] { product(blas, a.data(), 4, host.data(), c.data()); });
  check_dies("alpha or beta of a matrix product is device memory", [&] {
    cublasGemmEx(blas.handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, a.data(), a.data(), CUDA_R_32F, 4, b.data(),
                 CUDA_R_32F, 4, host.data(), c.data(), CUDA_R_32F, 4, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
  });
  CHECK(cublasSetStream(nullptr, nullptr) == CUBLAS_STATUS_NOT_INITIALIZED);
}

TEST_CASE("The singular value decomposition gives U, S and V (not its transpose), and destroys A") {
  for (const auto& shape : {std::pair{7, 4}, std::pair{4, 7}, std::pair{5, 5}}) {
    const int m = shape.first, n = shape.second;
    const int rank = std::min(m, n), lda = m + 1, ldu = m + 2, ldv = n + 3;
    std::vector<double> a(static_cast<std::size_t>(lda * n));
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = std::sin(static_cast<double>(i * i + 1));
    const Buffer<double> da(a), ds(static_cast<std::size_t>(rank)), du(static_cast<std::size_t>(ldu * rank)),
        dv(static_cast<std::size_t>(ldv * rank));
    const Buffer<int> info(1);
    const Solver solver;
    std::size_t on_device = 0, on_host = 0;
    REQUIRE(cusolverDnXgesvdp_bufferSize(solver.handle, solver.params, CUSOLVER_EIG_MODE_VECTOR, 1, m, n, CUDA_R_64F,
                                         da.data(), lda, CUDA_R_64F, ds.data(), CUDA_R_64F, du.data(), ldu, CUDA_R_64F,
                                         dv.data(), ldv, CUDA_R_64F, &on_device, &on_host) == CUSOLVER_STATUS_SUCCESS);
    const Buffer<char> workspace(on_device);
    std::vector<char> host_workspace(on_host);
    double error = -1;
    const auto run = [&](int ld, std::size_t bytes, int* d_info) {
      return cusolverDnXgesvdp(solver.handle, solver.params, CUSOLVER_EIG_MODE_VECTOR, 1, m, n, CUDA_R_64F, da.data(),
                               ld, CUDA_R_64F, ds.data(), CUDA_R_64F, du.data(), ldu, CUDA_R_64F, dv.data(), ldv,
                               CUDA_R_64F, workspace.data(), bytes, host_workspace.data(), on_host, d_info, &error);
    };
    CHECK(run(m - 1, on_device, info.data()) == CUSOLVER_STATUS_INVALID_VALUE);
    CHECK(run(lda, on_device - 1, info.data()) == CUSOLVER_STATUS_INVALID_VALUE);
    int host_info = 0;
    check_dies("info of gesvdp is not device memory", [&] { run(lda, on_device, &host_info); });
    REQUIRE(run(lda, on_device, info.data()) == CUSOLVER_STATUS_SUCCESS);
    CHECK(info.values()[0] == 0);
    CHECK(error == 0);

    const std::vector<double> u = du.values(), s = ds.values(), v = dv.values();
    double largest = 0;
    for (int r = 0; r < m; ++r) {
      for (int c = 0; c < n; ++c) {
        double sum = 0;
        for (int i = 0; i < rank; ++i) {
          sum += u[static_cast<std::size_t>(i * ldu + r)] * s[static_cast<std::size_t>(i)] *
                 v[static_cast<std::size_t>(i * ldv + c)];
        }
        largest = std::max(largest, std::abs(sum - a[static_cast<std::size_t>(c * lda + r)]));
      }
    }
    CHECK(largest < 1e-13);
    CHECK(std::is_sorted(s.rbegin(), s.rend()));
    CHECK(std::isnan(da.values()[0]));
  }
}

TEST_CASE("bfloat16 is rounded to nearest, ties to even") {
  const auto rounded = [](float value) { return __bfloat162float(__float2bfloat16_rn(value)); };
  CHECK(rounded(1.0f) == 1.0f);
  CHECK(rounded(-3.5f) == -3.5f);
  CHECK(rounded(1.0f + 0x1p-8f) == 1.0f);                      // a tie
  CHECK(rounded(1.0f + 0x1p-7f + 0x1p-8f) == 1.0f + 0x1p-6f);  // a tie
  CHECK(rounded(1.0f + 0x1p-8f + 0x1p-20f) == 1.0f + 0x1p-7f);
  CHECK(rounded(3.4028234e38f) == std::numeric_limits<float>::infinity());
  CHECK(rounded(-std::numeric_limits<float>::infinity()) == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(rounded(std::numeric_limits<float>::quiet_NaN())));
  CHECK(std::isnan(rounded(std::bit_cast<float>(0x7f800001u))));
  CHECK(rounded(0x1p-133f) == 0x1p-133f);
}
