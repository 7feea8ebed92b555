#include <ssam/ops/cpu/singular_values.hpp>

#include "testing.hpp"

using namespace ssam;
using namespace ssam::testing;

TEST_CASE_TEMPLATE("singular values are scaled, shifted and cut off at 0, and gradients pass where they are not", S,
                   float, double) {
  Context<Cpu> context(1);
  const Tensor<S, Cpu> scale({4}, {1, 2, -1, 1}), s({4}, {3, 2, 2, 1}), shift({4}, {S(0.5), -1, 1, -1});
  Tensor<S, Cpu> out({4});
  ops::singular_values<S>(context, scale, s, shift, out);
  CHECK(out.to_host() == std::vector<S>{S(3.5), 3, 0, 0});
  const Tensor<S, Cpu> dout({4}, {1, 2, 3, 4});
  Tensor<S, Cpu> dscale({4}, {1, 1, 1, 1}), dshift({4}, {0, 0, 0, 5});
  ops::singular_values_backward<S>(context, s, out, dout, dscale, dshift);
  CHECK(dscale.to_host() == std::vector<S>{4, 5, 1, 1});
  CHECK(dshift.to_host() == std::vector<S>{1, 2, 0, 5});
  CHECK_THROWS_AS(ops::singular_values<S>(context, scale, s, shift, dshift.view().slice(0)), ShapeError);
}
