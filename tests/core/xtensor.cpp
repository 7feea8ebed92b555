#include <doctest/doctest.h>

#include <ssam/core/xtensor.hpp>
#include <type_traits>
#include <xtensor/xmath.hpp>
#include <xtensor/xview.hpp>

using namespace ssam;

TEST_CASE("an xtensor view is the tensor's own memory") {
  Tensor<float, Cpu> tensor(Shape{2, 3}, std::vector<float>{0, 1, 2, 3, 4, 5});
  auto adapted = as_xtensor(tensor);
  CHECK(adapted.dimension() == 2);
  CHECK(adapted.shape(0) == 2);
  CHECK(adapted.shape(1) == 3);
  CHECK(adapted.data() == tensor.data());
  CHECK(adapted(1, 2) == 5);
  xt::view(adapted, 1) *= 10.0f;
  CHECK(tensor.to_host() == std::vector<float>{0, 1, 2, 30, 40, 50});
  CHECK(xt::sum(adapted)() == 123);
}

TEST_CASE("an xtensor view of a constant or empty tensor") {
  const Tensor<double, Cpu> constant(Shape{4}, std::vector<double>{1, 2, 3, 4});
  auto adapted = as_xtensor(constant);
  static_assert(!std::is_assignable_v<decltype(adapted(0)), double>);
  CHECK(xt::amax(adapted)() == 4);
  Tensor<float, Cpu> empty(Shape{0, 5});
  CHECK(as_xtensor(empty).size() == 0);
  CHECK(as_xtensor(empty.view()).shape(1) == 5);
}
