#include <ssam/ops/cpu/gemm.hpp>
#include <ssam/ops/cuda/gemm.cuh>
#include <ssam/ops/cuda/linear.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

namespace {

/// A scalar on a device.
template <class Scalar, class Device>
struct On {
  using S = Scalar;
  using D = Device;
};
using Fp64 = On<double, Cuda>;
using Fp32 = On<float, Cuda>;
using Bf16 = On<float, CudaBf16>;

/// Random numbers that the device reads as they are: of 8 significant bits where it rounds to bfloat16.
template <class T>
Tensor<typename T::S, Cpu> operand(const Shape& shape, std::uint64_t seed) {
  auto tensor = random_tensor<typename T::S>(shape, seed);
  if constexpr (T::D::precision == MatmulPrecision::bf16) {
    for (Index i = 0; i < tensor.size(); ++i) tensor.data()[i] = std::round(tensor.data()[i] * 32) / 32;
  }
  return tensor;
}

/// op(A) op(B) of matrices that are columns of wider ones, with every other element left as it was.
template <class T>
void check_products(Index m, Index n, Index k, Index slack) {
  using S = typename T::S;
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  for (const auto a_op : {ops::Transpose::no, ops::Transpose::yes}) {
    for (const auto b_op : {ops::Transpose::no, ops::Transpose::yes}) {
      const bool at = a_op == ops::Transpose::yes, bt = b_op == ops::Transpose::yes;
      const Index a_rows = at ? k : m, a_cols = at ? m : k, b_rows = bt ? n : k, b_cols = bt ? k : n;
      const auto a = operand<T>({a_rows, a_cols + slack}, 1), b = operand<T>({b_rows, b_cols + slack}, 2);
      const auto c = operand<T>({m, n + slack}, 3);
      check_parity<S, typename T::D>({a, b, c}, [&](auto& context, auto& t) {
        ops::gemm<S>(context, a_op, b_op, S(0.75), std::as_const(t[0]).view().matrix().columns(slack, a_cols),
                     std::as_const(t[1]).view().matrix().columns(0, b_cols), S(-0.5),
                     t[2].view().matrix().columns(slack, n));
      });
      check_parity<S, typename T::D>({a, b, c}, [&](auto& context, auto& t) {
        ops::matmul<S>(context, a_op, b_op, std::as_const(t[0]).view().matrix().columns(0, a_cols),
                       std::as_const(t[1]).view().matrix().columns(slack, b_cols), t[2].view().matrix().columns(0, n));
      });
    }
  }
}

/// x w^T with and without a bias. Matrices are columns of ones that are `slack` wider; the bias begins `first` elements
/// into its memory.
template <class T>
void check_linear(Index n, Index in, Index out, Index slack, Index first) {
  using S = typename T::S;
  CAPTURE(n);
  CAPTURE(in);
  CAPTURE(out);
  CAPTURE(slack);
  CAPTURE(first);
  const auto x = operand<T>({n, in + slack}, 1), w = operand<T>({out, in + 2 * slack}, 2);
  const auto bias = operand<T>({first + out}, 3), y = operand<T>({n, out + slack}, 4);
  for (const bool with_bias : {true, false}) {
    CAPTURE(with_bias);
    check_parity<S, typename T::D>({x, w, bias, y}, [&](auto& context, auto& t) {
      auto row = part(t[2], first, {out});
      if (!with_bias) row = {};
      ops::linear<S>(context, std::as_const(t[0]).view().matrix().columns(slack, in),
                     std::as_const(t[1]).view().matrix().columns(0, in), row, t[3].view().matrix().columns(slack, out));
    });
  }
}

/// Several products at once on the GPU, one after the other on the host.
template <class S, class Device>
void products(Context<Device>& context, ops::Transpose a_op, ops::Transpose b_op, S alpha,
              MatrixView<const S, Device> a, Index a_step, MatrixView<const S, Device> b, Index b_step, S beta,
              MatrixView<S, Device> c, Index c_step, Index count) {
  if constexpr (CudaDevice<Device>) {
    ops::detail::gemm_batched<S>(context, a_op, b_op, alpha, {a, a_step}, {b, b_step}, beta, {c, c_step}, count);
  } else {
    for (Index i = 0; i < count; ++i) {
      a.data += i > 0 ? a_step : 0;
      b.data += i > 0 ? b_step : 0;
      c.data += i > 0 ? c_step : 0;
      ops::gemm<S>(context, a_op, b_op, alpha, a, b, beta, c);
    }
  }
}

/// |difference| from the exact product of a precision, relative, where `product` multiplies x [37, 301] and columns of
/// w [19, 303].
template <class Device, class F>
double error_of(const F& product) {
  const auto x = random_tensor<float>({256, 512}, 1), w = random_tensor<float>({128, 512}, 2),
             bias = random_tensor<float>({128}, 3);
  const auto run = [&](auto& context, auto& y, const auto& own_x, const auto& own_w, const auto& own_bias) {
    product(context, own_x.view().matrix(), own_w.view().matrix(), own_bias.view(), y.view().matrix());
    context.synchronize();
    return y.to_host();
  };
  Context<Cpu> host(1);
  Context<Device> context(1);
  Tensor<float, Cpu> expected({256, 128});
  Tensor<float, Device> found({256, 128});
  const Tensor<float, Device> own_x(x.shape(), x.to_host()), own_w(w.shape(), w.to_host()),
      own_bias(bias.shape(), bias.to_host());
  return l2_difference(run(context, found, own_x, own_w, own_bias), run(host, expected, x, w, bias));
}

/// How far several products at once are from one after the other, in the precision of the device.
template <class Device>
double batch_difference() {
  constexpr Index tokens = 21, keys = 13, dim = 10, heads = 3;
  const auto q = random_tensor<float>({tokens, heads * dim + 1}, 1), k = random_tensor<float>({keys, dim}, 2);
  Context<Device> context(1);
  const Tensor<float, Device> own_q(q.shape(), q.to_host()), own_k(k.shape(), k.to_host());
  Tensor<float, Device> batch({heads, tokens, keys}), single({heads, tokens, keys});
  ops::detail::gemm_batched<float>(context, ops::Transpose::no, ops::Transpose::yes, 1.0f,
                                   {own_q.view().matrix().columns(1, dim), dim}, {own_k.view().matrix(), 0}, 0.0f,
                                   {batch.view().slice(0).matrix(), tokens * keys}, heads);
  for (Index head = 0; head < heads; ++head) {
    ops::matmul<float>(context, ops::Transpose::no, ops::Transpose::yes,
                       own_q.view().matrix().columns(1 + head * dim, dim), own_k.view().matrix(),
                       part(single, head * tokens * keys, {tokens, keys}).matrix());
  }
  context.synchronize();
  return l2_difference(batch.to_host(), single.to_host());
}

/// Products of the columns of five heads, which are columns of matrices that are `slack` wider.
template <class T>
void check_batches(Index dim, Index slack) {
  CAPTURE(dim);
  using S = typename T::S;
  constexpr Index tokens = 35, keys = 9, heads = 5;
  const auto wide = operand<T>({tokens, heads * dim + slack}, 1), table = operand<T>({keys, dim + slack}, 2);
  const auto scores = operand<T>({heads, tokens, keys}, 3);
  check_parity<S, typename T::D>({wide, table, scores}, [&](auto& context, auto& t) {  // every head against one table
    products<S>(context, ops::Transpose::no, ops::Transpose::yes, S(0.5),
                std::as_const(t[0]).view().matrix().columns(slack, dim), dim,
                std::as_const(t[1]).view().matrix().columns(0, dim), 0, S(-2), t[2].view().slice(0).matrix(),
                tokens * keys, heads);
  });
  check_parity<S, typename T::D>(
      {wide, table, scores}, [&](auto& context, auto& t) {  // back into the columns of the heads
        products<S>(context, ops::Transpose::no, ops::Transpose::no, S(1), std::as_const(t[2]).view().slice(0).matrix(),
                    tokens * keys, std::as_const(t[1]).view().matrix().columns(slack, dim), 0, S(1),
                    t[0].view().matrix().columns(0, dim), dim, heads);
      });
  check_parity<S, typename T::D>({wide, table, scores}, [&](auto& context, auto& t) {  // operands that overlap
    products<S>(context, ops::Transpose::no, ops::Transpose::yes, S(1),
                std::as_const(t[0]).view().matrix().columns(0, dim), 2,
                std::as_const(t[1]).view().matrix().columns(0, dim), 1, S(0), t[2].view().slice(0).matrix(),
                tokens * keys, slack);
  });
  const auto sums = operand<T>({heads, keys, dim}, 4);
  check_parity<S, typename T::D>({wide, sums, scores}, [&](auto& context, auto& t) {  // over tokens
    products<S>(context, ops::Transpose::yes, ops::Transpose::no, S(1), std::as_const(t[2]).view().slice(0).matrix(),
                tokens * keys, std::as_const(t[0]).view().matrix().columns(0, dim), dim, S(0),
                t[1].view().slice(0).matrix(), keys * dim, heads);
  });
}

}  // namespace

