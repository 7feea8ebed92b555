#include <doctest/doctest.h>

#include <cmath>
#include <ssam/eval/comparison_report.hpp>

#include "../data/files.hpp"

using namespace ssam;

namespace {

/// Two runs over the same images.
struct Runs {
  Scores a, b;

  void add(const std::string& image, const std::string& label, const Counts& of_a, const Counts& of_b,
           const std::string& group = "") {
    a.rows.push_back({image, "test", group, label, {of_a}});
    b.rows.push_back({image, "test", group, label, {of_b}});
  }
};

Runs three_images() {
  Runs runs;
  for (const char* label : {"Liver", "Kidney"}) {
    runs.add("1.png", label, {5, 10, 10}, {8, 10, 10});
    runs.add("2.png", label, {4, 10, 10}, {5, 10, 10});
    runs.add("3.png", label, {0, 0, 0}, {0, 4, 0});
  }
  return runs;
}

std::string refused(const Runs& runs, Metric metric = Metric::dice) {
  return test::message_of<MismatchError>([&] { compare_scores(runs.a, runs.b, metric); });
}

}  // namespace

// Literals: scipy.stats.ttest_rel and scipy.stats.wilcoxon of SciPy 1.17.1, on scores of counts drawn as here.
TEST_CASE("p values of compared runs are SciPy's, ties and blank images included") {
  struct Case {
    Index n;
    std::string kind;
    double mean_a, mean_b;
    Index ties;
    double t, t_p, wilcoxon_p;
  };
  const Case cases[] = {
      {9, "plain", 0.5165384073375052, 0.4505477046060666, 0, -0.5343995938674236, 0.6075923770185899, 0.734375},
      {12, "ties", 0.8231902569431172, 0.8691431360195662, 5, 0.9057036060512215, 0.38450197849681755, 0.46875},
      {30, "blanks", 0.5706713220492983, 0.6194040072994617, 2, 0.5026820048338028, 0.6189841129803895,
       0.8286770064402925},
      {60, "plain", 0.5409339052280229, 0.4861407065495605, 0, -1.3338028659826004, 0.18739468661069011,
       0.13895807720456213},
      {70, "ties", 0.7971252026984287, 0.7956228958053158, 18, -0.04499411093199503, 0.9642419668653727,
       0.9382941968138061}};
  std::uint64_t state = 11;
  const auto next = [&](Index below) {  // a linear congruential generator, as the recording's
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<Index>((state >> 33) % static_cast<std::uint64_t>(below));
  };
  for (const Case& c : cases) {
    CAPTURE(c.n);
    Runs runs;
    for (Index image = 0; image < c.n; ++image) {
      const bool blank = c.kind == "blanks" && next(3) == 0;
      const Index truth = blank ? 0 : 20 + next(40);
      const auto draw = [&](Index run) {
        if (c.kind == "ties") {
          return Counts{static_cast<double>(truth - next(4) * 5), static_cast<double>(truth),
                        static_cast<double>(truth)};
        }
        if (blank) return Counts{0, next(4) != 0 ? 0.0 : 7.0, 0};
        const Index shared = next(truth + 1);
        return Counts{static_cast<double>(shared), static_cast<double>(shared + next(10 + 15 * run)),
                      static_cast<double>(truth)};
      };
      const Counts of_a = draw(0), of_b = draw(1);
      runs.add(std::to_string(image), "Liver", of_a, of_b);
    }
    const Comparison comparison = compare_scores(runs.a, runs.b);
    REQUIRE(comparison.labels.size() == 1);
    for (const ComparedLabel& found : {comparison.labels[0], comparison.all}) {  // of one label they are the same
      CHECK(found.pairs == c.n);
      CHECK(found.left_out == 0);
      CHECK(found.ties == c.ties);
      CHECK(found.higher + found.lower + found.ties == c.n);
      CHECK(found.mean_a == doctest::Approx(c.mean_a).epsilon(1e-12));
      CHECK(found.mean_b == doctest::Approx(c.mean_b).epsilon(1e-12));
      CHECK(found.difference == doctest::Approx(c.mean_b - c.mean_a).epsilon(1e-9));
      REQUIRE(found.t_test.has_value());
      CHECK(found.t_test->t == doctest::Approx(c.t).epsilon(1e-9));
      CHECK(found.t_test->p == doctest::Approx(c.t_p).epsilon(1e-9));
      CHECK(found.wilcoxon->p == doctest::Approx(c.wilcoxon_p).epsilon(1e-9));
      CHECK((found.wilcoxon->method == WilcoxonMethod::exact) == (c.n <= 13));
      REQUIRE(found.interval.has_value());
      CHECK(found.interval->mean == doctest::Approx(found.difference));
      CHECK(found.interval->low < found.difference);
      CHECK(found.interval->high > found.difference);
    }
    CHECK(comparison.labels[0].t_test_holm == comparison.labels[0].t_test->p);
    CHECK_FALSE(comparison.all.t_test_holm.has_value());
  }
}

