#include <doctest/doctest.h>

#include <cmath>
#include <ssam/core/random.hpp>
#include <ssam/eval/centerline_dice.hpp>
#include <string>

#include "drawn_masks.hpp"

using namespace ssam;

namespace {

/// How many 8-connected pieces a mask has.
int pieces(std::vector<std::uint8_t> mask, Index height, Index width) {
  int count = 0;
  std::vector<Index> open;
  for (Index start = 0; start < height * width; ++start) {
    if (mask[static_cast<std::size_t>(start)] == 0) continue;
    ++count;
    open.push_back(start);
    mask[static_cast<std::size_t>(start)] = 0;
    while (!open.empty()) {
      const Index place = open.back();
      open.pop_back();
      for (Index y = place / width - 1; y <= place / width + 1; ++y) {
        for (Index x = place % width - 1; x <= place % width + 1; ++x) {
          if (y < 0 || y >= height || x < 0 || x >= width) continue;
          std::uint8_t& value = mask[static_cast<std::size_t>(y * width + x)];
          if (value != 0) open.push_back(y * width + x);
          value = 0;
        }
      }
    }
  }
  return count;
}

std::string drawing(const std::vector<std::uint8_t>& mask, Index width) {
  std::string text;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    text += mask[i] != 0 ? '#' : '.';
    if ((static_cast<Index>(i) + 1) % width == 0) text += '\n';
  }
  return text;
}

}  // namespace

TEST_CASE("the centre lines of a T are those of an independent Zhang-Suen") {
  const Drawn tee = rect(11, 15, 2, 1, 5, 14) | rect(11, 15, 2, 6, 11, 9);
  CHECK(drawing(skeletonize(tee.values, 11, 15), 15) ==
        "...............\n"
        "...............\n"
        "...............\n"
        "..##########...\n"
        ".......#.......\n"
        ".......#.......\n"
        ".......#.......\n"
        ".......#.......\n"
        ".......#.......\n"
        "...............\n"
        "...............\n");
}

TEST_CASE("centre lines lie inside and keep the number of pieces, at the image's border too") {
  Random random(3);
  for (int round = 0; round < 80; ++round) {
    const Index height = 1 + random.below(17), width = 1 + random.below(21);
    const double density = random.uniform(0.1, 0.95);
    const Drawn mask = Drawn::by(height, width, [&](Index, Index) { return random.uniform() < density; });
    const std::vector<std::uint8_t> lines = skeletonize(mask.values, height, width);
    CHECK(pieces(lines, height, width) == pieces(mask.values, height, width));
    CHECK(count_pixels(lines, mask.values).intersection == count_pixels(lines, mask.values).prediction);
    CHECK(skeletonize(lines, height, width) == lines);
  }
}

TEST_CASE("a square of four pixels leaves a point") {
  for (const Index at : {0, 2, 5}) {
    const Drawn square = rect(7, 7, at, at, at + 2, at + 2);
    CHECK(skeletonize(square.values, 7, 7) == rect(7, 7, at, at, at + 1, at + 1).values);
  }
}

TEST_CASE("clDice of bars and rings") {
  // The bar's lines have 31 pixels, 27 of them in the truth; all 24 of the truth's are in the bar.
  const Drawn bar = rect(21, 40, 9, 2, 14, 38), inner = rect(21, 40, 10, 6, 13, 33);
  const CenterlineDice score = centerline_dice(bar.values, inner.values, 21, 40);
  CHECK(score.precision == doctest::Approx(27.0 / 31));
  CHECK(score.sensitivity == 1);
  CHECK(score.dice == doctest::Approx(2 * (27.0 / 31) / (27.0 / 31 + 1)));
  CHECK(std::abs(score.dice - 0.9) < 0.05);  // 27 of 33 by scikit-image 0.26.0, whose lines have longer ends
  const CenterlineDice back = centerline_dice(inner.values, bar.values, 21, 40);
  CHECK(back.dice == doctest::Approx(score.dice));
  CHECK(back.precision == 1);

  const Drawn wide = ring(41, 43, 20, 21, 9, 13), narrow = ring(41, 43, 20, 21, 8, 12);
  CHECK(centerline_dice(wide.values, narrow.values, 41, 43).dice == 1);  // as scikit-image's

  const Drawn cross = rect(30, 30, 0, 12, 30, 15) | rect(30, 30, 12, 0, 15, 30), stem = rect(30, 30, 0, 12, 30, 15);
  const CenterlineDice half = centerline_dice(cross.values, stem.values, 30, 30);
  CHECK(half.precision == doctest::Approx(29.0 / 53));  // scikit-image: 30 of 56
  CHECK(half.sensitivity == 1);

  const Drawn beside = rect(21, 40, 14, 4, 20, 39);
  CHECK(centerline_dice(bar.values, beside.values, 21, 40).dice == 0);
  CHECK(centerline_dice(bar.values, bar.values, 21, 40).dice == 1);
}

TEST_CASE("clDice of empty masks, and what it refuses") {
  const std::vector<std::uint8_t> none(12), some{0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0};
  CHECK(centerline_dice(none, none, 3, 4).dice == 1);
  CHECK(centerline_dice(none, none, 3, 4).sensitivity == 1);
  CHECK(centerline_dice(some, none, 3, 4).dice == 0);
  CHECK(centerline_dice(none, some, 3, 4).dice == 0);
  CHECK(centerline_dice(some, some, 3, 4).dice == 1);
  CHECK(centerline_dice({}, {}, 0, 0).dice == 1);
  CHECK_THROWS_AS(centerline_dice(some, none, 4, 4), ShapeError);
  CHECK_THROWS_AS(centerline_dice(some, std::vector<std::uint8_t>(11), 3, 4), ShapeError);
}
