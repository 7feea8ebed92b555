#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <ssam/core/random.hpp>
#include <ssam/eval/distance_transform.hpp>
#include <ssam/eval/surface.hpp>

#include "drawn_masks.hpp"

using namespace ssam;

TEST_CASE("the distance transform is that of all pairs of pixels") {
  Random random(5);
  for (int round = 0; round < 60; ++round) {
    const Index height = 1 + random.below(19), width = 1 + random.below(23);
    const PixelSpacing spacing{random.uniform(0.1, 4), round % 3 == 0 ? 1 : random.uniform(0.1, 4)};
    const double density = round % 2 == 0 ? 0.03 : 0.4;
    const Drawn mask = Drawn::by(height, width, [&](Index, Index) { return random.uniform() < density; });
    const std::vector<double> distance = distance_transform(mask.values, height, width, spacing);
    double worst = 0;
    for (Index at = 0; at < height * width; ++at) {
      double nearest = std::numeric_limits<double>::infinity();
      for (Index to = 0; to < height * width; ++to) {
        if (mask.values[static_cast<std::size_t>(to)] == 0) continue;
        nearest = std::min(nearest, std::hypot(static_cast<double>(at / width - to / width) * spacing.y,
                                               static_cast<double>(at % width - to % width) * spacing.x));
      }
      const double found = distance[static_cast<std::size_t>(at)];
      if (std::isinf(nearest)) {
        CHECK(std::isinf(found));
      } else {
        REQUIRE(std::isfinite(found));
        worst = std::max(worst, std::abs(found - nearest));
      }
    }
    CHECK(worst < 1e-12);
  }
}

TEST_CASE("the distance transform of a drawn mask is SciPy's") {
  const Drawn mask = disc(9, 12, 3, 4, 1) | rect(9, 12, 7, 10, 9, 12);
  const std::vector<double> distance = distance_transform(mask.values, 9, 12, {1.5, 0.75});
  double sum = 0;
  for (const double value : distance) sum += value;
  CHECK(sum == doctest::Approx(295.4255160412464).epsilon(1e-13));
  CHECK(distance[11] == doctest::Approx(6.046693311223912).epsilon(1e-13));
  CHECK(distance[8 * 12] == doctest::Approx(6.708203932499369).epsilon(1e-13));
}

TEST_CASE("a distance transform of nothing, and what it refuses") {
  for (const double value : distance_transform(std::vector<std::uint8_t>(6), 2, 3)) CHECK(std::isinf(value));
  CHECK(distance_transform({}, 0, 4).empty());
  const std::vector<std::uint8_t> six(6, 1);
  CHECK_THROWS_AS(distance_transform(six, 2, 4), ShapeError);
  CHECK_THROWS_AS(distance_transform(six, -2, -3), ShapeError);
  CHECK_THROWS_AS(distance_transform(six, 2, 3, {0, 1}), ConfigError);
  CHECK_THROWS_AS(distance_transform(six, 2, 3, {1, -1}), ConfigError);
  CHECK_THROWS_AS(distance_transform(six, 2, 3, {1, std::nan("")}), ConfigError);
  CHECK_THROWS_WITH_AS(distance_transform(six, 2, 3, {1, std::numeric_limits<double>::infinity()}),
                       "a pixel spacing is not usable: expected a finite number above 0, found inf", ConfigError);
}

