#include <ssam/ops/ops.hpp>

#include "testing.hpp"

using namespace ssam;
using namespace ssam::testing;

namespace {

/// Factors `a` and checks u diag(s) vt = a, orthonormal u and v, descending s.
template <class S>
void check_factors(const Tensor<S, Cpu>& a, double orthonormal = std::is_same_v<S, float> ? 1e-6 : 1e-13) {
  Context<Cpu> context(1);
  const Index m = a.dim(0), n = a.dim(1), r = std::min(m, n);
  Tensor<S, Cpu> u({m, r}), s({r}), vt({r, n});
  ops::svd(context, a, u.view(), s.view(), vt.view());
  const double tolerance = std::is_same_v<S, float> ? 1e-6 : 1e-13;
  std::vector<double> product;
  for (Index i = 0; i < m * n; ++i) {
    double sum = 0;
    for (Index k = 0; k < r; ++k) {
      sum += static_cast<double>(u.data()[i / n * r + k]) * static_cast<double>(s.data()[k]) *
             static_cast<double>(vt.data()[k * n + i % n]);
    }
    product.push_back(sum);
  }
  CHECK(difference(product, a.to_host()) < tolerance);
  double worst = 0;
  for (Index i = 0; i < r; ++i) {
    for (Index j = 0; j < r; ++j) {
      double left = i == j ? -1 : 0, right = left;
      for (Index k = 0; k < m; ++k)
        left += static_cast<double>(u.data()[k * r + i]) * static_cast<double>(u.data()[k * r + j]);
      for (Index k = 0; k < n; ++k)
        right += static_cast<double>(vt.data()[i * n + k]) * static_cast<double>(vt.data()[j * n + k]);
      worst = larger(larger(worst, std::abs(left)), std::abs(right));
    }
  }
  CHECK(worst < orthonormal);
  for (Index i = 0; i + 1 < r; ++i) CHECK(s.data()[i] >= s.data()[i + 1]);
}

}  // namespace

TEST_CASE_TEMPLATE("svd of tall, wide, square and rank deficient matrices", S, float, double) {
  check_factors(random_tensor<S>({90, 37}, 1));
  check_factors(random_tensor<S>({37, 90}, 2));
  check_factors(random_tensor<S>({61, 61}, 3));
  check_factors(random_tensor<S>({61, 45}, 6));  // too little taller to be made square first
  check_factors(random_tensor<S>({45, 61}, 7));
  check_factors(random_tensor<S>({1, 9}, 4));
  auto low_rank = random_tensor<S>({50, 40}, 5);
  for (Index i = 0; i < 50; ++i) {
    for (Index j = 3; j < 40; ++j) low_rank.data()[i * 40 + j] = low_rank.data()[i * 40 + j % 3];
  }
  // Eigen's vectors of (many) zero singular values are orthonormal to sqrt(epsilon) only, on some instruction sets.
  check_factors(low_rank, 1e-6);
  Tensor<S, Cpu> tall({80, 40});  // 40 rows twice: made square first, and of low rank
  for (Index i = 0; i < tall.size(); ++i) tall.data()[i] = low_rank.data()[i % (40 * 40)];
  check_factors(tall, 1e-6);
}

TEST_CASE("svd refuses wrong shapes and values") {
  Context<Cpu> context(1);
  Tensor<float, Cpu> a({3, 2}, {1, 2, 3, 4, 5, NAN}), u({3, 2}), s({2}), vt({2, 2});
  CHECK_THROWS_AS(ops::svd(context, a, u.view(), s.view(), vt.view()), ConfigError);
  CHECK_THROWS_AS(ops::svd(context, a, vt.view(), s.view(), u.view()), ShapeError);
}
