#include <ssam/ops/cpu/singular_values.hpp>
#include <ssam/ops/cuda/singular_values.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

TEST_CASE_TEMPLATE("singular values and their gradients of any size, aligned or not", S, float, double) {
  for (const Index size : {1, 4, 31, 256, 771}) {
    for (const Index first : {0, 1}) {
      CAPTURE(size);
      CAPTURE(first);
      std::vector<Tensor<S, Cpu>> tensors;  // scale, s, shift, out, dout, dscale, dshift; about half of out is 0
      for (std::uint64_t i = 0; i < 7; ++i) tensors.push_back(random_tensor<S>({size + 3}, i + 1));
      check_parity<S>(tensors, [&](auto& context, auto& t) {
        const auto at = [&](std::size_t i) { return part(t[i], first, {size}); };
        ops::singular_values<S>(context, at(0), at(1), at(2), at(3));
        ops::singular_values_backward<S>(context, at(1), at(3), at(4), at(5), at(6));
      });
    }
  }
}

TEST_CASE("singular values of other sizes throw, none at all are none") {
  Context<Cuda> context(1);
  Tensor<float, Cuda> none, three({3}), four({4});
  ops::singular_values<float>(context, none, none, none, none);
  ops::singular_values_backward<float>(context, none, none, none, none, none);
  CHECK_THROWS_AS(ops::singular_values<float>(context, four, three, four, four), ShapeError);
  CHECK_THROWS_AS(ops::singular_values_backward<float>(context, four, four, four, three, four), ShapeError);
}
