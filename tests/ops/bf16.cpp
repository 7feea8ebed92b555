// Products of bfloat16 operands on the host: CpuBf16.

#include <ssam/ops/ops.hpp>
#include <tuple>

#include "testing.hpp"

using namespace ssam;
using namespace ssam::testing;
using ops::Transpose;

namespace {

std::vector<double> bf16_rounded(const std::vector<float>& values) {
  std::vector<double> rounded;
  for (const float value : values) rounded.push_back(static_cast<double>(static_cast<float>(BFloat16(value))));
  return rounded;
}

/// op(a) op(b), m x n, from dense operands.
std::vector<double> bf16_plain_product(const std::vector<double>& a, const std::vector<double>& b, Index m, Index n,
                                       Index k, Transpose a_op, Transpose b_op) {
  std::vector<double> c;
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      double sum = 0;
      for (Index l = 0; l < k; ++l) {
        sum += a[static_cast<std::size_t>(a_op == Transpose::no ? i * k + l : l * m + i)] *
               b[static_cast<std::size_t>(b_op == Transpose::no ? l * n + j : j * k + l)];
      }
      c.push_back(sum);
    }
  }
  return c;
}

/// The kinds of products that can be tried here.
std::vector<Bf16Products> bf16_kinds() {
  if (has_bf16_instructions()) return {Bf16Products::emulated, Bf16Products::processor};
  MESSAGE("skipped: bfloat16 instructions, which this processor or build does not have");
  return {Bf16Products::emulated};
}

/// A matrix of the host under the tag of a context's device.
template <class Device, class S>
MatrixView<S, Device> seen_by(const Context<Device>&, const MatrixView<S, Cpu>& matrix) {
  return matrix;
}

constexpr std::array bf16_ops{Transpose::no, Transpose::yes};

}  // namespace

TEST_CASE("a bfloat16 number is the nearest one, ties to even") {
  const auto bits = [](float value) { return BFloat16(value).bits; };
  CHECK(bits(1.0f) == 0x3f80);
  CHECK(bits(-2.5f) == 0xc020);
  CHECK(bits(1.00390625f) == 0x3f80);                        // 1 + 2^-8: half way, to the even one below
  CHECK(bits(1.01171875f) == 0x3f82);                        // 1 + 3 * 2^-8: half way, to the even one above
  CHECK(bits(std::nextafter(1.00390625f, 2.0f)) == 0x3f81);  // a little more than half way
  CHECK(bits(3.4e38f) == 0x7f80);                            // beyond the largest: infinite
  CHECK(bits(INFINITY) == 0x7f80);
  CHECK(std::isnan(static_cast<float>(BFloat16(std::bit_cast<float>(0x7f800001u)))));  // no NaN becomes infinite
  CHECK(bits(-0.0f) == 0x8000);
  CHECK(bits(std::bit_cast<float>(0x00018000u)) == 0x0002);  // denormals round as others
  for (const float value : {0.1f, -7.3f, 1e-20f, 123456.0f}) {
    CHECK(std::abs(static_cast<float>(BFloat16(value)) - value) <= std::abs(value) * 0x1p-8f);
    CHECK(bits(static_cast<float>(BFloat16(value))) == bits(value));
  }
}

TEST_CASE("products of rounded operands have fp32 sums, for every way the operands lie") {
  for (const Bf16Products kind : bf16_kinds()) {
    Context<CpuBf16> context(2, 0, kind);
    for (const auto& [m, n, k] : {std::tuple<Index, Index, Index>{70, 33, 65}, {300, 17, 40}, {3, 700, 64}}) {
      for (const Transpose a_op : bf16_ops) {
        for (const Transpose b_op : bf16_ops) {
          const auto a = random_tensor<float>({m, k}, 1), b = random_tensor<float>({k, n}, 2);
          const bool at = a_op == Transpose::yes, bt = b_op == Transpose::yes;
          const MatrixView<const float, CpuBf16> left = a.view().matrix(at ? k : m),
                                                 right = b.view().matrix(bt ? n : k);
          auto c = random_tensor<float>({m, n}, 3);
          const auto before = c.to_host();
          auto expected = bf16_plain_product(bf16_rounded(a.to_host()), bf16_rounded(b.to_host()), m, n, k, a_op, b_op);
          ops::matmul<float>(context, a_op, b_op, left, right, seen_by(context, c.view().matrix()));
          CHECK(difference(c.to_host(), expected) < 1e-6);
          // A power of two is exact in the operand it goes into.
          c = Tensor<float, Cpu>({m, n}, before);
          ops::gemm<float>(context, a_op, b_op, 0.5f, left, right, 1.0f, seen_by(context, c.view().matrix()));
          for (std::size_t i = 0; i < expected.size(); ++i) {
            expected[i] = 0.5 * expected[i] + static_cast<double>(before[i]);
          }
          CHECK(difference(c.to_host(), expected) < 1e-6);
          c = Tensor<float, Cpu>({m, n}, before);
          ops::gemm<float>(context, a_op, b_op, 0.5f, left, right, 3.0f, seen_by(context, c.view().matrix()));
          for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += 2 * static_cast<double>(before[i]);
          CHECK(difference(c.to_host(), expected) < 1e-6);
        }
      }
    }
  }
}