TEST_CASE("a comparison over labels: means of means, tests over images, Holm's correction over labels") {
  Runs runs;
  const double gains[3][6] = {{1, 2, 3, 4, 5, 6}, {3, -1, 2, 2, -4, 1}, {-2, -3, -1, -6, -5, -4}};
  const char* labels[] = {"A", "B", "C"};
  for (std::size_t image = 0; image < 6; ++image) {
    for (std::size_t label = 0; label < 3; ++label) {
      runs.add(std::to_string(image), labels[label], {30, 50, 50}, {30 + gains[label][image], 50, 50});
    }
  }
  const Comparison comparison = compare_scores(runs.a, runs.b);
  REQUIRE(comparison.labels.size() == 3);
  CHECK(comparison.labels[0].difference == doctest::Approx(3.5 / 50));
  CHECK(comparison.labels[1].difference == doctest::Approx(0.5 / 50));
  CHECK(comparison.labels[2].difference == doctest::Approx(-3.5 / 50));
  CHECK(comparison.labels[1].higher == 4);
  CHECK(comparison.labels[1].lower == 2);
  // All signs alike in six pairs: 2 of 64 cases. Holm: three times the smallest, and so on.
  CHECK(comparison.labels[0].wilcoxon->p == doctest::Approx(2.0 / 64));
  CHECK(*comparison.labels[0].wilcoxon_holm == doctest::Approx(6.0 / 64));
  CHECK(*comparison.labels[2].wilcoxon_holm == doctest::Approx(6.0 / 64));
  CHECK(*comparison.labels[1].wilcoxon_holm == comparison.labels[1].wilcoxon->p);
  CHECK(*comparison.labels[0].t_test_holm == doctest::Approx(3 * comparison.labels[0].t_test->p));
  CHECK(comparison.all.difference == doctest::Approx(0.5 / 50 / 3));
  CHECK(comparison.all.pairs == 6);
  std::vector<double> before, after;
  for (std::size_t image = 0; image < 6; ++image) {
    before.push_back(0.6);
    after.push_back((90 + gains[0][image] + gains[1][image] + gains[2][image]) / 150);
  }
  CHECK(comparison.all.t_test->p == doctest::Approx(paired_t_test(after, before).p).epsilon(1e-9));
}

TEST_CASE("of images with the label alone") {
  const Runs runs = three_images();
  const Comparison all = compare_scores(runs.a, runs.b),
                   some = compare_scores(runs.a, runs.b, Metric::dice, Cases::nonblank);
  CHECK(all.labels[0].pairs == 3);
  CHECK(all.labels[0].mean_a == doctest::Approx(1.9 / 3));
  CHECK(all.labels[0].mean_b == doctest::Approx(1.3 / 3));
  CHECK(some.labels[0].pairs == 2);
  CHECK(some.labels[0].mean_a == doctest::Approx(0.45));
  CHECK(some.labels[0].mean_b == doctest::Approx(0.65));
  CHECK(some.all.pairs == 2);
  CHECK(some.all.difference == doctest::Approx(0.2));
  CHECK(comparison_json(some)["cases"] == "nonblank");
}

