#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <ssam/core/random.hpp>
#include <ssam/eval/intervals.hpp>
#include <ssam/eval/label_scores.hpp>
#include <ssam/eval/scores.hpp>

#include "drawn_masks.hpp"

using namespace ssam;

namespace {

const Measures everything{.unit = DistanceUnit::millimetres, .tolerance = 1.5, .centerlines = true};

ImageScore row(const std::string& image, const std::string& label, const Counts& counts,
               const std::string& group = "") {
  return {image, "test", group, label, {counts}};
}

}  // namespace

// Recorded with MONAI 1.6.1 and, in double, SciPy 1.17.1 and NumPy 2.4.6, which agree as far as float goes.
TEST_CASE("scores of drawn masks are MONAI's and SciPy's") {
  struct Case {
    Index height, width;
    PixelSpacing spacing;
    double tolerance;
    Counts counts;
    double hd, hd95, nsd;
  };
  std::uint64_t state = 7;
  const auto next = [&](Index below) {  // a linear congruential generator, as the recording's
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<Index>((state >> 33) % static_cast<std::uint64_t>(below));
  };
  const auto discs = [&](Index height, Index width) {
    Drawn mask = rect(height, width, 0, 0, 0, 0);
    for (int i = 0; i < 3; ++i) {
      const Index y = next(height), x = next(width);
      mask = mask | disc(height, width, y, x, 1 + next(std::max(height, width) / 4 + 1));
    }
    return mask;
  };
  const Case cases[] = {
      {17, 31, {1, 1}, 1, {28, 96, 191}, 12.041594578792296, 10.735283663885419, 0.19642857142857142},
      {40, 23, {0.5, 1.25}, 2, {191, 293, 275}, 6.128825336065631, 5.82012854316962, 0.52},
      {9, 9, {3, 0.7}, 1.5, {35, 49, 46}, 2.0999999999999996, 1.4, 0.9574468085106383},
      {64, 51, {0.8, 0.8}, 3, {227, 914, 562}, 13.41044369139217, 11.572356042683598, 0.3482142857142857},
      {1, 40, {1, 2}, 1, {10, 34, 10}, 28.0, 24.699999999999996, 0.45454545454545453},
      {33, 1, {1.5, 1}, 2, {29, 29, 33}, 3.0, 1.5, 0.9838709677419355},
      {25, 60, {1, 1}, 0, {188, 201, 648}, 19.235384061671343, 16.496725904262927, 0.20388349514563106},
      {48, 48, {2, 0.3}, 1, {280, 587, 386}, 20.10994778710278, 16.218410625875215, 0.24705882352941178}};
  for (const Case& c : cases) {
    CAPTURE(c.hd95);
    const Drawn answer = discs(c.height, c.width), truth = discs(c.height, c.width);
    const MaskScore score = score_masks(answer.values, truth.values, c.height, c.width,
                                        {.unit = DistanceUnit::millimetres, .tolerance = c.tolerance}, c.spacing);
    CHECK(score.counts == c.counts);
    CHECK(score.value(Metric::hd).value() == doctest::Approx(c.hd).epsilon(1e-12));
    CHECK(score.value(Metric::hd95).value() == doctest::Approx(c.hd95).epsilon(1e-12));
    CHECK(score.value(Metric::nsd).value() == doctest::Approx(c.nsd).epsilon(1e-12));
    CHECK(score.value(Metric::dice).value() ==
          doctest::Approx(2 * c.counts.intersection / (c.counts.prediction + c.counts.truth)).epsilon(1e-14));
    CHECK_FALSE(score.value(Metric::centerline_dice).has_value());
  }
}

