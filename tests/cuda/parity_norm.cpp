#include <array>
#include <ssam/ops/cpu/norm.hpp>
#include <ssam/ops/cuda/norm.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

namespace {

/// Standard deviations and weights are not about 0.
template <class S>
Tensor<S, Cpu> positive_tensor(const Shape& shape, std::uint64_t seed) {
  auto x = random_tensor<S>(shape, seed);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = S(0.5) + std::abs(x.data()[i]);
  return x;
}

}  // namespace

TEST_CASE_TEMPLATE("layer norm forward and backward", S, float, double) {
  // {rows, columns}: parts of a warp, a warp, a block per row; with and without a rest; many rows.
  const std::vector<std::array<Index, 2>> cases{{1, 1},    {5, 2},    {67, 4},  {33, 24},  {9, 64},
                                                {7, 129},  {3, 256},  {2, 260}, {19, 511}, {2, 1024},
                                                {3, 1028}, {2, 1537}, {1, 900}, {200, 12}, {129, 3}};
  for (const auto& at : cases) {
    const Index rows = at[0], cols = at[1];
    CAPTURE(rows);
    CAPTURE(cols);
    // x, weight, bias, y, mean, rstd, dy, dx, dweight, dbias, eps. The mean is not small beside the deviation.
    auto x = random_tensor<S>({rows, cols}, 1);
    for (Index i = 0; i < x.size(); ++i) x.data()[i] += S(3);
    const std::vector<Tensor<S, Cpu>> tensors{x,
                                              random_tensor<S>({cols}, 2),
                                              random_tensor<S>({cols}, 3),
                                              random_tensor<S>({rows, cols}, 4),
                                              random_tensor<S>({rows}, 5),
                                              random_tensor<S>({rows}, 6),
                                              random_tensor<S>({rows, cols}, 7),
                                              random_tensor<S>({rows, cols}, 8),
                                              random_tensor<S>({cols}, 9),
                                              random_tensor<S>({cols}, 10)};
    const S eps = S(1e-2);  // rows of one or two columns have next to no variance
    check_parity<S>(tensors, [&](auto& context, auto& t) {
      ops::layer_norm_forward<S>(context, t[0], t[1], t[2], eps, t[3], t[4], t[5]);
      ops::layer_norm_backward<S>(context, t[0], t[1], t[4], t[5], t[6], t[7], t[8], t[9]);
    });
    check_parity<S>(tensors, [&](auto& context, auto& t) {  // in place, and what may be left out is
      ops::layer_norm_forward<S>(context, t[0], t[1], t[2], eps, t[3], {}, t[5]);
      ops::layer_norm_forward<S>(context, t[3], t[1], t[2], eps, t[3], t[4], {});
      ops::layer_norm_backward<S>(context, t[0], t[1], t[4], t[5], t[6], t[6], {}, t[9]);
      ops::layer_norm_backward<S>(context, t[0], t[1], t[4], t[5], t[7], {}, t[8], {});
    });
  }
}

TEST_CASE_TEMPLATE("layer norm of tensors that do not begin at 16 bytes", S, float, double) {
  for (const Index cols : {8, 300, 1028}) {
    for (const std::array<Index, 3>& first : {std::array<Index, 3>{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}) {
      CAPTURE(cols);
      const Index rows = 5;
      const std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>({rows * cols + 1}, 1), random_tensor<S>({cols + 1}, 2),
                                                random_tensor<S>({rows * cols + 1}, 3), random_tensor<S>({rows}, 4),
                                                random_tensor<S>({rows}, 5)};
      check_parity<S>(tensors, [&](auto& context, auto& t) {
        const auto x = part(t[0], first[0], {rows, cols}), y = part(t[2], first[2], {rows, cols});
        const auto weight = part(t[1], first[1], {cols});
        ops::layer_norm_forward<S>(context, x, weight, weight, S(1e-6), y, t[3], t[4]);
        ops::layer_norm_backward<S>(context, x, weight, t[3], t[4], y, y, {}, {});
        ops::layer_norm_backward<S>(context, x, weight, t[3], t[4], y, {}, weight, {});
      });
    }
  }
}

TEST_CASE_TEMPLATE("batch norm forward, backward and in evaluation", S, float, double) {
  const std::vector<std::array<Index, 2>> cases{{2, 1}, {3, 31}, {8, 32}, {9, 33}, {70, 130}, {2, 256}};
  for (const auto& at : cases) {
    const Index batch = at[0], channels = at[1];
    CAPTURE(batch);
    CAPTURE(channels);
    // x, weight, bias, running mean, running variance, y, mean, rstd, dy, dx, dweight, dbias
    const std::vector<Tensor<S, Cpu>> tensors{
        random_tensor<S>({batch, channels}, 1), positive_tensor<S>({channels}, 2),
        random_tensor<S>({channels}, 3),        random_tensor<S>({channels}, 4),
        positive_tensor<S>({channels}, 5),      random_tensor<S>({batch, channels}, 6),
        random_tensor<S>({channels}, 7),        random_tensor<S>({channels}, 8),
        random_tensor<S>({batch, channels}, 9), random_tensor<S>({batch, channels}, 10),
        random_tensor<S>({channels}, 11),       random_tensor<S>({channels}, 12)};
    const S eps = S(1e-2), momentum = S(0.1);
    check_parity<S>(tensors, [&](auto& context, auto& t) {
      ops::batch_norm_forward_training<S>(context, t[0], t[1], t[2], eps, momentum, t[3], t[4], t[5], t[6], t[7]);
      ops::batch_norm_backward<S>(context, t[0], t[1], t[6], t[7], t[8], t[9], t[10], t[11]);
    });
    check_parity<S>(tensors, [&](auto& context, auto& t) {
      ops::batch_norm_backward<S>(context, t[0], t[1], t[6], t[7], t[8], t[8], {}, t[11]);
      ops::batch_norm_backward<S>(context, t[0], t[1], t[6], t[7], t[9], {}, t[10], {});
      ops::batch_norm_forward_eval<S>(context, t[0], t[1], t[2], t[3], t[4], eps, t[5]);
      ops::batch_norm_forward_eval<S>(context, t[0], t[1], t[2], t[3], t[4], eps, t[0]);
    });
  }
}

TEST_CASE("norms of the GPU refuse what does not fit") {
  Context<Cuda> context(1);
  Tensor<float, Cuda> x({2, 3}), three({3}), two({2}), one({1, 3});
  CHECK_THROWS_AS(ops::layer_norm_forward<float>(context, x, two, three, 1, x, {}, {}), ShapeError);
  CHECK_THROWS_AS(ops::layer_norm_forward<float>(context, x, three, three, 1, x, three, {}), ShapeError);
  CHECK_THROWS_AS(ops::layer_norm_forward<float>(context, x, three, three, 1, one, {}, {}), ShapeError);
  CHECK_THROWS_AS(ops::layer_norm_backward<float>(context, x, three, two, two, x, one, {}, {}), ShapeError);
  CHECK_THROWS_AS(ops::layer_norm_backward<float>(context, x, three, two, two, x, x, two, {}), ShapeError);
  CHECK_THROWS_AS(
      ops::batch_norm_forward_training<float>(context, one, three, three, 1, 1, three, three, one, three, three),
      ConfigError);
  CHECK_THROWS_AS(ops::batch_norm_forward_eval<float>(context, x, three, two, three, three, 1, x), ShapeError);
  CHECK_THROWS_AS(ops::batch_norm_backward<float>(context, x, three, three, three, x, x, two, {}), ShapeError);
}
