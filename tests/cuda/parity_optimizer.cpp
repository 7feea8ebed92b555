#include <array>
#include <ssam/ops/cpu/optimizer.hpp>
#include <ssam/ops/cuda/optimizer.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

namespace {

/// Sizes of trained tensors: below, at and above a chunk, of one element, and one that holds none.
const std::vector<Index> sizes{1, ops::adamw_chunk, 17, 2 * ops::adamw_chunk + 3, 1, 0, ops::adamw_chunk - 1};

/// Where value, grad, m and v of the first tensor begin.
using Offsets = std::array<Index, 4>;

/// value, grad, m, v of every tensor, each a part of one large tensor from `first` on; `gap` elements lie between.
template <class S, class Device>
struct Table {
  Tensor<ops::AdamWTensor<S>, Device> tensors;
  Index chunks = 0;

  Table(std::vector<Tensor<S, Device>>& t, Offsets first, Index gap) {
    std::vector<ops::AdamWTensor<S>> entries;
    for (const Index size : sizes) {
      entries.push_back({t[0].data() + first[0], t[1].data() + first[1], t[2].data() + first[2], t[3].data() + first[3],
                         size, static_cast<Index>(entries.size()) % 3, chunks});
      chunks += ops::adamw_chunks(size);
      for (Index& offset : first) offset += (size + gap + 3) / 4 * 4;
    }
    tensors = Tensor<ops::AdamWTensor<S>, Device>({static_cast<Index>(entries.size())}, entries);
  }
};

template <class S>
std::vector<Tensor<S, Cpu>> optimizer_tensors(double gradient_scale) {
  const Shape shape{5 * ops::adamw_chunk};
  std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>(shape, 1), random_tensor<S>(shape, 2, gradient_scale),
                                      random_tensor<S>(shape, 3, 0.1), random_tensor<S>(shape, 4, 0.1)};
  for (Index i = 0; i < shape[0]; ++i) tensors[3].data()[i] = std::abs(tensors[3].data()[i]);
  return tensors;
}

}  // namespace

TEST_CASE_TEMPLATE("one launch steps all tensors", S, float, double) {
  const ops::AdamWStep settings{.lr = 0.02, .weight_decay = 0.1, .step = 5};
  for (const Offsets& first : {Offsets{0, 0, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}) {
    for (const double clip : {0.0, 3.0, 1e6}) {
      CAPTURE(first[0]);
      CAPTURE(clip);
      check_parity<S>(optimizer_tensors<S>(1), [&]<class Device>(Context<Device>& context, auto& t) {
        const Table<S, Device> table(t, first, 4);
        Tensor<double, Device> square({1}, {-1});
        ops::squared_norm<S>(context, table.tensors, table.chunks, square);
        ops::adamw_step<S>(context, table.tensors, table.chunks, settings, clip, square);
        context.synchronize();
        return square.to_host();
      });
    }
  }
}

TEST_CASE_TEMPLATE("a gradient that is not finite changes no parameter", S, float, double) {
  for (const double bad : {static_cast<double>(INFINITY), static_cast<double>(NAN)}) {
    auto tensors = optimizer_tensors<S>(1);
    tensors[1].data()[4321] = static_cast<S>(bad);
    check_parity<S>(tensors, [&]<class Device>(Context<Device>& context, auto& t) {
      const Table<S, Device> table(t, {}, 0);
      Tensor<double, Device> square({1});
      ops::squared_norm<S>(context, table.tensors, table.chunks, square);
      ops::adamw_step<S>(context, table.tensors, table.chunks, {}, 1, square);
      context.synchronize();
    });
  }
}

TEST_CASE("the norm of no tensors is 0 and steps count from 1") {
  Context<Cuda> context(1);
  Tensor<ops::AdamWTensor<float>, Cuda> none;
  Tensor<double, Cuda> square({1}, {7}), two({2});
  ops::squared_norm<float>(context, none, 0, square);
  ops::adamw_step<float>(context, none, 0, {}, 1, square);
  context.synchronize();
  CHECK(square.to_host() == std::vector<double>{0});
  CHECK_THROWS_AS(ops::squared_norm<float>(context, none, 0, two), ShapeError);
  CHECK_THROWS_AS(ops::adamw_step<float>(context, none, 0, {}, 1, two), ShapeError);
  CHECK_THROWS_AS(ops::adamw_step<float>(context, none, 0, {.step = 0}, 1, square), ConfigError);
}
