#include <cublasLt.h>
#include <cuda_bf16.h>

#include <algorithm>
#include <limits>
#include <type_traits>

#include "support.hpp"

using namespace emulation_tests;

namespace {

template <class S>
constexpr cudaDataType type_of = sizeof(S) == 8   ? CUDA_R_64F
                                 : sizeof(S) == 4 ? CUDA_R_32F
                                                  : CUDA_R_16BF;

/// Small integers: their products and sums are exact in every precision.
std::vector<int> integers(std::size_t count, unsigned seed) {
  std::vector<int> values(count);
  for (int& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<int>(seed >> 24) % 9 - 4;
  }
  return values;
}
template <class S>
std::vector<S> stored(const std::vector<int>& values) {
  std::vector<S> all;
  for (const int value : values) {
    if constexpr (std::is_same_v<S, __nv_bfloat16>) {
      all.push_back(__float2bfloat16_rn(static_cast<float>(value)));
    } else {
      all.push_back(static_cast<S>(value));
    }
  }
  return all;
}

/// D [m, n] = A^T B + bias with A [k, m] and B [k, n], columns `pad` longer than they need to be; what a test changes
/// before it asks or runs.
template <class T, class S>
struct Linear {
  static constexpr int m = 7, n = 5, k = 6, pad = 2, ld = k + pad, ld_d = m + pad;

  explicit Linear(cublasComputeType_t compute = CUBLAS_COMPUTE_32F, cudaDataType scale = type_of<S>)
      : a(stored<T>(integers(ld * m, 1))),
        b(stored<T>(integers(ld * n, 2))),
        bias(stored<S>(integers(m + 8, 3))),
        d(std::vector<S>(ld_d * n, std::numeric_limits<S>::quiet_NaN())),
        workspace(8192) {
    REQUIRE(cublasLtCreate(&handle) == CUBLAS_STATUS_SUCCESS);
    cublasLtMatmulDescCreate(&operation, compute, scale);
    set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set_bias(bias.data());
    cublasLtMatrixLayoutCreate(&layout_a, type_of<T>, k, m, ld);
    cublasLtMatrixLayoutCreate(&layout_b, type_of<T>, k, n, ld);
    cublasLtMatrixLayoutCreate(&layout_d, type_of<S>, m, n, ld_d);
    cublasLtMatmulPreferenceCreate(&preference);
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{8192});
    for (const auto operand :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      prefer(operand, std::uint32_t{16});  // of every emulated allocation
    }
  }
  ~Linear() {
    cublasLtMatmulPreferenceDestroy(preference);
    for (const auto layout : {layout_a, layout_b, layout_d}) cublasLtMatrixLayoutDestroy(layout);
    cublasLtMatmulDescDestroy(operation);
    cublasLtDestroy(handle);
  }

  template <class V>
  cublasStatus_t set(cublasLtMatmulDescAttributes_t attribute, const V& value) {
    return cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof(value));
  }
  void set_bias(const void* data) { set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, data); }
  template <class V>
  cublasStatus_t prefer(cublasLtMatmulPreferenceAttributes_t attribute, const V& value) {
    return cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(value));
  }
  cublasStatus_t ask() {
    return cublasLtMatmulAlgoGetHeuristic(handle, operation, layout_a, layout_b, layout_d, layout_d, preference, 1,
                                          &chosen, &found);
  }
  cublasStatus_t run(const void* at_a, const void* at_b, void* at_d, void* scratch, std::size_t bytes) {
    const S one = 1, zero = 0;
    return cublasLtMatmul(handle, operation, &one, at_a, layout_a, at_b, layout_b, &zero, at_d, layout_d, at_d,
                          layout_d, &chosen.algo, scratch, bytes, nullptr);
  }
  cublasStatus_t run() { return run(a.data(), b.data(), d.data(), workspace.data(), 8192); }

  /// Whether D is what loops over the integers give, and nothing beside it was written.
  bool right() const {
    const auto values_a = integers(ld * m, 1), values_b = integers(ld * n, 2), row = integers(m + 8, 3);
    const std::vector<S> is = d.values();
    bool all = true;
    for (int c = 0; c < n; ++c) {
      for (int r = 0; r < ld_d; ++r) {
        const S value = is[static_cast<std::size_t>(c * ld_d + r)];
        if (r >= m) {
          all = all && value != value;
          continue;
        }
        int sum = row[static_cast<std::size_t>(r)];
        for (int j = 0; j < k; ++j) {
          sum += values_a[static_cast<std::size_t>(r * ld + j)] * values_b[static_cast<std::size_t>(c * ld + j)];
        }
        all = all && value == static_cast<S>(sum);
      }
    }
    return all;
  }

  Buffer<T> a, b;
  Buffer<S> bias, d;
  Buffer<char> workspace;
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t layout_a = nullptr, layout_b = nullptr, layout_d = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  cublasLtMatmulHeuristicResult_t chosen{};
  int found = -1;
};