// Recorded with MONAI 1.6.1 (boundaries; its HD, HD95 and NSD agree as far as float goes), SciPy 1.17.1 and NumPy 2.4.6
// (distances and percentiles in double).
TEST_CASE("HD, HD95 and NSD are MONAI's") {
  struct Case {
    Drawn prediction, truth;
    PixelSpacing spacing;
    double tolerance;
    std::size_t boundary, true_boundary;  // pixels
    double hd, hd95, within;              // the last: boundary pixels of both within the tolerance
  };
  const Case cases[] = {
      {disc(31, 45, 15, 20, 9), disc(31, 45, 16, 23, 8), {1, 1}, 2, 48, 44, 4.47213595499958, 4.123105625617661, 54},
      {disc(31, 45, 15, 20, 9),
       disc(31, 45, 16, 23, 8),
       {0.5, 1.25},
       1.25,
       48,
       44,
       5.024937810560445,
       4.176105761872807,
       43},
      {ring(40, 33, 20, 16, 7, 11),
       disc(40, 33, 18, 15, 10),
       {2.5, 0.7},
       2.1,
       100,
       56,
       7.532595834106593,
       5.423098745182499,
       122},
      {rect(17, 29, 0, 0, 17, 10), rect(17, 29, 0, 0, 12, 14), {1, 1}, 3, 50, 48, 5, 5, 68},
      {rect(7, 5, 0, 0, 7, 5),
       rect(7, 5, 2, 3, 3, 4),
       {0.3, 0.1},
       0.3,
       20,
       1,
       1.2369316876852983,
       1.2175714651409266,
       3},
      {disc(50, 61, 20, 20, 12) | disc(50, 61, 47, 57, 1),
       disc(50, 61, 21, 19, 12),
       {0.8, 0.8},
       1,
       68,
       64,
       28.18226392609366,
       17.868289318532334,
       96},
      {rect(1, 23, 0, 3, 1, 11), rect(1, 23, 0, 5, 1, 20), {0.1, 0.1}, 0.3, 8, 15, 0.9, 0.83, 17},
      {ring(33, 33, 16, 16, 3, 19), ring(33, 33, 16, 16, 3, 19), {1, 2}, 0, 124, 124, 0, 0, 248},
  };
  for (const Case& c : cases) {
    CAPTURE(c.hd95);
    const Index height = c.truth.height, width = c.truth.width;
    const SurfaceDistances there = surface_distances(c.prediction.values, c.truth.values, height, width, c.spacing);
    const SurfaceDistances back = surface_distances(c.truth.values, c.prediction.values, height, width, c.spacing);
    CHECK(there.empty == EmptyMasks::none);
    CHECK(there.prediction_to_truth.size() == c.boundary);
    CHECK(there.truth_to_prediction.size() == c.true_boundary);
    CHECK(hausdorff(there).value() == doctest::Approx(c.hd).epsilon(1e-12));
    CHECK(hausdorff(there, 95).value() == doctest::Approx(c.hd95).epsilon(1e-12));
    CHECK(surface_dice(there, c.tolerance) ==
          doctest::Approx(c.within / static_cast<double>(c.boundary + c.true_boundary)).epsilon(1e-12));
    CHECK(hausdorff(back, 95) == hausdorff(there, 95));
    CHECK(surface_dice(back, c.tolerance) == surface_dice(there, c.tolerance));
  }
}

TEST_CASE("a boundary has the image's border in it, and no corner that only a diagonal uncovers") {
  const Drawn mask = rect(5, 6, 0, 0, 4, 4);
  const std::vector<std::uint8_t> expected{1, 1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0,
                                           1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0};
  CHECK(mask_boundary(mask.values, 5, 6) == expected);
  Drawn notched = rect(5, 5, 0, 0, 5, 5);
  notched.values[0] = 0;  // the pixel at (1, 1) touches it by a corner only
  CHECK(mask_boundary(notched.values, 5, 5)[6] == 0);
  CHECK(mask_boundary(notched.values, 5, 5)[1] == 1);
}

TEST_CASE("empty masks: defined, or counted apart") {
  const std::vector<std::uint8_t> none(12), some{0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0};
  const SurfaceDistances both = surface_distances(none, none, 3, 4), missed = surface_distances(none, some, 3, 4),
                         alarm = surface_distances(some, none, 3, 4);
  CHECK(both.empty == EmptyMasks::both);
  CHECK(hausdorff(both, 95) == 0.0);
  CHECK(surface_dice(both, 0) == 1);
  CHECK(missed.empty == EmptyMasks::prediction);
  CHECK_FALSE(hausdorff(missed, 95).has_value());
  CHECK(surface_dice(missed, 100) == 0);
  CHECK(alarm.empty == EmptyMasks::truth);
  CHECK_FALSE(hausdorff(alarm).has_value());
  CHECK(surface_dice(alarm, 100) == 0);
}

TEST_CASE("surface distances refuse what is none") {
  const std::vector<std::uint8_t> six(6, 1), four(4, 1);
  CHECK_THROWS_AS(surface_distances(six, four, 2, 3), ShapeError);
  CHECK_THROWS_AS(surface_distances(four, six, 2, 3), ShapeError);
  CHECK_THROWS_AS(surface_distances(six, six, 2, 3, {-1, 1}), ConfigError);
  const SurfaceDistances distances = surface_distances(six, six, 2, 3);
  CHECK_THROWS_AS(hausdorff(distances, 101), ConfigError);
  CHECK_THROWS_AS(hausdorff(distances, std::nan("")), ConfigError);
  CHECK_THROWS_AS(surface_dice(distances, -1), ConfigError);
  CHECK_THROWS_AS(surface_dice(distances, std::nan("")), ConfigError);
}

TEST_CASE("quantiles are NumPy's") {
  const std::vector<double> values{1, 2, 4, 8.5, 9};
  CHECK(quantile(values, 0) == 1);
  CHECK(quantile(values, 0.05) == doctest::Approx(1.2).epsilon(1e-14));
  CHECK(quantile(values, 0.375) == doctest::Approx(3).epsilon(1e-14));
  CHECK(quantile(values, 0.95) == doctest::Approx(8.9).epsilon(1e-14));
  CHECK(quantile(values, 1) == 9);
  CHECK_THROWS_AS(quantile({}, 0.5), ShapeError);
  CHECK_THROWS_AS(quantile(values, std::nan("")), ConfigError);
}
