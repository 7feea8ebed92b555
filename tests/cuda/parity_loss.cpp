#include <ssam/ops/cpu/loss.hpp>
#include <ssam/ops/cuda/loss.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

namespace {

/// Probabilities (in [0, 1], the ends too), masks and room for gradients.
template <class S>
std::vector<Tensor<S, Cpu>> loss_tensors(Index pixels) {
  auto p = random_tensor<S>({pixels}, 1, 2), t = random_tensor<S>({pixels}, 2);
  for (Index i = 0; i < pixels; ++i) {
    p.data()[i] = i % 97 == 5 ? S(0) : i % 89 == 7 ? S(1) : S(1) / (S(1) + std::exp(-p.data()[i]));
    t.data()[i] = t.data()[i] > S(0.3) ? S(1) : S(0);
  }
  return {p, t, random_tensor<S>({pixels}, 3)};
}

template <class Device>
std::vector<double> host_values(Context<Device>& context, const Tensor<double, Device>& values) {
  context.synchronize();
  return values.to_host();
}

}  // namespace

TEST_CASE_TEMPLATE("mask loss and its gradient", S, float, double) {
  for (const Index pixels : {1, 257, 1024, 5003}) {
    for (const auto form : {ops::FocalForm::reference, ops::FocalForm::corrected}) {
      for (const double gamma : {3.0, 2.0, 0.0}) {
        CAPTURE(pixels);
        CAPTURE(gamma);
        const ops::MaskLossOptions options{.dice_weight = 0.7, .focal_weight = 1.3, .gamma = gamma, .form = form};
        check_parity<S>(loss_tensors<S>(pixels), [&]<class Device>(Context<Device>& context, auto& t) {
          Tensor<double, Device> loss({2}, {0.25, 0.5});
          ops::mask_loss<S>(context, t[0], t[1], options, t[2], 2.5, part(loss, 0, {1}));
          ops::mask_loss<S>(context, t[0], t[1], options, {}, 0.5, part(loss, 1, {1}));
          return host_values(context, loss);
        });
      }
    }
  }
}

TEST_CASE("mask loss of more pixels than one piece per block") {
  const Index pixels = 1024 * 1024 + 4099;  // grows the pieces beyond 1024
  check_parity<float>(loss_tensors<float>(pixels), [&]<class Device>(Context<Device>& context, auto& t) {
    Tensor<double, Device> loss({1});
    ops::mask_loss<float>(context, t[0], t[1], {}, t[2], 1, loss);
    return host_values(context, loss);
  });
}

TEST_CASE("mask loss of the GPU refuses what does not fit") {
  Context<Cuda> context(1);
  Tensor<float, Cuda> none, three({3}), four({4});
  Tensor<double, Cuda> one({1}), two({2});
  CHECK_THROWS_AS(ops::mask_loss<float>(context, three, four, {}, {}, 1, one), ShapeError);
  CHECK_THROWS_AS(ops::mask_loss<float>(context, three, three, {}, four, 1, one), ShapeError);
  CHECK_THROWS_AS(ops::mask_loss<float>(context, none, none, {}, {}, 1, one), ShapeError);
  CHECK_THROWS_AS(ops::mask_loss<float>(context, three, three, {}, {}, 1, two), ShapeError);
}