TEST_CASE("a bfloat16 linear works on columns of wider matrices and keeps what is beside them") {
  constexpr Index n = 211, in = 37, out = 19, wide = 50;
  for (const Bf16Products kind : bf16_kinds()) {
    Context<CpuBf16> context(2, 0, kind);
    const auto x = random_tensor<float>({n, wide}, 1), w = random_tensor<float>({out, wide}, 2),
               bias = random_tensor<float>({out}, 3);
    auto y = random_tensor<float>({n, wide}, 4);
    auto rounded = y;
    ops::linear<float>(context, seen_by(context, x.view().matrix().columns(5, in)),
                       seen_by(context, w.view().matrix().columns(11, in)),
                       TensorView<const float, CpuBf16>(bias.view()),
                       seen_by(context, y.view().matrix().columns(7, out)));
    Context<Cpu> host(1);
    ops::linear<float>(host, x.view().matrix().columns(5, in), w.view().matrix().columns(11, in), bias,
                       rounded.view().matrix().columns(7, out));
    const double found = difference(y.to_host(), rounded.to_host());
    CHECK(found < 0x1p-7);
    CHECK(found > 1e-5);  // it was rounded
  }
}

TEST_CASE("oneDNN's products take every way the operands lie, on any processor") {
#if defined(SSAM_WITH_ONEDNN)
  constexpr Index m = 21, n = 34, k = 13, wide = 40;
  for (const Transpose a_op : bf16_ops) {
    for (const Transpose b_op : bf16_ops) {
      for (const bool accumulate : {false, true}) {
        const auto a = random_tensor<float>({wide, wide}, 1), b = random_tensor<float>({wide, wide}, 2);
        auto c = random_tensor<float>({m, wide}, 3);
        auto expected = c;
        ops::detail::onednn_product<float>(m, n, k, a.data(), wide, a_op, b.data(), wide, b_op, accumulate, c.data(),
                                           wide);
        ops::detail::gemm_serial<float>(a_op, b_op, m, n, k, 1.0f, a.data(), wide, b.data(), wide,
                                        accumulate ? 1.0f : 0.0f, expected.data(), wide);
        CHECK(difference(c.to_host(), expected.to_host()) < 1e-6);
      }
    }
  }
#else
  MESSAGE("skipped: a build without oneDNN");
#endif
}

TEST_CASE("bfloat16 products have the same bits whatever the threads") {
  const auto a = random_tensor<float>({500, 96}, 1), b = random_tensor<float>({130, 96}, 2);
  for (const Bf16Products kind : bf16_kinds()) {
    std::vector<std::vector<float>> found;
    for (const int threads : {1, 2, 3}) {
      Context<CpuBf16> context(threads, 0, kind);
      Tensor<float, CpuBf16> c({500, 130});
      ops::matmul<float>(context, Transpose::no, Transpose::yes, seen_by(context, a.view().matrix()),
                         seen_by(context, b.view().matrix()), c.view().matrix());
      found.push_back(c.to_host());
    }
    CHECK(found[1] == found[0]);
    CHECK(found[2] == found[0]);
  }
}

