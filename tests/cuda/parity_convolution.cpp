#include <array>
#include <ssam/ops/cpu/convolution.hpp>
#include <ssam/ops/cuda/convolution.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

TEST_CASE_TEMPLATE("patches and their adjoint", S, float, double) {
  struct Case {
    Index batch, height, width, channels, kernel, stride, pad;
  };
  const Case cases[] = {{1, 1, 1, 1, 1, 1, 0},    {2, 5, 7, 3, 3, 1, 1},     {1, 6, 4, 8, 3, 1, 1},
                        {3, 8, 8, 3, 4, 4, 0},    {2, 16, 32, 3, 16, 16, 0},  // a patch embedding
                        {1, 7, 9, 4, 3, 2, 1},    {2, 5, 5, 2, 2, 3, 1},     {1, 4, 6, 6, 5, 1, 4},
                        {2, 11, 13, 12, 3, 1, 1}, {1, 2, 2, 1, 3, 1, 2},     {1, 9, 4, 5, 4, 3, 0},
                        {1, 7, 5, 1, 4, 4, 2},    {1, 10, 6, 2, 3, 2, 0},    {1, 5, 8, 1, 4, 1, 0},
                        {1, 8, 8, 1, 4, 4, 1},    {1, 6, 7, 4, 3, 1, 1}};
  for (const Case& c : cases) {
    const Index oh = (c.height + 2 * c.pad - c.kernel) / c.stride + 1;
    const Index ow = (c.width + 2 * c.pad - c.kernel) / c.stride + 1;
    const Index rows = c.batch * oh * ow, cols = c.kernel * c.kernel * c.channels;
    const Shape map{c.batch, c.height, c.width, c.channels};
    CAPTURE(map.str());
    CAPTURE(c.kernel);
    // Where the map begins; columns of a wider matrix; which of them.
    for (const auto& at : std::vector<std::array<Index, 3>>{{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 4, 4}}) {
      const Index first = at[0], more = at[1], left = at[2];
      CAPTURE(first);
      CAPTURE(more);
      const std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>({map.elements() + 1}, 1),
                                                random_tensor<S>({rows, cols + more}, 2)};
      check_parity<S>(
          tensors,
          [&](auto& context, auto& t) {
            ops::im2col<S>(context, part(t[0], first, map), c.kernel, c.stride, c.pad,
                           t[1].view().matrix().columns(left, cols));
          },
          0);
      check_parity<S>(tensors, [&](auto& context, auto& t) {
        ops::col2im<S>(context, t[1].view().matrix().columns(left, cols), c.kernel, c.stride, c.pad,
                       part(t[0], first, map));
      });
    }
  }
}

TEST_CASE_TEMPLATE("pixel shuffle and its inverse", S, float, double) {
  for (const Shape& x : {Shape{1, 1, 1, 4}, Shape{2, 3, 5, 8}, Shape{1, 4, 3, 12}, Shape{3, 5, 7, 20}}) {
    CAPTURE(x.str());
    const Shape y{x[0], 2 * x[1], 2 * x[2], x[3] / 4};
    const std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>(x, 1), random_tensor<S>(y, 2), random_tensor<S>(x, 3)};
    check_parity<S>(
        tensors,
        [&](auto& context, auto& t) {
          ops::pixel_shuffle<S>(context, t[0], t[1]);
          ops::pixel_unshuffle<S>(context, t[1], t[2]);
        },
        0);
    check_parity<S>(
        tensors, [&](auto& context, auto& t) { ops::pixel_unshuffle<S>(context, t[1], t[2]); }, 0);
  }
}

TEST_CASE_TEMPLATE("pixel shuffle of tensors that do not begin at 16 bytes", S, float, double) {
  const Shape x{1, 2, 3, 8}, y{1, 4, 6, 2};
  const std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>({x.elements() + 1}, 1),
                                            random_tensor<S>({y.elements() + 1}, 2)};
  for (const Index first : {0, 1}) {
    check_parity<S>(
        tensors,
        [&](auto& context, auto& t) { ops::pixel_shuffle<S>(context, part(t[0], first, x), part(t[1], 1 - first, y)); },
        0);
  }
}

TEST_CASE_TEMPLATE("channels first and last", S, float, double) {
  // [B, C, H, W]: few channels, few pixels, tiles with rests both ways.
  for (const Shape& nchw : {Shape{1, 1, 1, 1}, Shape{2, 3, 37, 41}, Shape{1, 65, 2, 3}, Shape{2, 33, 7, 5},
                            Shape{1, 64, 8, 8}, Shape{3, 130, 1, 1}, Shape{1, 31, 33, 1}, Shape{1, 1025, 1, 2}}) {
    CAPTURE(nchw.str());
    const Shape nhwc{nchw[0], nchw[2], nchw[3], nchw[1]};
    const std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>(nchw, 1), random_tensor<S>(nhwc, 2),
                                              random_tensor<S>(nhwc, 3), random_tensor<S>(nchw, 4)};
    check_parity<S>(
        tensors,
        [&](auto& context, auto& t) {
          ops::nchw_to_nhwc<S>(context, t[0], t[1]);
          ops::nhwc_to_nchw<S>(context, t[2], t[3]);
        },
        0);
  }
}

TEST_CASE("convolutions of the GPU refuse what does not fit") {
  Context<Cuda> context(1);
  Tensor<float, Cuda> x({1, 4, 4, 2}), cols({16, 18}), small({15, 18}), y({1, 8, 8, 2});
  CHECK_THROWS_AS(ops::im2col<float>(context, x, 3, 1, 1, small.view().matrix()), ShapeError);
  CHECK_THROWS_AS(ops::im2col<float>(context, x, 7, 1, 0, cols.view().matrix()), ShapeError);
  CHECK_THROWS_AS(ops::col2im<float>(context, cols.view().matrix(), 3, 0, 1, x), ShapeError);
  CHECK_THROWS_AS(ops::pixel_shuffle<float>(context, x, y), ShapeError);
  CHECK_THROWS_AS(ops::nchw_to_nhwc<float>(context, x, y), ShapeError);
}