template <class T, class S>
void check_right(cublasComputeType_t compute) {
  Linear<T, S> linear(compute);
  REQUIRE(linear.ask() == CUBLAS_STATUS_SUCCESS);
  CHECK(linear.found == 1);
  CHECK(linear.chosen.state == CUBLAS_STATUS_SUCCESS);
  REQUIRE(linear.run() == CUBLAS_STATUS_SUCCESS);
  CHECK(linear.right());
}

}  // namespace

TEST_CASE("Products of cuBLASLt add a bias along the rows, in every precision") {
  check_right<float, float>(CUBLAS_COMPUTE_32F);
  check_right<float, float>(CUBLAS_COMPUTE_32F_FAST_TF32);
  check_right<__nv_bfloat16, float>(CUBLAS_COMPUTE_32F);
  check_right<double, double>(CUBLAS_COMPUTE_64F);
}

TEST_CASE("A product of cuBLASLt counts as one, a question for an algorithm as one") {
  Linear<float, float> linear;
  ssam_emulation::reset_counters();
  linear.ask();
  linear.run();
  linear.run();
  CHECK(ssam_emulation::counters().heuristics == 1);
  CHECK(ssam_emulation::counters().library_calls == 2);
}

TEST_CASE("The heuristic refuses what is not listed or does not fit") {
  using Floats = Linear<float, float>;
  const auto refused = [](auto&& linear, cublasStatus_t status) {
    CHECK(linear.ask() == status);
    CHECK(linear.found == 0);
  };
  refused(Floats(CUBLAS_COMPUTE_64F), CUBLAS_STATUS_NOT_SUPPORTED);
  refused(Floats(CUBLAS_COMPUTE_32F, CUDA_R_64F), CUBLAS_STATUS_NOT_SUPPORTED);
  refused(Linear<__nv_bfloat16, float>(CUBLAS_COMPUTE_32F_FAST_TF32), CUBLAS_STATUS_NOT_SUPPORTED);
  refused(Linear<double, float>(CUBLAS_COMPUTE_64F), CUBLAS_STATUS_NOT_SUPPORTED);
  {
    Floats linear;
    linear.set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_N);
    refused(linear, CUBLAS_STATUS_INVALID_VALUE);
  }
  {
    Floats linear;
    linear.set(CUBLASLT_MATMUL_DESC_EPILOGUE, std::uint32_t{32});
    refused(linear, CUBLAS_STATUS_NOT_SUPPORTED);
  }
  {
    Floats linear;
    cublasLtMatrixLayoutDestroy(linear.layout_a);
    cublasLtMatrixLayoutCreate(&linear.layout_a, CUDA_R_32F, Floats::k, Floats::m, Floats::k - 1);
    refused(linear, CUBLAS_STATUS_INVALID_VALUE);
  }
  {
    Floats linear;
    linear.prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, std::uint32_t{2});
    refused(linear, CUBLAS_STATUS_NOT_SUPPORTED);
    CHECK(linear.prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, std::uint64_t{4}) == CUBLAS_STATUS_INVALID_VALUE);
    CHECK(cublasLtMatmulDescSetAttribute(linear.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, nullptr, 8) ==
          CUBLAS_STATUS_INVALID_VALUE);
    linear.prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, std::uint32_t{4});
    ssam_emulation::refuse_algorithms(true);
    refused(linear, CUBLAS_STATUS_NOT_SUPPORTED);
    ssam_emulation::refuse_algorithms(false);
    CHECK(linear.ask() == CUBLAS_STATUS_SUCCESS);
    CHECK(cublasLtMatmulAlgoGetHeuristic(linear.handle, linear.operation, linear.layout_a, linear.layout_b,
                                         linear.layout_d, linear.layout_d, linear.preference, 0, &linear.chosen,
                                         &linear.found) == CUBLAS_STATUS_INVALID_VALUE);
  }
}