TEST_CASE_TEMPLATE("matrix products agree on both devices", T, Fp64, Fp32, Bf16) {
  check_products<T>(1, 1, 1, 0);
  check_products<T>(1, 33, 5, 3);
  check_products<T>(70, 3, 17, 1);
  check_products<T>(65, 129, 66, 4);
  check_products<T>(8, 20, 12, 4);  // all at multiples of 16 bytes
  check_products<T>(3, 5, 0, 2);
}

TEST_CASE("a product with nothing in it does nothing, one that does not fit throws") {
  Context<Cuda> context(1);
  Tensor<float, Cuda> a({3, 4}), b({4, 2}), c({3, 2});
  const MatrixView<float, Cuda> empty{nullptr, 0, 2, 2}, no_rows{nullptr, 0, 4, 4};
  ops::matmul<float>(context, ops::Transpose::no, ops::Transpose::no, no_rows, b.view().matrix(), empty);
  CHECK_THROWS_AS(ops::matmul<float>(context, ops::Transpose::no, ops::Transpose::yes, a.view().matrix(),
                                     b.view().matrix(), c.view().matrix()),
                  ShapeError);
  const MatrixView<float, Cuda> repeated{a.data(), 3, 4, 0};
  CHECK_THROWS_AS(ops::matmul<float>(context, ops::Transpose::no, ops::Transpose::no, repeated, b.view().matrix(),
                                     c.view().matrix()),
                  ShapeError);
}

