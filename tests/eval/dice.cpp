#include <doctest/doctest.h>

#include <cmath>
#include <ssam/eval/dice.hpp>
#include <ssam/eval/report.hpp>
#include <vector>

using namespace ssam;

TEST_CASE("dice and iou of masks") {
  const std::vector<std::uint8_t> prediction{1, 255, 0, 0, 1}, truth{1, 0, 1, 0, 1};
  const Counts counts = count_pixels(prediction, truth);
  CHECK(counts == Counts{2, 3, 3});
  CHECK(dice(counts) == doctest::Approx(4.0 / 6));
  CHECK(iou(counts) == doctest::Approx(2.0 / 4));
  CHECK(published_dice(counts) == doctest::Approx(5.0 / 7));
  CHECK_THROWS_AS(count_pixels(prediction, std::vector<std::uint8_t>(4)), ShapeError);
}

TEST_CASE("I3 Dice on empty/empty is 1, on one empty 0") {
  CHECK(dice({0, 0, 0}) == 1);
  CHECK(iou({0, 0, 0}) == 1);
  CHECK(published_dice({0, 0, 0}) == 1);
  CHECK(dice({0, 5, 0}) == 0);
  CHECK(dice({0, 0, 5}) == 0);
  CHECK(iou({0, 0, 5}) == 0);
  CHECK(published_dice({0, 0, 5}) == doctest::Approx(1.0 / 6));
}

TEST_CASE("a report: means over images, then over labels that have images") {
  Report report({"Liver", "Kidney", "Spleen"});
  report.add(0, {2, 3, 3});  // 2/3
  report.add(0, {0, 0, 0});  // blank, right
  report.add(1, {0, 4, 0});  // blank, wrong
  CHECK(report.scores()[0].mean_dice() == doctest::Approx((2.0 / 3 + 1) / 2));
  CHECK(report.mean_dice() == doctest::Approx((2.0 / 3 + 1) / 2 / 2));
  CHECK(report.scores()[0].n_blank_right == 1);
  CHECK(report.scores()[1].n_blank_right == 0);
  CHECK(report.scores()[0].mean_nonblank_dice() == doctest::Approx(2.0 / 3));
  CHECK(std::isnan(report.scores()[1].mean_nonblank_dice()));
  CHECK(report.mean_nonblank_dice() == doctest::Approx(2.0 / 3));  // of the one label that an image has
  CHECK_THROWS_AS(report.add(3, {}), ShapeError);

  const auto json = nlohmann::json::parse(report.json().dump());
  CHECK(json["labels"]["Liver"]["dice"].get<double>() == doctest::Approx(5.0 / 6));
  CHECK(json["labels"]["Kidney"]["blank"] == 1);
  CHECK(json["labels"]["Kidney"]["false_alarm"] == 1);
  CHECK(json["labels"]["Kidney"]["nonblank_dice"].is_null());
  CHECK(json["mean"]["nonblank_dice"].get<double>() == doctest::Approx(2.0 / 3));
  CHECK(json["mean"]["false_alarm"] == 1);
  CHECK(json["mean"]["images"] == 3);
  CHECK(json["labels"]["Spleen"]["dice"].is_null());
  CHECK(json["mean"]["dice"].get<double>() == doctest::Approx(5.0 / 12));
  CHECK(json["definition"].get<std::string>().find("2I / (P + T)") != std::string::npos);
}

TEST_CASE("a model that always answers blank is not the better one beside the blank rule") {
  Report blank({"Liver"}), sound({"Liver"});
  for (int i = 0; i < 8; ++i) {  // two of ten images show the label
    blank.add(0, {0, 0, 0});
    sound.add(0, i == 0 ? Counts{0, 3, 0} : Counts{0, 0, 0});  // one false alarm
  }
  for (int i = 0; i < 2; ++i) {
    blank.add(0, {0, 0, 10});
    sound.add(0, {4, 10, 10});
  }
  CHECK(blank.mean_dice() > sound.mean_dice() + 0.01);
  CHECK(blank.mean_nonblank_dice() == 0);
  CHECK(sound.mean_nonblank_dice() == doctest::Approx(0.4));
  const LabelScores &silent = blank.scores()[0], &speaking = sound.scores()[0];
  CHECK(silent.n_nonblank() == 2);
  CHECK(silent.n_false_blank == 2);
  CHECK(silent.n_false_alarm() == 0);
  CHECK(speaking.n_false_blank == 0);
  CHECK(speaking.n_false_alarm() == 1);
  blank += sound;
  CHECK(blank.total().n_false_blank == 2);
  CHECK(blank.total().n_false_alarm() == 1);
  CHECK(blank.mean_nonblank_dice() == doctest::Approx(0.2));
}

TEST_CASE("a report's table is aligned, letters beyond ASCII included") {
  Report report({"Ligamento hepático", "Fat"});
  report.add(0, {1, 1, 1});
  const std::string text = report.text();
  const std::string wide =
      "Ligamento hepático      1.0000      1.0000      1.0000      1.0000           1           0           0          "
      " 0           0\n";
  const std::string none =
      "Fat                          -           -           -           -           0           0           0          "
      " 0           0\n";
  CHECK(text.find(wide) != std::string::npos);
  CHECK(text.find(none) != std::string::npos);
  CHECK(text.find("label                      DSC   non-blank   publ. DSC         IoU      images       blank       "
                  "right false blank false alarm\n") == 0);
  CHECK(text.find("mean                    1.0000") != std::string::npos);
  CHECK(text.find(dice_definition) != std::string::npos);
}

TEST_CASE("reports of parts add up to the report of the whole") {
  Report whole({"A"}), left({"A"}), right({"A"});
  for (int i = 0; i < 4; ++i) {
    const Counts counts{1.0 * i, 4, 4};
    whole.add(0, counts);
    (i < 2 ? left : right).add(0, counts);
  }
  left += right;
  CHECK(left.text() == whole.text());
  CHECK_THROWS_AS(left += Report({"B"}), ShapeError);
}

TEST_CASE("no images at all: the mean is not a number, not 0") {
  CHECK(std::isnan(Report({"A"}).mean_dice()));
  CHECK(std::isnan(LabelScores{}.mean_iou()));
}