TEST_CASE("distances are compared where both runs have them; the lower one is the better") {
  Runs runs;
  runs.a.measures = runs.b.measures = {.unit = DistanceUnit::millimetres, .tolerance = 2};
  for (int i = 0; i < 8; ++i) {
    runs.add(std::to_string(i), "Liver", {5, 9, 9}, {i == 3 ? 0.0 : 5, i == 3 ? 0.0 : 9, 9});
    MaskScore &a = runs.a.rows.back().score, &b = runs.b.rows.back().score;
    a.hd95 = 10 + i % 3;
    if (i != 3) b.hd95 = 4 + i % 2;
    a.hd = a.hd95;
    b.hd = b.hd95;
    a.nsd = b.nsd = 0.5;
  }
  const Comparison comparison = compare_scores(runs.a, runs.b, Metric::hd95);
  CHECK(comparison.labels[0].pairs == 7);
  CHECK(comparison.labels[0].left_out == 1);
  CHECK(comparison.all.left_out == 1);
  CHECK(comparison.labels[0].lower == 7);
  const std::string verdict = comparison_verdict(comparison);
  CHECK(verdict.find("B is better in mean hd95_mm (B less A -") == 0);
  CHECK(verdict.find("chance hardly explains") != std::string::npos);
  CHECK(verdict.find("Liver (B better)") != std::string::npos);
  CHECK(comparison_json(comparison)["metric"] == "hd95_mm");

  Runs pixels = runs;
  pixels.b.measures.unit = DistanceUnit::pixels;
  CHECK(test::contains(refused(pixels, Metric::hd95), "expected hd95_mm as in run A, found hd95_px in run B"));
  CHECK_NOTHROW(compare_scores(pixels.a, pixels.b, Metric::dice));
  pixels = runs;
  pixels.b.measures.tolerance = 1;
  CHECK(test::contains(refused(pixels, Metric::nsd), "expected nsd_2mm as in run A, found nsd_1mm in run B"));
  CHECK_NOTHROW(compare_scores(pixels.a, pixels.b, Metric::hd95));
  CHECK_THROWS_WITH_AS(compare_scores(runs.a, runs.b, Metric::centerline_dice),
                       "the scores have no centerline_dice [run A]; measure it in the evaluation", ConfigError);
}

TEST_CASE("degenerate comparisons have no numbers that are none") {
  Runs one;
  one.add("1.png", "Liver", {5, 10, 10}, {8, 10, 10});
  const Comparison single = compare_scores(one.a, one.b);
  CHECK(single.labels[0].difference == doctest::Approx(0.3));
  CHECK_FALSE(single.labels[0].interval.has_value());
  CHECK_FALSE(single.labels[0].t_test.has_value());
  CHECK_FALSE(single.labels[0].wilcoxon_holm.has_value());
  CHECK(comparison_verdict(single) ==
        "B less A is +0.3000 in mean dice on one image, which says nothing about chance.");
  const auto json = nlohmann::json::parse(comparison_json(single).dump());
  for (const char* key : {"interval", "t", "t_p", "t_p_holm", "wilcoxon_p", "wilcoxon_p_holm", "wilcoxon_method"}) {
    CHECK(json["labels"]["Liver"][key].is_null());
  }
  CHECK(json["all"]["difference"].get<double>() == doctest::Approx(0.3));

  const Runs runs = three_images();
  const Comparison same = compare_scores(runs.a, runs.a);
  CHECK(same.all.ties == 3);
  CHECK_FALSE(same.all.t_test.has_value());
  CHECK_FALSE(same.all.wilcoxon.has_value());
  CHECK(same.all.interval->low == 0);
  CHECK(same.all.interval->high == 0);
  CHECK(comparison_verdict(same) == "A and B have the same dice on 3 images: there is no difference.");

  Runs blank;
  blank.add("1.png", "Liver", {0, 0, 0}, {0, 3, 0});
  const Comparison none = compare_scores(blank.a, blank.b, Metric::dice, Cases::nonblank);
  CHECK(none.labels[0].pairs == 0);
  CHECK(std::isnan(none.all.mean_a));
  CHECK(comparison_verdict(none) == "There is no image for which dice is defined in both runs.");
  for (const Comparison& comparison : {single, same, none}) {
    CHECK(comparison_text(comparison).find("nan") == std::string::npos);
    CHECK(comparison_text(comparison).find("inf") == std::string::npos);
  }
  CHECK_THROWS_AS(compare_scores({}, {}), ConfigError);
  CHECK_THROWS_AS(compare_scores(one.a, one.b, Metric::dice, Cases::all, {.confidence = 0}), ConfigError);

  Runs rare = three_images();  // a label on one image only, beside another one
  rare.add("1.png", "Fat", {1, 2, 2}, {2, 2, 2});
  const Comparison mixed = compare_scores(rare.a, rare.b);
  CHECK_FALSE(mixed.labels[2].t_test_holm.has_value());
  CHECK(*mixed.labels[0].t_test_holm == 1);  // of two tests, p is above 1/2 in both
}