TEST_CASE_TEMPLATE("products with a bias agree on both devices", T, Fp64, Fp32, Bf16) {
  for (const Index first : {0, 1, 4}) {  // the bias at 256 bytes, at one element, at 16 bytes or more
    check_linear<T>(1, 1, 1, 0, first);
    check_linear<T>(1, 33, 5, 3, first);
    check_linear<T>(70, 17, 1, 1, first);
    check_linear<T>(65, 66, 129, 4, first);
    check_linear<T>(3, 0, 5, 2, first);
  }
}

TEST_CASE("a product with a bias that cuBLASLt has no algorithm for is done all the same") {
  const NoAlgorithms none;
  check_linear<Fp32>(65, 66, 129, 4, 0);
  check_linear<Fp64>(7, 6, 5, 0, 0);
}

TEST_CASE("a product with a bias and nothing in it does nothing, one that does not fit throws") {
  Context<Cuda> context(1);
  Tensor<float, Cuda> x({3, 4}), w({2, 4}), bias({2}), y({3, 2});
  const MatrixView<float, Cuda> no_rows{nullptr, 0, 4, 4}, nothing{nullptr, 0, 2, 2};
  ops::linear<float>(context, no_rows, w.view().matrix(), bias, nothing);
  CHECK(context.linear_plans().size() == 0);
  CHECK_THROWS_AS(ops::linear<float>(context, x.view().matrix(), w.view().matrix(), x, y.view().matrix()), ShapeError);
  CHECK_THROWS_AS(ops::linear<float>(context, w.view().matrix(), x.view().matrix(), bias, y.view().matrix()),
                  ShapeError);
  const MatrixView<float, Cuda> repeated{x.data(), 3, 4, 0};
  CHECK_THROWS_AS(ops::linear<float>(context, repeated, w.view().matrix(), bias, y.view().matrix()), ShapeError);
}