TEST_CASE("scores of blank masks: defined, or not there") {
  const std::vector<std::uint8_t> none(12), some{0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0};
  const MaskScore both = score_masks(none, none, 3, 4, everything);
  CHECK(both.blank_truth());
  CHECK(both.blank_answer());
  CHECK_FALSE(both.hd.has_value());
  CHECK_FALSE(both.value(Metric::hd95).has_value());
  CHECK(both.nsd == 1.0);
  CHECK(both.centerline_dice == 1.0);
  CHECK(both.value(Metric::dice) == 1.0);
  for (const bool missed : {true, false}) {
    const MaskScore one = score_masks(missed ? none : some, missed ? some : none, 3, 4, everything);
    CHECK(one.blank_answer() == missed);
    CHECK(one.blank_truth() != missed);
    CHECK_FALSE(one.hd.has_value());
    CHECK_FALSE(one.hd95.has_value());
    CHECK(one.nsd == 0.0);
    CHECK(one.centerline_dice == 0.0);
    for (const Metric metric : {Metric::dice, Metric::iou, Metric::precision, Metric::recall}) {
      CHECK(one.value(metric) == 0.0);
    }
    CHECK(one.value(Metric::published_dice) == 0.5);
  }
  const MaskScore plain = score_masks(some, some, 3, 4);
  CHECK_FALSE(plain.nsd.has_value());
  CHECK_FALSE(plain.centerline_dice.has_value());
  const MaskScore pixel = score_masks(std::vector<std::uint8_t>{1}, std::vector<std::uint8_t>{1}, 1, 1, everything);
  CHECK(pixel.hd == 0.0);
  CHECK(pixel.nsd == 1.0);
  CHECK(pixel.centerline_dice == 1.0);
  CHECK_THROWS_AS(score_masks(some, none, 4, 4), ShapeError);
  CHECK_THROWS_AS(score_masks(some, some, 3, 4, everything, {0, 1}), ConfigError);
}

TEST_CASE("metrics are named with their unit and tolerance") {
  CHECK(metric_key(Metric::hd95, everything) == "hd95_mm");
  CHECK(metric_key(Metric::nsd, everything) == "nsd_1.5mm");
  CHECK(metric_key(Metric::nsd, {.unit = DistanceUnit::pixels, .tolerance = 2}) == "nsd_2px");
  CHECK(metric_key(Metric::centerline_dice, everything) == "centerline_dice");
  CHECK(metric_key(Metric::dice, everything) == "dice");
  CHECK_FALSE(is_measured(Metric::hd, {}));
  CHECK_FALSE(is_measured(Metric::centerline_dice, {.unit = DistanceUnit::pixels}));
  CHECK(is_measured(Metric::recall, {}));
}

TEST_CASE("label scores of parts add up, whatever was measured") {
  LabelScores whole, left, right;
  for (int i = 0; i < 6; ++i) {
    MaskScore score{Counts{i * 1.0, 5, i == 3 ? 0.0 : 6}};
    if (i % 2 == 0) score.hd95 = i;
    whole.add(score);
    (i < 2 ? left : right).add(score);
  }
  left += right;
  for (const Metric metric : all_metrics) {
    for (const Cases cases : {Cases::all, Cases::nonblank}) {
      CHECK(left.sum(metric, cases).n == whole.sum(metric, cases).n);
      CHECK(left.sum(metric, cases).sum == doctest::Approx(whole.sum(metric, cases).sum));
    }
  }
  CHECK(left.mean(Metric::hd95) == 2);
  CHECK(left.sum(Metric::dice, Cases::nonblank).n == 5);
  CHECK(std::isnan(left.mean(Metric::hd)));
  CHECK(left.n_false_alarm() == 1);
}

