#include <ssam/ops/cpu/gemm.hpp>
#include <ssam/ops/cuda/gemm.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

namespace {

/// op(A) op(B) of matrices that are columns of wider ones, with every other element left as it was.
template <class S>
void check_products(Index m, Index n, Index k, Index slack) {
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  for (const auto a_op : {ops::Op::none, ops::Op::transpose}) {
    for (const auto b_op : {ops::Op::none, ops::Op::transpose}) {
      const bool at = a_op == ops::Op::transpose, bt = b_op == ops::Op::transpose;
      const Index a_rows = at ? k : m, a_cols = at ? m : k, b_rows = bt ? n : k, b_cols = bt ? k : n;
      const auto a = random_tensor<S>({a_rows, a_cols + slack}, 1), b = random_tensor<S>({b_rows, b_cols + slack}, 2);
      const auto c = random_tensor<S>({m, n + slack}, 3);
      check_parity<S>({a, b, c}, [&](auto& context, auto& t) {
        ops::gemm<S>(context, a_op, b_op, S(0.75), std::as_const(t[0]).view().matrix().columns(slack, a_cols),
                     std::as_const(t[1]).view().matrix().columns(0, b_cols), S(-0.5),
                     t[2].view().matrix().columns(slack, n));
      });
      check_parity<S>({a, b, c}, [&](auto& context, auto& t) {
        ops::multiply<S>(context, a_op, b_op, std::as_const(t[0]).view().matrix().columns(0, a_cols),
                         std::as_const(t[1]).view().matrix().columns(slack, b_cols),
                         t[2].view().matrix().columns(0, n));
      });
    }
  }
}

/// Largest |difference| from the exact product of a precision, over the largest element.
template <class Device>
double error_of() {
  const auto a = random_tensor<float>({37, 301}, 1), b = random_tensor<float>({19, 303}, 2);
  Context<Cpu> host(1);
  Tensor<float, Cpu> expected({37, 19});
  ops::multiply<float>(host, ops::Op::none, ops::Op::transpose, a.view().matrix(), b.view().matrix().columns(2, 301),
                       expected.view().matrix());
  Context<Device> context(1);
  const Tensor<float, Device> da(a.shape(), a.to_host()), db(b.shape(), b.to_host());
  Tensor<float, Device> result(expected.shape());
  ops::multiply<float>(context, ops::Op::none, ops::Op::transpose, da.view().matrix(),
                       db.view().matrix().columns(2, 301), result.view().matrix());
  context.synchronize();
  return l2_difference(result.to_host(), expected.to_host());
}

}  // namespace

TEST_CASE_TEMPLATE("matrix products agree on both devices", S, float, double) {
  check_products<S>(1, 1, 1, 0);
  check_products<S>(1, 33, 5, 3);
  check_products<S>(70, 3, 17, 1);
  check_products<S>(65, 129, 66, 4);
  check_products<S>(3, 5, 0, 2);
}

TEST_CASE("a product with nothing in it does nothing, one that does not fit throws") {
  Context<Cuda> context(1);
  Tensor<float, Cuda> a({3, 4}), b({4, 2}), c({3, 2});
  const MatrixView<float, Cuda> empty{nullptr, 0, 2, 2}, no_rows{nullptr, 0, 4, 4};
  ops::multiply<float>(context, ops::Op::none, ops::Op::none, no_rows, b.view().matrix(), empty);
  CHECK_THROWS_AS(ops::multiply<float>(context, ops::Op::none, ops::Op::transpose, a.view().matrix(), b.view().matrix(),
                                       c.view().matrix()),
                  ShapeError);
  const MatrixView<float, Cuda> repeated{a.data(), 3, 4, 0};
  CHECK_THROWS_AS(
      ops::multiply<float>(context, ops::Op::none, ops::Op::none, repeated, b.view().matrix(), c.view().matrix()),
      ShapeError);
}

TEST_CASE("the precision of products is the device's") {
  const double fp32 = error_of<Cuda>(), tf32 = error_of<CudaTf32>(), bf16 = error_of<CudaBf16>();
  CHECK(fp32 < 1e-6);
  CHECK(tf32 > 1e-5);  // it really is another precision
  CHECK(tf32 < 1e-3);
  CHECK(bf16 > 5e-4);
  CHECK(bf16 < 1e-2);
}