TEST_CASE("Wrong arguments of cublasLtMatmul are refused, wrong memory aborts") {
  Linear<float, float> linear;
  REQUIRE(linear.ask() == CUBLAS_STATUS_SUCCESS);
  float *a = linear.a.data(), *b = linear.b.data(), *d = linear.d.data();
  char* scratch = linear.workspace.data();
  std::vector<float> host(64);
  CHECK(linear.run(nullptr, b, d, scratch, 8192) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(linear.run(a, b, d, scratch, 0) == CUBLAS_STATUS_INVALID_VALUE);
  check_dies("operand A of a matrix product: 216 bytes at offset 16", [&] { linear.run(a + 4, b, d, scratch, 8192); });
  check_dies("operand B of a matrix product is not aligned as the heuristic was told",
             [&] { linear.run(a, b + 1, d, scratch, 8192); });
  check_dies("operand D of a matrix product is not device memory", [&] {
    alignas(256) float result[64];
    linear.run(a, b, result, scratch, 8192);
  });
  check_dies("the workspace of cuBLASLt is not aligned", [&] { linear.run(a, b, d, scratch + 16, 4096); });
  check_dies("the workspace of cuBLASLt: 8448 bytes", [&] { linear.run(a, b, d, scratch, 8448); });
  check_dies("the bias of a matrix product is not aligned as the heuristic was told", [&] {
    linear.set_bias(linear.bias.data() + 4);
    linear.run();
  });
  check_dies("the bias of a matrix product is not aligned", [&] {
    linear.set_bias(linear.bias.data() + 1);
    linear.ask();
    linear.run();
  });
  check_dies("operand bias of a matrix product: 28 bytes at offset 48", [&] {
    linear.set_bias(linear.bias.data() + 12);
    linear.ask();
    linear.run();
  });
  linear.set_bias(nullptr);
  CHECK(linear.run() == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(cublasLtDestroy(nullptr) == CUBLAS_STATUS_NOT_INITIALIZED);
}

TEST_CASE(
    "An algorithm is for the problem it was chosen for; descriptors are not used after their end, or left behind") {
  const std::string before = ssam_emulation::leak_report();
  {
    Linear<float, float> linear;
    REQUIRE(linear.ask() == CUBLAS_STATUS_SUCCESS);
    check_dies("chosen for another problem", [&] {
      cublasLtMatrixLayoutDestroy(linear.layout_d);
      cublasLtMatrixLayoutCreate(&linear.layout_d, CUDA_R_32F, linear.m, linear.n, linear.m);
      linear.run();
    });
    check_dies("not the heuristic's", [&] {
      linear.chosen.algo = {};
      linear.run();
    });
    check_dies("a matrix layout of cuBLASLt that is none, or is destroyed", [&] {
      cublasLtMatrixLayoutDestroy(linear.layout_b);
      linear.run();
    });
    check_dies("a matmul descriptor of cuBLASLt that is none, or is destroyed", [&] {
      cublasLtMatmulDescDestroy(linear.operation);
      linear.set_bias(nullptr);
    });
    CHECK(ssam_emulation::leak_report().find("cuBLASLt: 3 of matrix layout\n") != std::string::npos);
  }
  CHECK(ssam_emulation::leak_report() == before);
}
