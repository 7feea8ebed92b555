#include <ssam/ops/cuda/memory.cuh>
#include <ssam/ops/cuda/mma.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

// Small integers, exact in every precision: a product on tensor cores is the product, if every lane has the elements
// that mma.cuh says it has.

namespace {

constexpr int rows = 16, columns = 8;

template <MatmulPrecision Precision>
constexpr bool is_bf16 = Precision == MatmulPrecision::bf16;
template <MatmulPrecision Precision>
constexpr int depth = is_bf16<Precision> ? 16 : 8;

template <MatmulPrecision Precision>
using Element = std::conditional_t<is_bf16<Precision>, __nv_bfloat16, float>;

/// d [16, 8] += a [16, depth] b, b in shared memory as it is ([depth, 8], bfloat16 only) or transposed, by one warp.
template <MatmulPrecision Precision>
__global__ void __launch_bounds__(32) product_kernel(const float* a, const float* b, bool b_transposed, float* d) {
  constexpr int k = depth<Precision>, half = k / 2;
  using E = Element<Precision>;
  E* a_rows = ops::detail::dynamic_shared<E>();
  E* b_rows = a_rows + rows * k;
  const auto convert = [](float value) {
    if constexpr (is_bf16<Precision>) return __float2bfloat16_rn(value);
    if constexpr (!is_bf16<Precision>) return value;
  };
  const int lane = int(threadIdx.x), group = lane / 4, place = lane % 4;
  for (int i = lane; i < rows * k; i += 32) a_rows[i] = convert(a[i]);
  for (int i = lane; i < columns * k; i += 32) b_rows[i] = convert(b[i]);
  __syncthreads();
  unsigned x[4], y[4];
  ops::detail::load_matrices(a_rows + lane % 16 * k + lane / 16 * half, x);
  if (b_transposed) {
    ops::detail::load_matrices(b_rows + lane % 8 * k + lane / 8 % 2 * half, y);
  } else {
    ops::detail::load_matrices_transposed(b_rows + lane % 16 % k * columns, y);
  }
  float sums[4];
  for (int i = 0; i < 4; ++i) sums[i] = d[(group + i / 2 * 8) * columns + 2 * place + i % 2];
  ops::detail::multiply_add<Precision>(sums[0], sums[1], sums[2], sums[3], x, y[0], y[1]);
  for (int i = 0; i < 4; ++i) d[(group + i / 2 * 8) * columns + 2 * place + i % 2] = sums[i];
}

template <MatmulPrecision Precision>
void check_product(bool b_transposed) {
  CAPTURE(b_transposed);
  constexpr int k = depth<Precision>;
  std::vector<float> a(rows * k), b(columns * k), d(rows * columns), expected;
  int next = 0;
  for (auto* numbers : {&a, &b, &d}) {
    for (float& x : *numbers) x = static_cast<float>((next += 37) % 61 - 30);
  }
  expected = d;
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      for (int i = 0; i < k; ++i) {
        const int from = b_transposed ? c * k + i : i * columns + c;
        expected[std::size_t(r * columns + c)] += a[std::size_t(r * k + i)] * b[std::size_t(from)];
      }
    }
  }
  using Device = BasicCuda<Precision>;
  Context<Device> context(1);
  const Tensor<float, Device> da({rows, k}, a), db({columns, k}, b);
  CHECK(same_every_time([&] {
    Tensor<float, Device> result({rows, columns}, d);
    ops::detail::launch(context, "product", product_kernel<Precision>, 1, 32,
                        sizeof(Element<Precision>) * (rows + columns) * k, da.data(), db.data(), b_transposed,
                        result.data());
    context.synchronize();
    CHECK(result.to_host() == expected);
    return result.to_host();
  }));
}

}  // namespace

TEST_CASE("tensor cores multiply matrices from shared memory") {
  check_product<MatmulPrecision::bf16>(true);
  check_product<MatmulPrecision::bf16>(false);
  check_product<MatmulPrecision::tf32>(true);
}

#if defined(SSAM_CUDA_EMULATION)
TEST_CASE("TF32 numbers are rounded to nearest") {
  const auto rounded = [](float x) { return std::bit_cast<float>(ops::detail::tf32_word(x)); };
  CHECK(rounded(1.0f) == 1.0f);
  CHECK(rounded(1.0f + 0x1p-11f) == 1.0f + 0x1p-10f);
  CHECK(rounded(1.0f + 0x1.8p-12f) == 1.0f);
  CHECK(rounded(-1.0f - 0x1p-11f) == -1.0f - 0x1p-10f);
  CHECK(std::isinf(rounded(INFINITY)));
  CHECK(std::isnan(rounded(NAN)));
}
#endif
