// Pictures in and masks and scores out as xtensor expressions, over the same memory: nothing is copied.
//
//     10_xtensor CHECKPOINT

#define SSAM_WITH_XTENSOR
#include <cstdio>
#include <ssam/ssam.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xsort.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>

int main(int, char** argv) {
  xt::xtensor<std::uint8_t, 3> picture = xt::zeros<std::uint8_t>({96, 128, 3});  // [height, width, RGB]
  xt::view(picture, xt::range(24, 72), xt::range(40, 88), xt::all()) = 230;

  ssam::SamPredictor sam(argv[1]);
  sam.set_image(picture.data(), 96, 128);
  ssam::Prediction answer = sam.predict({.points = {{64, 48}}, .multimask_output = true});

  const auto logits = xt::adapt(answer.logits, {answer.masks, answer.height, answer.width});
  const auto scores = xt::adapt(answer.iou, {answer.masks});
  const auto best = xt::argmax(scores)();
  const auto mask = xt::view(logits, best) > 0;  // [height, width], computed where it is read
  std::printf("%d masks; of the best (%.2f) %.0f%% of the pixels are bright\n", static_cast<int>(scores.size()),
              scores(best),
              100.0 * xt::mean(xt::where(mask, 1.0, 0.0) * (xt::view(picture, xt::all(), xt::all(), 0) > 200))() /
                  xt::mean(mask)());

  ssam::Tensor<float, ssam::Cpu> tensor({2, 3});  // a tensor of the library's as an expression that writes into it
  ssam::as_xtensor(tensor) = xt::arange<float>(6).reshape({2, 3});
  std::printf("tensor(1, 2) = %.0f\n", tensor.to_host()[5]);
}
