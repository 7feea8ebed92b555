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

TEST_CASE("precision and recall of masks, blank ones by the rule of Dice") {
  const Counts counts{6, 8, 10};
  CHECK(precision(counts) == doctest::Approx(6.0 / 8));
  CHECK(recall(counts) == doctest::Approx(6.0 / 10));
  CHECK(precision({0, 0, 0}) == 1);
  CHECK(recall({0, 0, 0}) == 1);
  for (const Counts& one : {Counts{0, 5, 0}, Counts{0, 0, 5}}) {
    CHECK(precision(one) == 0);
    CHECK(recall(one) == 0);
  }
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
  report.add(0, {Counts{2, 3, 3}});  // 2/3
  report.add(0, {Counts{0, 0, 0}});  // blank, right
  report.add(1, {Counts{0, 4, 0}});  // blank, wrong
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
  CHECK(json["definitions"]["dice"].get<std::string>().find("2I / (P + T)") != std::string::npos);
  CHECK_FALSE(json["definitions"].contains("hd95"));
  CHECK(json["labels"]["Liver"]["precision"].get<double>() == doctest::Approx((2.0 / 3 + 1) / 2));
  CHECK(json["labels"]["Kidney"]["recall"] == 0);
  CHECK(json["labels"]["Kidney"]["false_alarm_rate"] == 1);
  CHECK(json["labels"]["Kidney"]["false_blank_rate"].is_null());
  CHECK(json["mean"]["false_alarm_rate"] == 0.5);  // one of the two images without the label
  CHECK_FALSE(json["mean"].contains("both_masks"));
}

TEST_CASE("a model that always answers blank is not the better one beside the blank rule") {
  Report blank({"Liver"}), sound({"Liver"});
  for (int i = 0; i < 8; ++i) {  // two of ten images show the label
    blank.add(0, {Counts{0, 0, 0}});
    sound.add(0, {i == 0 ? Counts{0, 3, 0} : Counts{0, 0, 0}});  // one false alarm
  }
  for (int i = 0; i < 2; ++i) {
    blank.add(0, {Counts{0, 0, 10}});
    sound.add(0, {Counts{4, 10, 10}});
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

TEST_CASE("a report's tables are aligned, letters beyond ASCII included, in 100 columns") {
  Report report({"Ligamento hepático", "Fat"});
  report.add(0, {Counts{1, 1, 1}});
  report.add(0, {Counts{0, 0, 4}});
  const std::string expected =
      "label                  DSC  non-blank  publ. DSC     IoU  precision  recall\n"
      "Ligamento hepático  0.5000     0.5000     0.6000  0.5000     0.5000  0.5000\n"
      "Fat                      -          -          -       -          -       -\n"
      "mean                0.5000     0.5000     0.6000  0.5000     0.5000  0.5000\n"
      "\n"
      "label               images  blank  right  false blank    rate  false alarm  rate\n"
      "Ligamento hepático       2      0      0            1  0.5000            0     -\n"
      "Fat                      0      0      0            0       -            0     -\n"
      "all                      2      0      0            1  0.5000            0     -\n"
      "\n"
      "DSC = 2I / (P + T)";
  CHECK(report.text().substr(0, expected.size()) == expected);
  CHECK(report.text().find(cases_definition) != std::string::npos);
  Report wide({"Gastrointestinal Tract"}, {.unit = DistanceUnit::millimetres, .tolerance = 12.5, .centerlines = true});
  wide.add(0, {Counts{1, 1, 1}, 1234.5, 1000, 1, 1});
  const std::string text = wide.text();
  for (std::size_t begin = 0, row = 0; row < 11; ++row) {
    const std::size_t end = text.find('\n', begin);
    CHECK(end - begin <= 100);
    begin = end + 1;
  }
}

TEST_CASE("a report has what was measured beside the overlap, in its unit, and images without distances apart") {
  const Measures measures{.unit = DistanceUnit::pixels, .tolerance = 2.5, .centerlines = true};
  Report report({"A", "B"}, measures);
  report.add(0, {Counts{3, 4, 5}, 6.0, 4.0, 0.5, 0.75});
  report.add(0, {Counts{3, 4, 5}, 2.0, 1.0, 1.0, 0.25});
  report.add(0, {Counts{0, 0, 5}, {}, {}, 0.0, 0.0});  // a false blank
  report.add(0, {Counts{0, 0, 0}, {}, {}, 1.0, 1.0});
  const auto json = nlohmann::json::parse(report.json().dump());
  const auto& a = json["labels"]["A"];
  CHECK(a["hd_px"] == 4);
  CHECK(a["hd95_px"] == 2.5);
  CHECK(a["nsd_2.5px"] == 0.625);
  CHECK(a["nonblank_nsd_2.5px"] == 0.5);
  CHECK(a["centerline_dice"] == 0.5);
  CHECK(a["nonblank_centerline_dice"].get<double>() == doctest::Approx(1.0 / 3));
  CHECK(a["both_masks"] == 2);
  CHECK(a["false_blank"] == 1);
  CHECK(a["blank_right"] == 1);
  CHECK(json["labels"]["B"]["hd95_px"].is_null());
  CHECK(json["mean"]["hd95_px"] == 2.5);
  CHECK(json["definitions"]["nsd_2.5px"].get<std::string>().find("within 2.5 px") != std::string::npos);
  CHECK(json["definitions"]["hd_px"].get<std::string>().find("in px") != std::string::npos);
  const std::string expected =
      "label   HD px  HD95 px  NSD 2.5px  non-blank  clDice  non-blank  measured\n"
      "A      4.0000   2.5000     0.6250     0.5000  0.5000     0.3333         2\n"
      "B           -        -          -          -       -          -         0\n"
      "mean   4.0000   2.5000     0.6250     0.5000  0.5000     0.3333         2\n";
  CHECK(report.text().find(expected) != std::string::npos);
  CHECK_THROWS_AS(report += Report({"A", "B"}), MismatchError);
  CHECK_THROWS_AS(report += Report({"A", "B"}, {.unit = DistanceUnit::millimetres, .tolerance = 2.5}), MismatchError);
}

TEST_CASE("reports of parts add up to the report of the whole") {
  Report whole({"A"}), left({"A"}), right({"A"});
  for (int i = 0; i < 4; ++i) {
    const Counts counts{1.0 * i, 4, 4};
    whole.add(0, {counts});
    (i < 2 ? left : right).add(0, {counts});
  }
  left += right;
  CHECK(left.text() == whole.text());
  CHECK_THROWS_AS(left += Report({"B"}), ShapeError);
}

TEST_CASE("no images at all: the mean is not a number, not 0") {
  CHECK(std::isnan(Report({"A"}).mean_dice()));
  CHECK(std::isnan(LabelScores{}.mean(Metric::iou)));
}