TEST_CASE("runs that are not over the same things are refused, and what differs is said") {
  Runs runs = three_images();
  runs.b.rows.pop_back();
  CHECK(test::contains(refused(runs), "not over the same images and labels"));
  CHECK(test::contains(refused(runs), "run B lacks '3.png, Kidney'"));
  runs.b.rows.erase(runs.b.rows.begin() + 2);
  CHECK(test::contains(refused(runs), "not over the same images [") == false);
  CHECK(test::contains(refused(runs), "expected the same 3 images in both, found run B lacks '3.png'"));
  runs = three_images();
  for (ImageScore& row : runs.a.rows) row.image = "data/" + row.image;
  CHECK(
      test::contains(refused(runs), "found run B lacks 'data/1.png', 'data/2.png', 'data/3.png'; run A lacks '1.png'"));
  runs = three_images();
  for (ImageScore& row : runs.b.rows) row.label = row.label == "Liver" ? "liver" : row.label;
  CHECK(test::contains(refused(runs),
                       "not over the same labels: expected the same 2 labels in both, found run B lacks "
                       "'Liver'; run A lacks 'liver'"));
  runs = three_images();
  runs.b.rows[4].image = "1.png";
  CHECK(test::contains(refused(runs), "two scores for one label [run B]: found '1.png', label 'Kidney'; keep one"));
  runs = three_images();
  runs.b.rows[1].score.counts.truth = 11;
  CHECK(test::contains(refused(runs),
                       "different true masks [2.png, label 'Liver']: expected 10 pixels of the label as "
                       "in run A, found 11 in run B"));
  runs = three_images();
  runs.b.rows[1].group = "patient 4";
  CHECK(test::contains(refused(runs), "different groups [2.png, label 'Liver']: expected '' as in run A"));
  runs.a = {};
  CHECK(test::contains(refused(runs), "not over the same labels"));
}

TEST_CASE("a comparison as text is aligned and fits 100 columns") {
  Runs runs;
  for (int i = 0; i < 30; ++i) {
    runs.add(std::to_string(i), "Gastrointestinal Tract", {20.0 + i % 5, 50, 50}, {24.0 + i % 7, 50, 50},
             "patient " + std::to_string(i / 3));
    runs.add(std::to_string(i), "Fat", {20.0 + i % 3, 50, 50}, {20.0 + i % 2, 50, 50},
             "patient " + std::to_string(i / 3));
  }
  const std::string text = comparison_text(compare_scores(runs.a, runs.b));
  CAPTURE(text);
  for (std::size_t begin = 0, line = 0; line < 9; ++line) {
    const std::size_t end = text.find('\n', begin);
    CHECK(end - begin <= 100);
    begin = end + 1;
  }
  CHECK(text.find("label                   images  left out  mean A  mean B    B - A     from       to\n") == 0);
  CHECK(text.find("10000 resamples of groups, drawn whole") != std::string::npos);
  CHECK(text.find("these labels differ by all of them: Gastrointestinal Tract (B better)") != std::string::npos);
}

TEST_CASE("runs of several seeds: an image counts once, with its mean over the seeds") {
  const Runs first = three_images();
  Runs second = first;
  for (ImageScore& row : second.b.rows) row.score.counts.intersection = row.score.counts.truth == 0 ? 0 : 9;
  const std::vector<Scores> a{first.a}, b{first.b, second.b};
  const Comparison comparison = compare_methods(a, b);
  // Run A .5, .4, 1; runs B .8, .5, 0 and .9, .9, 0.
  CHECK(comparison.labels[0].pairs == 3);
  CHECK(comparison.labels[0].mean_a == doctest::Approx(1.9 / 3));
  CHECK(comparison.labels[0].mean_b == doctest::Approx((0.85 + 0.7 + 0) / 3));
  const std::vector<double> of_a{0.5, 0.4, 1}, of_b{0.85, 0.7, 0};
  CHECK(comparison.labels[0].t_test->p == doctest::Approx(paired_t_test(of_b, of_a).p));
  CHECK(comparison.all.pairs == 3);

  // One run twice is that run.
  const Comparison once = compare_scores(first.a, first.b);
  const Comparison twice =
      compare_methods(std::vector<Scores>{first.a, first.a}, std::vector<Scores>{first.b, first.b});
  CHECK(comparison_json(once) == comparison_json(twice));
  CHECK_THROWS_AS(compare_methods(a, std::vector<Scores>{}), ConfigError);
  second.b.rows.pop_back();
  CHECK_THROWS_AS(compare_methods(a, std::vector<Scores>{first.b, second.b}), MismatchError);
}
