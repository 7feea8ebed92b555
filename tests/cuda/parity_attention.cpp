#include "attention_case.hpp"

using namespace ssam;
using namespace ssam::testing;

TEST_CASE_TEMPLATE("CUDA attention of tokens without a grid", S, float, double) {
  check_both_alignments<S>({tokens(1, 1, 4, 1, 1)});
  check_both_alignments<S>({tokens(2, 3, 4, 1, 5)});
  check_both_alignments<S>({tokens(1, 2, 20, 70, 130)});  // several tiles of both, none of them full at the end
  check_both_alignments<S>({tokens(2, 2, 16, 7, 64)});    // whole tiles
  check_attention<S>({tokens(1, 1, 8, 63, 63)});          // one less than whole tiles
  check_attention<S>({tokens(1, 1, 8, 31, 15)});
  check_attention<S>({tokens(1, 1, 32, 64, 3)});
  check_attention<S>({tokens(1, 2, 64, 65, 33)});
  check_attention<S>({tokens(1, 1, 80, 33, 66)});
  check_attention<S>({tokens(1, 1, 128, 65, 97)});
  check_attention<S>({tokens(1, 2, 7, 5, 9)});  // rows of no multiple of 16 bytes
  check_attention<S>({tokens(1, 1, 50, 4, 5)});
  check_attention<S>({tokens(1, 1, 101, 3, 4)});
  check_attention<S>({tokens(2, 2, 8, 0, 5)});  // nobody asks: dk and dv become zero
}

TEST_CASE_TEMPLATE("CUDA global attention", S, float, double) {
  check_attention<S>({.g = grid(2, 2, 64, 9, 8, 0)});
  check_both_alignments<S>({.g = grid(2, 2, 64, 9, 8, 0), .relative = true});
  check_attention<S>({.g = grid(1, 1, 80, 5, 3, 0), .relative = true});
  check_attention<S>({.g = grid(1, 3, 6, 2, 70, 0), .relative = true});  // a grid row longer than a tile
  check_attention<S>({.g = grid(1, 1, 20, 70, 2, 0), .relative = true, .optional = false});
  check_attention<S>({.g = grid(1, 2, 4, 1, 1, 0), .relative = true});
}

TEST_CASE_TEMPLATE("CUDA attention in windows", S, float, double) {
  for (const bool relative : {false, true}) {
    for (const bool padding : {false, true}) {
      check_both_alignments<S>({.g = grid(2, 2, 4, 7, 5, 4), .relative = relative, .padding = padding});
    }
  }
  check_attention<S>({.g = grid(1, 2, 20, 11, 10, 9), .relative = true, .padding = true});  // two tiles of keys
  check_attention<S>({.g = grid(1, 1, 64, 14, 14, 14), .relative = true, .padding = true});
  check_attention<S>({.g = grid(1, 1, 80, 4, 9, 9), .relative = true, .padding = true});
  check_attention<S>({.g = grid(1, 2, 4, 3, 3, 1), .relative = true, .padding = true});
  check_attention<S>({.g = grid(1, 2, 4, 5, 6, 4), .relative = true, .padding = true, .optional = false});
  check_attention<S>({.g = grid(1, 2, 4, 5, 6, 4), .padding = true, .pad_first = 1});
}

TEST_CASE("CUDA attention survives large scores") {
  const AttentionCase c{tokens(1, 1, 8, 5, 70)};
  auto tensors = tensors_of<float>(c);
  for (Index i = 0; i < tensors[0].size(); ++i) tensors[0].data()[i] *= 1e4f;
  const auto run = [&]<class Device>(Context<Device>& context, std::vector<Tensor<float, Device>>& t) {
    AttentionTensors<float, Device>{c, t}.forward(context);
  };
  check_parity<float>(tensors, run, 2e-6);
}

TEST_CASE("CUDA attention gradients survive large log-sum-exps of both signs") {
  const AttentionCase c{tokens(1, 4, 8, 5, 1)};
  auto tensors = tensors_of<double>(c);
  for (Index i = 0; i < tensors[0].size(); ++i) tensors[0].data()[i] *= 1e4;
  const auto run = [&]<class Device>(Context<Device>& context, std::vector<Tensor<double, Device>>& t) {
    AttentionTensors<double, Device> views{c, t};
    views.forward(context);
    views.backward(context);
  };
  check_parity<double>(tensors, run, 1e-10);
}

TEST_CASE("CUDA attention refuses what does not fit and allocates nothing when warm") {
  Context<Cuda> context(1);
  AttentionCase c{.g = grid(1, 2, 4, 5, 6, 4), .relative = true, .padding = true};
  std::vector<Tensor<float, Cuda>> t;
  for (const auto& tensor : tensors_of<float>(c)) t.emplace_back(tensor.shape(), tensor.to_host());
  AttentionTensors<float, Cuda> tensors{c, t};
  tensors.forward(context);
  tensors.backward(context);
  const std::size_t before = context.workspace.allocations();
  tensors.backward(context);
  CHECK(context.workspace.allocations() == before);
  context.synchronize();
  c.g.grid_w = 7;
  CHECK_THROWS_AS(tensors.forward(context), ShapeError);
  CHECK_THROWS_AS(tensors.backward(context), ShapeError);

  AttentionCase wide{tokens(1, 1, 129, 2, 3)};
  std::vector<Tensor<float, Cuda>> w;
  for (const auto& tensor : tensors_of<float>(wide)) w.emplace_back(tensor.shape(), tensor.to_host());
  CHECK_THROWS_AS((AttentionTensors<float, Cuda>{wide, w}.forward(context)), ShapeError);
}
