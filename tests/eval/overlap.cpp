#include <doctest/doctest.h>

#include <cmath>
#include <ssam/eval/overlap.hpp>
#include <vector>

using namespace ssam;

TEST_CASE("overlaps from a table of confusion") {
  const Counts counts = counts_of_confusion(6, 2, 4);
  CHECK(counts == Counts{6, 8, 10});
  const Overlap all = overlap(counts);
  CHECK(all.dice == doctest::Approx(12.0 / 18));
  CHECK(all.iou == doctest::Approx(6.0 / 12));
  CHECK(all.precision == doctest::Approx(6.0 / 8));
  CHECK(all.recall == doctest::Approx(6.0 / 10));
  CHECK(specificity(counts, 20) == doctest::Approx(8.0 / 10));
  const std::vector<std::uint8_t> prediction{1, 255, 0, 0, 1}, truth{1, 0, 1, 0, 1};
  CHECK(overlap(count_pixels(prediction, truth)).precision == doctest::Approx(2.0 / 3));
}

TEST_CASE("overlaps of blank masks keep the rule of Dice") {
  const Overlap blank = overlap(counts_of_confusion(0, 0, 0));
  CHECK(blank.dice == 1);
  CHECK(blank.iou == 1);
  CHECK(blank.precision == 1);
  CHECK(blank.recall == 1);
  for (const Counts& counts : {counts_of_confusion(0, 5, 0), counts_of_confusion(0, 0, 5)}) {
    const Overlap one = overlap(counts);
    CHECK(one.dice == 0);
    CHECK(one.iou == 0);
    CHECK(one.precision == 0);
    CHECK(one.recall == 0);
  }
  CHECK(specificity({9, 9, 9}, 9) == 1);
  CHECK(specificity({0, 9, 0}, 9) == 0);
}

TEST_CASE("counts that cannot be") {
  CHECK_THROWS_AS(counts_of_confusion(-1, 0, 0), ConfigError);
  CHECK_THROWS_AS(counts_of_confusion(0, std::nan(""), 0), ConfigError);
  CHECK_THROWS_AS(counts_of_confusion(0, 0, HUGE_VAL), ConfigError);
  CHECK_THROWS_AS(specificity({1, 5, 5}, 8), ConfigError);
  CHECK_THROWS_AS(specificity({1, 5, 5}, std::nan("")), ConfigError);
}
