#include <ssam/ops/ops.hpp>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

namespace {

template <class S>
struct Factors {
  std::vector<S> u, s, vt;
};

template <class S, class Device>
Factors<S> factor(Context<Device>& context, const Tensor<S, Cpu>& matrix) {
  const Index m = matrix.dim(0), n = matrix.dim(1), r = std::min(m, n);
  const Tensor<S, Device> a(matrix.shape(), matrix.to_host());
  Tensor<S, Device> u({m, r}), s({r}), vt({r, n});
  ops::svd<S>(context, a, u.view(), s.view(), vt.view());
  context.synchronize();
  CHECK(a.to_host() == matrix.to_host());
  return {u.to_host(), s.to_host(), vt.to_host()};
}

/// U diag(s) Vt, and the largest deviation of U^T U and Vt V from the identity.
template <class S>
std::pair<std::vector<S>, double> assemble(const Factors<S>& f, Index m, Index n) {
  const Index r = std::min(m, n);
  const auto at = [](const std::vector<S>& x, Index i) { return static_cast<double>(x[static_cast<std::size_t>(i)]); };
  std::vector<S> product;
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      double sum = 0;
      for (Index k = 0; k < r; ++k) sum += at(f.u, i * r + k) * at(f.s, k) * at(f.vt, k * n + j);
      product.push_back(static_cast<S>(sum));
    }
  }
  double skew = 0;
  for (Index p = 0; p < r; ++p) {
    for (Index q = 0; q < r; ++q) {
      double left = p == q ? -1 : 0, right = left;
      for (Index i = 0; i < m; ++i) left += at(f.u, i * r + p) * at(f.u, i * r + q);
      for (Index j = 0; j < n; ++j) right += at(f.vt, p * n + j) * at(f.vt, q * n + j);
      skew = std::max({skew, std::abs(left), std::abs(right)});
    }
  }
  return {product, skew};
}

}  // namespace

TEST_CASE_TEMPLATE("singular value decompositions of every shape", S, float, double) {
  Context<Cpu> host(1);
  Context<Cuda> device(1);
  const double tolerance = 10 * parity_tolerance<S>;
  for (const auto& [rows, cols] : {std::pair<Index, Index>{1, 1}, {7, 7}, {5, 33}, {41, 6}, {1, 9}, {9, 1}}) {
    const Index m = rows, n = cols;  // Clang 14 captures no structured binding
    CAPTURE(m);
    CAPTURE(n);
    const auto matrix = random_tensor<S>({m, n}, static_cast<std::uint64_t>(m * 100 + n));
    const auto expected = factor<S>(host, matrix), found = factor<S>(device, matrix);
    CHECK(l2_difference(found.s, expected.s) < tolerance);
    CHECK(std::is_sorted(found.s.rbegin(), found.s.rend()));
    const auto [product, skew] = assemble(found, m, n);
    CHECK(l2_difference(product, matrix.to_host()) < tolerance);
    CHECK(skew < tolerance);
  }
}

TEST_CASE("matrices that cannot be factored") {
  Context<Cuda> context(1);
  const Tensor<float, Cuda> bad({2, 2}, {1, 2, std::nanf(""), 4});
  Tensor<float, Cuda> u({2, 2}), s({2}), vt({2, 2}), wrong({3});
  CHECK_THROWS_AS(ops::svd<float>(context, bad, u.view(), s.view(), vt.view()), ConfigError);
  CHECK_THROWS_AS(ops::svd<float>(context, bad, u.view(), wrong.view(), vt.view()), ShapeError);
  const Tensor<float, Cuda> none({0, 2});
  Tensor<float, Cuda> no_u({0, 0}), no_s({0}), no_vt({0, 2});
  ops::svd<float>(context, none, no_u.view(), no_s.view(), no_vt.view());
}
