// A picture in, and masks and scores out, as xtensor expressions; those of the answer lie over its own memory.
//
//     10_xtensor CHECKPOINT

#define SSAM_WITH_XTENSOR
#include <cstdio>
#include <ssam/ssam.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xsort.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>

int main(int argc, char** argv) {
  if (argc < 2) return std::printf("usage: 10_xtensor CHECKPOINT\n"), 2;
  xt::xtensor<std::uint8_t, 3> picture = xt::zeros<std::uint8_t>({96, 128, 3});  // [height, width, RGB]
  xt::view(picture, xt::range(24, 72), xt::range(40, 88), xt::all()) = 230;

  ssam::SamPredictor sam(argv[1]);
  sam.set_image(picture.data(), 96, 128);
  ssam::Prediction answer = sam.predict({.points = {{64, 48}}, .multimask_output = true});

  const auto logits = xt::adapt(answer.logits, {answer.masks, answer.height, answer.width});
  const auto scores = xt::adapt(answer.iou, {answer.masks});
  const auto best = xt::argmax(scores)();
  const auto mask = xt::view(logits, best) > 0;  // [height, width], computed where it is read
  std::printf("%d masks; the best (predicted IoU %.2f) covers %.0f%% of the picture\n", static_cast<int>(scores.size()),
              scores(best), 100.0 * xt::mean(xt::cast<double>(mask))());
  const bool same =
      xt::all(xt::equal(xt::cast<int>(mask) * 255, xt::adapt(answer.mask().values, {answer.height, answer.width})));

  ssam::Tensor<float, ssam::Cpu> tensor({2, 3});  // a tensor of the library's as an expression that writes into it
  ssam::as_xtensor(tensor) = xt::arange<float>(6).reshape({2, 3});
  std::printf("tensor(1, 2) = %.0f\n", tensor.to_host()[5]);
  return same ? 0 : 1;
}
