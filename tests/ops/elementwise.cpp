#include <ssam/ops/ops.hpp>

#include "testing.hpp"

using namespace ssam;
using namespace ssam::testing;

namespace {
constexpr Index rows = 389, cols = 67;

/// Element by element: expected(i) in double against the result.
template <class S, class F>
void check_elements(const Tensor<S, Cpu>& found, const F& expected) {
  std::vector<double> values;
  for (Index i = 0; i < found.size(); ++i) values.push_back(expected(i));
  CHECK(difference(found.to_host(), values) < (std::is_same_v<S, float> ? 1e-6 : 1e-14));
}

template <class S>
double value(const Tensor<S, Cpu>& x, Index i) {
  return static_cast<double>(x.data()[i]);
}
}  // namespace

TEST_CASE_TEMPLATE("elementwise ops agree with plain loops, also in place", S, float, double) {
  Context<Cpu> context(2);
  const auto a = random_tensor<S>({rows, cols}, 1), b = random_tensor<S>({rows, cols}, 2);
  Tensor<S, Cpu> out({rows, cols});
  ops::add(context, a, b, out.view());
  check_elements(out, [&](Index i) { return value(a, i) + value(b, i); });
  ops::copy(context, a, out.view());
  CHECK(out.to_host() == a.to_host());
  ops::add(context, out, b, out.view());
  check_elements(out, [&](Index i) { return value(a, i) + value(b, i); });
  ops::accumulate(context, b, out.view());
  check_elements(out, [&](Index i) { return value(a, i) + 2 * value(b, i); });
  ops::scale(context, 3, out.view());
  check_elements(out, [&](Index i) { return 3 * (value(a, i) + 2 * value(b, i)); });
  ops::fill(context, out.view(), S(7));
  check_elements(out, [&](Index) { return 7.0; });
  CHECK_THROWS_AS(ops::add(context, a, b.view().slice(0), out.view()), ShapeError);
}

TEST_CASE_TEMPLATE("row ops agree with plain loops on strided matrices", S, float, double) {
  Context<Cpu> context(2);
  const auto a = random_tensor<S>({rows, cols}, 1), b = random_tensor<S>({rows, cols}, 2);
  const auto row = random_tensor<S>({20}, 3);
  const auto left = a.view().matrix().columns(5, 20), right = b.view().matrix().columns(30, 20);
  const auto at = [&](const Tensor<S, Cpu>& x, Index first, Index i) {
    return value(x, i / 20 * cols + first + i % 20);
  };
  Tensor<S, Cpu> out({rows, 20}), wide({rows, cols}), sums({20}, std::vector<S>(20, S(1)));
  ops::copy_matrix(context, left, out.view().matrix());
  check_elements(out, [&](Index i) { return at(a, 5, i); });
  ops::accumulate_matrix(context, right, out.view().matrix());
  check_elements(out, [&](Index i) { return at(a, 5, i) + at(b, 30, i); });
  ops::add_row(context, row, out.view().matrix());
  check_elements(out, [&](Index i) { return at(a, 5, i) + at(b, 30, i) + value(row, i % 20); });
  ops::multiply_row(context, left, row, out.view().matrix());
  check_elements(out, [&](Index i) { return at(a, 5, i) * value(row, i % 20); });
  ops::copy_matrix(context, {row.data(), rows, 20, 0}, wide.view().matrix().columns(40, 20));
  check_elements(wide, [&](Index i) {
    const Index c = i % cols - 40;
    return c >= 0 && c < 20 ? value(row, c) : 0.0;
  });
  const auto sum_over_rows = [&](const auto& term) {
    return [=](Index c) {
      double sum = 1;  // what was there before
      for (Index r = 0; r < rows; ++r) sum += term(r * 20 + c);
      return sum;
    };
  };
  ops::sum_rows(context, left, sums.view());
  check_elements(sums, sum_over_rows([&](Index i) { return at(a, 5, i); }));
  ops::fill(context, sums.view(), S(1));
  ops::dot_rows(context, left, right, sums.view());
  check_elements(sums, sum_over_rows([&](Index i) { return at(a, 5, i) * at(b, 30, i); }));
  CHECK_THROWS_AS(ops::sum_rows(context, left, wide.view()), ShapeError);
}

TEST_CASE("sums over rows and matrix products do not depend on the thread count") {
  const auto a = random_tensor<float>({1031, 67}, 1), b = random_tensor<float>({1031, 67}, 2);
  check_threads([&](Context<Cpu>& context) {
    Tensor<float, Cpu> sums({67});
    ops::dot_rows(context, a.view().matrix(), b.view().matrix(), sums.view());
    return sums;
  });
  // One panel (the provider itself must not use threads) and several.
  for (const Index m : {67, 150, 1031}) {
    CAPTURE(m);
    const auto left = random_tensor<float>({m, 1000}, 3), right = random_tensor<float>({1000, 67}, 4);
    check_threads([&](Context<Cpu>& context) {
      Tensor<float, Cpu> c({m, 67});
      ops::matmul(context, ops::Transpose::no, ops::Transpose::no, left.view().matrix(), right.view().matrix(),
                  c.view().matrix());
      return c;
    });
    const auto left64 = random_tensor<double>({m, 1000}, 3), right64 = random_tensor<double>({1000, 67}, 4);
    check_threads([&](Context<Cpu>& context) {
      Tensor<double, Cpu> c({m, 67});
      ops::matmul(context, ops::Transpose::no, ops::Transpose::no, left64.view().matrix(), right64.view().matrix(),
                  c.view().matrix());
      return c;
    });
  }
}

TEST_CASE_TEMPLATE("gemm agrees with plain loops for every transposition", S, float, double) {
  Context<Cpu> context(2);
  using ops::Transpose;
  const Index m = 203, n = 45, k = 37;
  for (const Transpose a_op : {Transpose::no, Transpose::yes}) {
    for (const Transpose b_op : {Transpose::no, Transpose::yes}) {
      const bool at = a_op == Transpose::yes, bt = b_op == Transpose::yes;
      const auto a = random_tensor<S>(at ? Shape{k, m} : Shape{m, k}, 1);
      const auto b = random_tensor<S>(bt ? Shape{n, k} : Shape{k, n}, 2);
      const auto before = random_tensor<S>({m, n}, 3);
      auto c = before;
      ops::gemm(context, a_op, b_op, S(0.5), a.view().matrix(), b.view().matrix(), S(2), c.view().matrix());
      check_elements(c, [&](Index i) {
        double sum = 0;
        for (Index x = 0; x < k; ++x) {
          sum += value(a, at ? x * m + i / n : i / n * k + x) * value(b, bt ? i % n * k + x : x * n + i % n);
        }
        return 0.5 * sum + 2 * value(before, i);
      });
    }
  }
}
