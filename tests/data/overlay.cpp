#include <doctest/doctest.h>

#include <ssam/data/overlay.hpp>

using namespace ssam;

TEST_CASE("an answer beside the truth: small pictures are enlarged, each mask is drawn in its own place and colour") {
  Image image(50, 30);
  for (std::uint8_t& value : image.rgb) value = 100;
  Mask truth(50, 30), answer(50, 30);
  for (Index y = 10; y < 20; ++y) {
    for (Index x = 5; x < 15; ++x) truth.at(y, x) = 1;
  }
  answer.at(40, 20) = 255;
  const Image sheet = truth_beside_answer(image, truth, answer, "a.png", "Liver", "DSC 0.0000");
  const Index factor = 6;  // 256 / 50, rounded up
  CHECK(sheet.height >= 50 * factor);
  CHECK(sheet.width >= 3 * 30 * factor);
  Index green = 0, red = 0, blended = 0;
  Index green_right = 0, red_left = sheet.width;
  for (Index y = 0; y < sheet.height; ++y) {
    for (Index x = 0; x < sheet.width; ++x) {
      const std::uint8_t* pixel = sheet.pixel(y, x);
      if (pixel[0] == 60 && pixel[1] == 180 && pixel[2] == 75) green_right = std::max(green_right, x), ++green;
      if (pixel[0] == 230 && pixel[1] == 60 && pixel[2] == 60) red_left = std::min(red_left, x), ++red;
      if (pixel[0] == 84 && pixel[1] == 132 && pixel[2] == 90) ++blended;  // 0.6 x 100 + 0.4 x the colour
    }
  }
  CHECK(green == 4 * (10 * factor - 1));  // the border of 60 x 60 pixels
  CHECK(blended == (10 * factor - 2) * (10 * factor - 2));
  CHECK(red == 4 * (factor - 1));
  CHECK(green_right < red_left);
  CHECK_THROWS_AS(truth_beside_answer(image, truth, Mask(30, 50), "a", "b", "c"), ShapeError);
  CHECK(truth_beside_answer(Image(300, 400), Mask(300, 400), Mask(300, 400), "a", "b", "c").width < 4 * 400);
}