TEST_CASE("intervals of scores: per label, over labels, by group where groups are known") {
  Scores scores;
  Random random(3);
  for (int i = 0; i < 40; ++i) {
    const std::string image = std::to_string(i);
    scores.rows.push_back(row(image, "A", {std::floor(random.uniform(0, 50)), 50, 50}));
    scores.rows.push_back(
        row(image, "B", i % 4 == 0 ? Counts{0, 0, 0} : Counts{std::floor(random.uniform(0, 9)), 9, 9}));
  }
  double sum_a = 0, sum_b = 0, present_b = 0;
  for (const ImageScore& score : scores.rows) {
    const double value = dice(score.score.counts);
    (score.label == "A" ? sum_a : sum_b) += value;
    if (score.label == "B" && !score.score.blank_truth()) present_b += value;
  }
  const ScoreIntervals intervals = score_intervals(scores, Metric::dice, {.resamples = 4000, .seed = 2});
  CHECK(intervals.units == 40);
  CHECK_FALSE(intervals.grouped);
  REQUIRE(intervals.labels.size() == 2);
  REQUIRE(intervals.labels[1].nonblank.has_value());
  REQUIRE(intervals.mean.all.has_value());
  CHECK(intervals.labels[0].all->mean == doctest::Approx(sum_a / 40));
  CHECK(intervals.labels[1].nonblank->mean == doctest::Approx(present_b / 30));
  CHECK(intervals.mean.all->mean == doctest::Approx((sum_a + sum_b) / 80));
  CHECK(intervals.mean.nonblank->mean == doctest::Approx((sum_a / 40 + present_b / 30) / 2));
  // The normal approximation of the same.
  double squares = 0;
  for (std::size_t i = 0; i < scores.rows.size(); i += 2) {
    const double image = (dice(scores.rows[i].score.counts) + dice(scores.rows[i + 1].score.counts)) / 2;
    squares += (image - intervals.mean.all->mean) * (image - intervals.mean.all->mean);
  }
  const double half = 1.96 * std::sqrt(squares / 40 / 40);
  CHECK(intervals.mean.all->low == doctest::Approx(intervals.mean.all->mean - half).epsilon(0.02));
  CHECK(intervals.mean.all->high == doctest::Approx(intervals.mean.all->mean + half).epsilon(0.02));
  CHECK(intervals.text("DSC").find(
            "95 % intervals of the mean: percentile bootstrap, 4000 resamples of the 40 images") != std::string::npos);
  CHECK(intervals.json()["labels"]["A"]["all"].size() == 2);

  for (std::size_t i = 0; i < scores.rows.size(); ++i) scores.rows[i].group = i < 40 ? "p" : "q";
  const ScoreIntervals grouped = score_intervals(scores, Metric::dice, {.resamples = 400});
  CHECK(grouped.units == 2);
  CHECK(grouped.grouped);
  CHECK(grouped.definition().find("resamples of the 2 groups, drawn whole") != std::string::npos);
  scores.rows.resize(40);
  CHECK_FALSE(score_intervals(scores, Metric::dice).mean.all.has_value());  // one group
  CHECK_FALSE(score_intervals(scores, Metric::hd95).labels[0].all.has_value());
  CHECK(score_intervals(scores, Metric::dice).json()["mean"]["all"].is_null());
  CHECK_THROWS_AS(score_intervals(scores, Metric::dice, {.resamples = 0}), ConfigError);
}

TEST_CASE("the bootstrap of a mean over labels takes whole images, and leaves out labels that a draw lacks") {
  // Image 0 has label 0 at 0, image 1 has label 1 at 1: a draw of both has the mean 1/2, of one alone 0 or 1.
  const std::vector<double> values{0, 1};
  const std::vector<Index> numbers{0, 1};
  const MeanInterval wide = bootstrap_mean(values, {}, numbers, numbers);
  CHECK(wide.mean == 0.5);
  CHECK(wide.low == 0);
  CHECK(wide.high == 1);
  const MeanInterval middle = bootstrap_mean(values, {.confidence = 0.4}, numbers, numbers);
  CHECK(middle.low == 0.5);
  CHECK(middle.high == 0.5);
  CHECK_THROWS_AS(bootstrap_mean(values, {}, {}, std::vector<Index>{1}), ShapeError);
}

TEST_CASE("every metric stands in the table of what scores mean") {
  std::ifstream stream(std::string(SSAM_TEST_DIR) + "/../include/ssam/eval/README.md");
  const std::string page{std::istreambuf_iterator<char>(stream), {}};
  REQUIRE(page.size() > 1000);
  for (const Metric metric : all_metrics) {
    const std::string key = metric_key(metric, {.unit = DistanceUnit::pixels});
    CAPTURE(key);
    CHECK(page.find("| `" + key + "`") != std::string::npos);
  }
}