TEST_CASE("matrices of doubles and small products are as Cpu's") {
  Context<CpuBf16> context(1, 0, Bf16Products::emulated);
  Context<Cpu> host(1);
  const auto check = [&]<class S>(S, Index n) {
    const auto a = random_tensor<S>({n, n}, 1), b = random_tensor<S>({n, n}, 2);
    Tensor<S, Cpu> c({n, n}), expected({n, n});
    ops::matmul<S>(context, Transpose::no, Transpose::no, seen_by(context, a.view().matrix()),
                   seen_by(context, b.view().matrix()), seen_by(context, c.view().matrix()));
    ops::matmul<S>(host, Transpose::no, Transpose::no, a.view().matrix(), b.view().matrix(), expected.view().matrix());
    return c.to_host() == expected.to_host();
  };
  CHECK(check(1.0, 40));
  CHECK(check(1.0f, 12));
  CHECK_FALSE(check(1.0f, 40));
}

TEST_CASE("attention with bfloat16 products stays near single precision, forward and backward") {
  const ops::AttentionGeometry windows{
      .batch = 2, .heads = 2, .head_dim = 16, .queries = 7 * 9, .keys = 7 * 9, .grid_h = 7, .grid_w = 9, .window = 4};
  const ops::AttentionGeometry global{
      .batch = 1, .heads = 3, .head_dim = 20, .queries = 18 * 17, .keys = 18 * 17, .grid_h = 18, .grid_w = 17};
  for (const auto& g : {windows, global}) {
    const Index cols = g.heads * g.head_dim, rows = g.batch * g.queries;
    const auto qkv = random_tensor<float>({rows, 3 * cols}, 1), pad = random_tensor<float>({3 * cols}, 2),
               rel_h = random_tensor<float>({2 * g.table_h() - 1, g.head_dim}, 3, 0.3),
               rel_w = random_tensor<float>({2 * g.table_w() - 1, g.head_dim}, 4, 0.3),
               dout = random_tensor<float>({rows, cols}, 5);
    const auto run = [&]<class Device>(Context<Device>& context) {
      using View = TensorView<float, Device>;
      const auto m = seen_by(context, qkv.view().matrix());
      Tensor<float, Cpu> out({rows, cols}), lse({ops::attention_lse_size(g)}), dqkv(qkv.shape()), dpad(pad.shape()),
          dh(rel_h.shape()), dw(rel_w.shape());
      const TensorView<const float, Device> row = pad.view(), table_h = rel_h.view(), table_w = rel_w.view();
      ops::attention_forward<float>(context, g, m.columns(0, cols), m.columns(cols, cols), m.columns(2 * cols, cols),
                                    row, table_h, table_w, seen_by(context, out.view().matrix()), View(lse.view()));
      const auto d = seen_by(context, dqkv.view().matrix());
      ops::attention_backward<float>(context, g, m.columns(0, cols), m.columns(cols, cols), m.columns(2 * cols, cols),
                                     row, table_h, table_w, seen_by(context, out.view().matrix()), View(lse.view()),
                                     seen_by(context, dout.view().matrix()), d.columns(0, cols), d.columns(cols, cols),
                                     d.columns(2 * cols, cols), View(dpad.view()), View(dh.view()), View(dw.view()));
      return std::vector{out.to_host(), dqkv.to_host(), dpad.to_host(), dh.to_host(), dw.to_host()};
    };
    Context<Cpu> host(2);
    const auto expected = run(host);
    for (const Bf16Products kind : bf16_kinds()) {
      Context<CpuBf16> context(2, 0, kind), alone(1, 0, kind);
      const auto found = run(context);
      for (std::size_t i = 0; i < found.size(); ++i) {
        CAPTURE(i);
        const double off = difference(found[i], expected[i]);
        CHECK(off < 0.02);  // two roundings of 2^-9 each, three in the gradients
        if (i < 2) CHECK(off > 1e-5);
      }
      CHECK(run(alone) == found);
    }
  }
}

TEST_CASE("without instructions for bfloat16 nothing is slow in silence") {
  if (has_bf16_instructions()) {
    CHECK(Context<CpuBf16>(1, 0, Bf16Products::processor).products() == Bf16Products::processor);
  } else {
    CHECK_THROWS_WITH_AS(Context<CpuBf16>(1, 0, Bf16Products::processor), doctest::Contains("SSAM_BF16=emulated"),
                         DeviceError);
  }
}