TEST_CASE("a product with a bias is asked about once for each shape, stride and alignment") {
  Context<Cuda> context(1);
  const Tensor<float, Cuda> x({9, 12}), w({10, 12}), bias({20});
  Tensor<float, Cuda> y({9, 16});
  const auto run = [&](Index in, Index first) {
    ops::linear<float>(context, x.view().matrix().columns(first, in), w.view().matrix().columns(0, in),
                       TensorView<const float, Cuda>{bias.data(), {10}}, y.view().matrix().columns(0, 10));
  };
  run(8, 0);
  CHECK(context.linear_plans().size() == 1);
  CHECK(questions_of([&] { run(8, 0); }) == 0);
  run(8, 1);  // not aligned
  CHECK(context.linear_plans().size() == 2);
  run(7, 0);
  CHECK(context.linear_plans().size() == 3);
  CHECK(questions_of([&] {
          for (int i = 0; i < 3; ++i) {
            run(7, 0);
            run(8, 1);
            run(8, 0);
          }
        }) == 0);
  CHECK(context.linear_plans().size() == 3);
  context.synchronize();
}

TEST_CASE("what is kept about products with a bias is bounded") {
  Context<Cuda> context(1);
  const Tensor<float, Cuda> x({64, 66}), w({1, 66}), bias({1});
  Tensor<float, Cuda> y({64, 1});
  for (Index n = 1; n <= 64; ++n) {
    for (Index in = 1; in <= 66; ++in) {
      const MatrixView<const float, Cuda> rows{x.data(), n, in, 66};
      ops::linear<float>(context, rows, w.view().matrix().columns(0, in), bias,
                         MatrixView<float, Cuda>{y.data(), n, 1, 1});
    }
  }
  context.synchronize();
  CHECK(context.linear_plans().size() == 64 * 66 - detail::LinearPlans::capacity);
}

TEST_CASE_TEMPLATE("several products at once agree with one after the other", T, Fp64, Fp32, Bf16) {
  check_batches<T>(6, 3);
  check_batches<T>(8, 4);  // at multiples of 16 bytes, but for operands that overlap
}

TEST_CASE("several products at once that do not fit or whose results overlap throw") {
  Context<Cuda> context(1);
  Tensor<float, Cuda> a({4, 12}), b({6, 3}), c({4, 18});
  const auto run = [&](Index rows, Index c_step, Index count) {
    ops::detail::gemm_batched<float>(context, ops::Transpose::no, ops::Transpose::yes, 1.0f,
                                     {a.view().matrix().columns(0, 3), 3}, {{b.data(), rows, 3, 3}, 0}, 0.0f,
                                     {c.view().matrix().columns(0, 6), c_step}, count);
    context.synchronize();
  };
  run(6, 6, 3);
  run(6, 0, 1);
  run(6, 0, 0);
  CHECK_THROWS_AS(run(5, 6, 3), ShapeError);
  CHECK_THROWS_AS(run(6, 0, 3), ShapeError);
  CHECK_THROWS_AS(run(6, 5, 3), ShapeError);
  CHECK_THROWS_AS(run(6, 6, 4), ShapeError);
}
TEST_CASE("the precision of products is the device's") {
  const auto check = [](double fp32, double tf32, double bf16) {
    CHECK(fp32 < 1e-6);
    CHECK(tf32 > 1e-5);  // it really is another precision
    CHECK(tf32 < 1e-3);
    CHECK(bf16 > 5e-4);
    CHECK(bf16 < 1e-2);
  };
  const auto multiply = [](auto& context, auto x, auto w, auto, auto y) {
    ops::matmul<float>(context, ops::Transpose::no, ops::Transpose::yes, x, w, y);
  };
  const auto linear = [](auto& context, auto x, auto w, auto bias, auto y) {
    ops::linear<float>(context, x, w, bias, y);
  };
  check(error_of<Cuda>(multiply), error_of<CudaTf32>(multiply), error_of<CudaBf16>(multiply));
  check(error_of<Cuda>(linear), error_of<CudaTf32>(linear), error_of<CudaBf16>(linear));
  CHECK(batch_difference<Cuda>() < 1e-6);
  CHECK(batch_difference<CudaTf32>() < 2e-3);  // one of them may not use tensor cores
  CHECK(batch_difference<CudaBf16>() < 1e-6);
}
