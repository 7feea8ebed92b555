#include <ssam/ops/cpu/fourier.hpp>
#include <ssam/ops/cpu/pool.hpp>
#include <ssam/ops/cuda/fourier.cuh>
#include <ssam/ops/cuda/pool.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

TEST_CASE_TEMPLATE("max pooling and its adjoint, ties too", S, float, double) {
  for (const Shape& pooled : {Shape{1, 1, 1, 1}, Shape{2, 3, 5, 7}, Shape{1, 16, 16, 64}, Shape{3, 1, 9, 2}}) {
    const Shape full{pooled[0], 2 * pooled[1], 2 * pooled[2], pooled[3]};
    CAPTURE(full.str());
    std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>(full, 1), random_tensor<S>(pooled, 2),
                                        random_tensor<S>(full, 3)};
    for (Index i = 0; i < tensors[0].size(); ++i) {  // a quarter of all fours are ties
      if (i % 3 == 0) tensors[0].data()[i] = S(1);
    }
    check_parity<S>(tensors, [](auto& context, auto& t) { ops::max_pool_forward<S>(context, t[0], t[1]); });
    check_parity<S>(tensors, [](auto& context, auto& t) { ops::max_pool_backward<S>(context, t[0], t[1], t[2]); });
  }
}

template <class Device>
Tensor<ops::FourierToken, Device> on_device(Context<Device>&, const std::vector<ops::FourierToken>& points) {
  return {{static_cast<Index>(points.size())}, points};
}

TEST_CASE_TEMPLATE("random-Fourier positions of a grid and of points", S, float, double) {
  const std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>({2, 24}, 1), random_tensor<S>({4, 48}, 2),
                                            random_tensor<S>({48}, 3), random_tensor<S>({7 * 11, 48}, 4),
                                            random_tensor<S>({5, 48}, 5)};
  check_parity<S>(tensors, [](auto& context, auto& t) {
    ops::fourier_grid<S>(context, t[0], 7, 11, t[3]);
    const std::vector<ops::FourierToken> points{{0.1, 0.9, 0}, {}, {0.5, 0.5, 1}, {1.1, 0, 2}, {0.3, 0.2, 3}};
    const auto tokens = on_device(context, points);
    ops::fourier_tokens<S>(context, t[0], t[1], t[2], tokens, t[4]);
  });
}

TEST_CASE("pooling and positions of the GPU refuse what does not fit") {
  Context<Cuda> context(1);
  Tensor<float, Cuda> x({1, 3, 4, 2}), y({1, 1, 2, 2}), gaussian({2, 4}), out({5, 8});
  CHECK_THROWS_AS(ops::max_pool_forward<float>(context, x, y), ShapeError);
  CHECK_THROWS_AS(ops::max_pool_backward<float>(context, x, y, x), ShapeError);
  CHECK_THROWS_AS(ops::fourier_grid<float>(context, gaussian, 2, 2, out), ShapeError);
}
