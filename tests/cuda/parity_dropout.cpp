#include <ssam/ops/cpu/dropout.hpp>
#include <ssam/ops/cuda/dropout.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

TEST_CASE_TEMPLATE("the GPU drops the elements that the host drops", S, float, double) {
  for (const Index size : {1, 6, 2055}) {
    for (const double rate : {0.0, 0.1, 0.75}) {
      CAPTURE(size);
      CAPTURE(rate);
      const std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>({size + 1}, 1), random_tensor<S>({size + 1}, 2)};
      const std::uint64_t key = 0x123456789ABCDEF1ull;
      check_parity<S>(
          tensors,
          [&](auto& context, auto& t) {
            ops::dropout<S>(context, part(t[0], 1, {size}), rate, key, part(t[1], 0, {size}));
            ops::dropout<S>(context, t[0], rate, key + 2, t[0]);
          },
          0);
    }
  }
}
