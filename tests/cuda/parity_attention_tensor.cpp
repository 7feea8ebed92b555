#include "attention_case.hpp"

using namespace ssam;
using namespace ssam::testing;

TEST_CASE_TEMPLATE("CUDA attention on tensor cores", D, CudaTf32, CudaBf16) {
  check_both_alignments<float, D>({tokens(2, 3, 4, 1, 5)});
  check_both_alignments<float, D>({tokens(1, 2, 20, 70, 130)});
  check_attention<float, D>({tokens(1, 2, 64, 129, 65)});  // one more than whole tiles of either
  check_attention<float, D>({tokens(1, 1, 8, 127, 63)});   // one less
  check_attention<float, D>({tokens(1, 1, 8, 63, 127)});
  check_attention<float, D>({tokens(1, 1, 80, 65, 33)});
  check_attention<float, D>({tokens(1, 1, 128, 33, 66)});
  check_attention<float, D>({tokens(1, 1, 50, 4, 17)});
  check_both_alignments<float, D>({.g = grid(2, 2, 64, 9, 8, 0), .relative = true});
  check_attention<float, D>({.g = grid(1, 3, 6, 2, 70, 0), .relative = true});
  check_attention<float, D>({.g = grid(2, 2, 4, 7, 5, 4), .relative = true, .padding = true});
  check_attention<float, D>({.g = grid(1, 2, 64, 10, 17, 9), .relative = true, .padding = true});
}

TEST_CASE("CUDA attention on tensor cores is no other than that precision's") {
  const AttentionCase c{tokens(1, 2, 64, 40, 50)};
  const auto run = [&]<class Device>(Context<Device>& context, std::vector<Tensor<float, Device>>& t) {
    AttentionTensors<float, Device>{c, t}.forward(context);
  };
  const auto out = [&]<class Device>(Context<Device> context) {
    return run_on<float>(context, tensors_of<float>(c), run).tensors[5];
  };
  const auto expected = out(Context<Cpu>(1));
  const double tf32 = l2_difference(out(Context<CudaTf32>(1)), expected);
  const double bf16 = l2_difference(out(Context<CudaBf16>(1)), expected);
  CHECK(tf32 > 1e-5);
  CHECK(bf16 > 4 * tf32);
}
