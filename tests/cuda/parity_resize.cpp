#include <ssam/ops/cpu/resize.hpp>
#include <ssam/ops/cuda/resize.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

TEST_CASE_TEMPLATE("bilinear interpolation, its adjoint and average pooling", S, float, double) {
  struct Case {
    Index batch, height, width, h, w, channels;
  };
  const Case cases[] = {{1, 1, 1, 1, 1, 1},   {2, 3, 5, 12, 20, 1}, {1, 4, 6, 9, 5, 3},   {1, 16, 16, 64, 64, 1},
                        {2, 7, 3, 7, 3, 4},   {1, 1, 9, 1, 31, 8},  {3, 13, 11, 4, 2, 5}, {1, 1, 1, 6, 5, 2},
                        {1, 37, 29, 3, 1, 4}, {2, 5, 8, 17, 3, 12}};
  for (const Case& c : cases) {
    const Shape x{c.batch, c.height, c.width, c.channels}, y{c.batch, c.h, c.w, c.channels};
    CAPTURE(x.str());
    CAPTURE(y.str());
    const std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>(x, 1), random_tensor<S>(y, 2)};
    check_parity<S>(tensors, [](auto& context, auto& t) { ops::resize_bilinear_forward<S>(context, t[0], t[1]); });
    check_parity<S>(tensors, [](auto& context, auto& t) { ops::resize_bilinear_backward<S>(context, t[1], t[0]); });
    check_parity<S>(tensors, [](auto& context, auto& t) { ops::adaptive_average_pool<S>(context, t[0], t[1]); });
  }
}

TEST_CASE_TEMPLATE("interpolation of tensors that do not begin at 16 bytes", S, float, double) {
  const Shape x{1, 3, 4, 4}, y{1, 5, 9, 4};
  const std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>({x.elements() + 1}, 1),
                                            random_tensor<S>({y.elements() + 1}, 2)};
  check_parity<S>(tensors, [&](auto& context, auto& t) {
    ops::resize_bilinear_forward<S>(context, part(t[0], 1, x), part(t[1], 0, y));
    ops::adaptive_average_pool<S>(context, part(t[1], 0, y), part(t[0], 1, x));
    ops::resize_bilinear_backward<S>(context, part(t[1], 1, y), part(t[0], 0, x));
    ops::resize_bilinear_forward<S>(context, part(t[0], 0, x), part(t[1], 1, y));
    ops::adaptive_average_pool<S>(context, part(t[1], 1, y), part(t[0], 0, x));
    ops::resize_bilinear_backward<S>(context, part(t[1], 0, y), part(t[0], 1, x));
  });
}

TEST_CASE("resizes of the GPU refuse what does not fit") {
  Context<Cuda> context(1);
  Tensor<float, Cuda> x({1, 4, 4, 2}), y({1, 8, 8, 3});
  CHECK_THROWS_AS(ops::resize_bilinear_forward<float>(context, x, y), ShapeError);
  CHECK_THROWS_AS(ops::resize_bilinear_backward<float>(context, y, x), ShapeError);
  CHECK_THROWS_AS(ops::adaptive_average_pool<float>(context, x, y), ShapeError);
}
