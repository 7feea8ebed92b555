#include <ssam/ops/cpu/convolution.hpp>
#include <ssam/ops/cpu/resize.hpp>

#include "testing.hpp"

using namespace ssam;
using namespace ssam::testing;
using Double = Tensor<double, Cpu>;

namespace {
/// x[b, h, w, c] of a channels-last map, 0 outside.
double at(const Double& x, Index b, Index h, Index w, Index c) {
  if (h < 0 || h >= x.dim(1) || w < 0 || w >= x.dim(2)) return 0;
  return x.data()[((b * x.dim(1) + h) * x.dim(2) + w) * x.dim(3) + c];
}
}  // namespace

TEST_CASE("im2col agrees with its definition and col2im is its adjoint") {
  Context<Cpu> context(2);
  const auto x = random_tensor<double>({2, 7, 9, 3}, 1);
  struct Case {
    Index kernel, stride, pad;
  };
  for (const Case& c : {Case{3, 1, 1}, Case{1, 1, 0}, Case{4, 2, 3}, Case{2, 3, 0}, Case{7, 7, 2}}) {
    const Index kernel = c.kernel, stride = c.stride, pad = c.pad;
    CAPTURE(kernel);
    const Index oh = (7 + 2 * pad - kernel) / stride + 1, ow = (9 + 2 * pad - kernel) / stride + 1;
    Double cols({2 * oh * ow, kernel * kernel * 3 + 1});
    const auto patches = cols.view().matrix().columns(0, kernel * kernel * 3);
    ops::im2col(context, x, kernel, stride, pad, patches);
    bool equal = true;
    for (Index row = 0; row < patches.rows; ++row) {
      for (Index i = 0; i < patches.cols; ++i) {
        const Index h = row / ow % oh * stride - pad + i / 3 / kernel, w = row % ow * stride - pad + i / 3 % kernel;
        equal = equal && patches.data[row * patches.stride + i] == at(x, row / ow / oh, h, w, i % 3);
      }
    }
    CHECK(equal);
    // <im2col(x), r> = <x, col2im(r)>
    const auto r = random_tensor<double>(cols.shape(), 2);
    Double back(x.shape());
    ops::col2im(context, r.view().matrix().columns(0, patches.cols), kernel, stride, pad, back.view());
    CHECK(dot(cols, r) == doctest::Approx(dot(x, back)).epsilon(1e-12));
  }
  Double cols({1, 1});
  CHECK_THROWS_AS(ops::im2col(context, x, 8, 1, 0, cols.view().matrix()), ShapeError);
  CHECK_THROWS_AS(ops::im2col(context, x, 3, 0, 0, cols.view().matrix()), ShapeError);
}

TEST_CASE("pixel shuffle and layout changes") {
  Context<Cpu> context(2);
  const auto x = random_tensor<double>({2, 3, 5, 28}, 1);
  Double y({2, 6, 10, 7}), back(x.shape());
  ops::pixel_shuffle(context, x, y.view());
  CHECK(at(y, 1, 5, 6, 3) == at(x, 1, 2, 3, (1 * 2 + 0) * 7 + 3));
  CHECK(at(y, 0, 2, 9, 6) == at(x, 0, 1, 4, (0 * 2 + 1) * 7 + 6));
  ops::pixel_unshuffle(context, y, back.view());
  CHECK(back.to_host() == x.to_host());
  CHECK_THROWS_AS(ops::pixel_shuffle(context, y, back.view()), ShapeError);

  const auto map = random_tensor<double>({2, 37, 41, 35}, 1);
  Double planes({2, 35, 37, 41}), again(map.shape());
  ops::nhwc_to_nchw(context, map, planes.view());
  CHECK(planes.data()[((1 * 35 + 33) * 37 + 36) * 41 + 2] == at(map, 1, 36, 2, 33));
  ops::nchw_to_nhwc(context, planes, again.view());
  CHECK(again.to_host() == map.to_host());
}

TEST_CASE("bilinear resize agrees with known values of PyTorch") {
  Context<Cpu> context(2);
  // F.interpolate([[0, 1, 2], [3, 4, 5]], (4, 6), mode="bilinear", align_corners=False), by hand: the vertical
  // weights are 0, .25, .75, 1 and the horizontal positions 0, .25, .75, 1.25, 1.75, 2.
  const Double x({1, 2, 3, 1}, {0, 1, 2, 3, 4, 5});
  Double y({1, 4, 6, 1});
  ops::resize_bilinear_forward(context, x, y.view());
  std::vector<double> expected;
  for (const double row : {0.0, 0.25, 0.75, 1.0}) {
    for (const double column : {0.0, 0.25, 0.75, 1.25, 1.75, 2.0}) expected.push_back(3 * row + column);
  }
  CHECK(difference(y.to_host(), expected) < 1e-15);
  // F.interpolate([0, 1, 2, 3, 4], 3, mode="linear"): positions (i + .5) * 5 / 3 - .5
  const Double sequence({1, 5, 1, 1}, {0, 1, 2, 3, 4});
  Double shorter({1, 3, 1, 1});
  ops::resize_bilinear_forward(context, sequence, shorter.view());
  CHECK(difference(shorter.to_host(), std::vector<double>{1.0 / 3, 2.0, 11.0 / 3}) < 1e-15);
  Double same(x.shape());
  ops::resize_bilinear_forward(context, x, same.view());
  CHECK(same.to_host() == x.to_host());
}

TEST_CASE("the backward of a bilinear resize is its adjoint") {
  Context<Cpu> context(2);
  for (const Shape& to : {Shape{2, 13, 22, 3}, Shape{2, 3, 4, 3}, Shape{2, 1, 30, 3}, Shape{2, 5, 11, 3}}) {
    const auto x = random_tensor<double>({2, 5, 11, 3}, 1), dy = random_tensor<double>(to, 2);
    Double y(to), dx(x.shape());
    ops::resize_bilinear_forward(context, x, y.view());
    ops::resize_bilinear_backward(context, dy, dx.view());
    CHECK(dot(y, dy) == doctest::Approx(dot(x, dx)).epsilon(1e-12));
    check_threads([&](Context<Cpu>& pool) {
      Double gradient(x.shape());
      ops::resize_bilinear_backward(pool, dy, gradient.view());
      return gradient;
    });
  }
}

TEST_CASE("adaptive average pooling agrees with its definition") {
  Context<Cpu> context(2);
  const auto x = random_tensor<double>({2, 7, 10, 3}, 1);
  Double y({2, 3, 4, 3});
  ops::adaptive_average_pool(context, x, y.view());
  // Rows 2 of 3 over 7: [4, 7); column 1 of 4 over 10: [2, 5).
  double sum = 0;
  for (Index h = 4; h < 7; ++h) {
    for (Index w = 2; w < 5; ++w) sum += at(x, 1, h, w, 2);
  }
  CHECK(at(y, 1, 2, 1, 2) == doctest::Approx(sum / 9).epsilon(1e-14));
  // Row 0: [0, 3), column 3: [7, 10).
  sum = 0;
  for (Index h = 0; h < 3; ++h) {
    for (Index w = 7; w < 10; ++w) sum += at(x, 0, h, w, 1);
  }
  CHECK(at(y, 0, 0, 3, 1) == doctest::Approx(sum / 9).epsilon(1e-14));
  CHECK_THROWS_AS(ops::adaptive_average_pool(context, x, y.view().slice(0)), ShapeError);
}
