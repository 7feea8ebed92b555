#include <array>
#include <ssam/ops/cpu/elementwise.hpp>
#include <ssam/ops/cuda/elementwise.cuh>

#include "parity.hpp"

using namespace ssam;
using namespace ssam::testing;

namespace {

/// Columns of a tensor's matrix.
template <class S, class Device>
MatrixView<S, Device> columns(Tensor<S, Device>& tensor, Index first, Index count) {
  return tensor.view().matrix().columns(first, count);
}

}  // namespace

TEST_CASE_TEMPLATE("elementwise ops of any size, aligned or not, in place or not", S, float, double) {
  // Of 5003 elements the vectors leave a rest; of 2 there is no vector at all.
  for (const Index size : {1, 2, 4, 31, 256, 1025, 5003}) {
    for (const Index first : {0, 1, 4}) {
      CAPTURE(size);
      CAPTURE(first);
      const std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>({size + 5}, 1), random_tensor<S>({size + 5}, 2),
                                                random_tensor<S>({size + 5}, 3)};
      const auto check = [&](const auto& op) {
        check_parity<S>(tensors, [&](auto& context, auto& t) {
          op(context, part(t[0], first, {size}), part(t[1], 4, {size}), part(t[2], first, {size}));
        });
      };
      check([](auto& context, auto a, auto b, auto out) { ops::add<S>(context, a, b, out); });
      check([](auto& context, auto a, auto b, auto) { ops::add<S>(context, a, b, b); });
      check([](auto& context, auto, auto b, auto out) { ops::copy<S>(context, b, out); });
      check([](auto& context, auto a, auto, auto out) { ops::accumulate<S>(context, a, out); });
      check([](auto& context, auto, auto, auto out) { ops::scale<S>(context, S(-3), out); });
      check([](auto& context, auto, auto, auto out) { ops::fill<S>(context, out, S(7)); });
    }
  }
}

TEST_CASE_TEMPLATE("row ops on matrices of any stride", S, float, double) {
  // {rows, columns of the wide matrices, first column, columns}: whole rows, aligned slices, slices that are not.
  const std::vector<std::array<Index, 4>> cases{{1, 1, 0, 1},     {3, 8, 0, 8},     {70, 67, 0, 67}, {33, 64, 16, 32},
                                                {33, 64, 17, 32}, {33, 64, 16, 31}, {130, 7, 2, 3},  {2, 700, 4, 640}};
  for (const auto& at : cases) {
    const Index rows = at[0], width = at[1], first = at[2], cols = at[3];
    // The second matrix has rows of another stride than the first, 16-byte or not.
    for (const Index more : {4, 5}) {
      CAPTURE(rows);
      CAPTURE(more);
      CAPTURE(width);
      CAPTURE(cols);
      const std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>({rows, width}, 1),
                                                random_tensor<S>({rows, width + more}, 2),
                                                random_tensor<S>({cols}, 3, 20), random_tensor<S>({rows, width}, 4)};
      const auto check = [&](const auto& op) {
        check_parity<S>(tensors, [&](auto& context, auto& t) {
          op(context, columns(t[0], first, cols), columns(t[1], first, cols), t[2], columns(t[3], first, cols));
        });
      };
      check([](auto& context, auto a, auto, auto&, auto out) { ops::copy_matrix<S>(context, a, out); });
      check([](auto& context, auto, auto, auto& row, auto out) {
        ops::copy_matrix<S>(context, {row.data(), out.rows, out.cols, 0}, out);
      });
      check([](auto& context, auto, auto b, auto&, auto out) { ops::accumulate_matrix<S>(context, b, out); });
      check([](auto& context, auto, auto, auto& row, auto out) {
        ops::accumulate_matrix<S>(context, {row.data(), out.rows, out.cols, 0}, out);
      });
      check([](auto& context, auto, auto, auto& row, auto out) { ops::add_row<S>(context, row, out); });
      check([](auto& context, auto, auto b, auto& row, auto out) { ops::multiply_row<S>(context, b, row, out); });
      check([](auto& context, auto, auto, auto& row, auto out) { ops::multiply_row<S>(context, out, row, out); });
      check([](auto& context, auto a, auto, auto& row, auto) { ops::sum_rows<S>(context, a, row); });
      check([](auto& context, auto a, auto b, auto& row, auto) { ops::dot_rows<S>(context, a, b, row); });
      check([](auto& context, auto a, auto b, auto& row, auto) { ops::dot_rows<S>(context, b, a, row); });
      check([](auto& context, auto, auto b, auto& row, auto) { ops::sum_rows<S>(context, b, row); });
    }
  }
}

TEST_CASE_TEMPLATE("sums over many rows and columns", S, float, double) {
  // {rows, columns}: about one chunk of 64 rows, several, more than the 128 chunks of 64; more than a block's columns.
  const std::vector<std::array<Index, 2>> cases{{63, 5},   {64, 33},  {65, 32}, {200, 132},
                                                {8191, 3}, {9001, 1}, {2, 515}};
  for (const auto& at : cases) {
    const Index rows = at[0], cols = at[1];
    CAPTURE(rows);
    CAPTURE(cols);
    const std::vector<Tensor<S, Cpu>> tensors{random_tensor<S>({rows, cols}, 1), random_tensor<S>({rows, cols}, 2),
                                              random_tensor<S>({cols}, 3, 50), random_tensor<S>({cols}, 4, 50)};
    check_parity<S>(tensors, [](auto& context, auto& t) {
      ops::sum_rows<S>(context, t[0].view().matrix(), t[2]);
      ops::dot_rows<S>(context, t[0].view().matrix(), t[1].view().matrix(), t[3]);
    });
  }
}

TEST_CASE("elementwise ops of nothing do nothing and wrong shapes throw") {
  Context<Cuda> context(1);
  Tensor<float, Cuda> none, three({3}), four({4}), row({2});
  ops::fill<float>(context, none, 1);
  ops::copy<float>(context, none, none);
  ops::add_row<float>(context, row, {row.data(), 0, 2, 2});
  ops::sum_rows<float>(context, {nullptr, 0, 2, 2}, row);
  context.synchronize();
  CHECK(row.to_host() == std::vector<float>{0, 0});
  CHECK_THROWS_AS(ops::copy<float>(context, three, four), ShapeError);
  CHECK_THROWS_AS(ops::add<float>(context, three, four, four), ShapeError);
  CHECK_THROWS_AS(ops::accumulate<float>(context, four, three), ShapeError);
  CHECK_THROWS_AS(ops::copy_matrix<float>(context, three.view().matrix(), four.view().matrix()), ShapeError);
  CHECK_THROWS_AS(ops::add_row<float>(context, three, four.view().matrix()), ShapeError);
  CHECK_THROWS_AS(ops::sum_rows<float>(context, three.view().matrix(), four), ShapeError);
}
