#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <ssam/eval/significance.hpp>
#include <vector>

using namespace ssam;

namespace {

using Values = std::vector<double>;

bool near(double value, double expected) { return std::abs(value - expected) <= 1e-10 * std::abs(expected); }

}  // namespace

// Literals: scipy.special.betainc, and mpmath's with 30 digits for Student's t.
TEST_CASE("the incomplete beta function and Student's t") {
  CHECK(near(detail::incomplete_beta(2, 3, 0.4, 1 - 0.4), 0.5248));
  CHECK(near(detail::incomplete_beta(0.5, 0.5, 0.1, 1 - 0.1), 0.20483276469913345));
  CHECK(near(detail::incomplete_beta(10, 0.5, 0.999, 1 - 0.999), 0.8888967091248604));
  CHECK(near(detail::incomplete_beta(120.5, 37.25, 0.8, 1 - 0.8), 0.85901604569689));
  CHECK(near(detail::incomplete_beta(0.3, 40, 0.002, 1 - 0.002), 0.5117340987888989));
  CHECK(near(detail::incomplete_beta(1, 1, 0.37, 1 - 0.37), 0.37));
  CHECK(detail::incomplete_beta(3, 4, 0, 1) == 0);
  CHECK(detail::incomplete_beta(3, 4, 1, 0) == 1);
  CHECK(near(student_t_two_sided(2.5, 9), 0.03386182768298574));
  CHECK(near(student_t_two_sided(0.01, 3), 0.992649111412852));
  CHECK(near(student_t_two_sided(-6.3, 41), 1.619342782342522e-07));
  CHECK(near(student_t_two_sided(1.96, 1e6), 0.04999606758526979));
  CHECK(near(student_t_two_sided(12, 1), 0.05292935211917975));
  CHECK(near(student_t_two_sided(1e-9, 5), 0.9999999992407866));
  CHECK(near(student_t_two_sided(40, 30), 1.3726045194406403e-27));
  CHECK(student_t_two_sided(0, 7) == 1);
  CHECK(student_t_two_sided(HUGE_VAL, 7) == 0);
  CHECK(student_t_two_sided(-1e200, 7) == 0);
  CHECK_THROWS_AS(student_t_two_sided(std::nan(""), 7), ConfigError);
  CHECK_THROWS_AS(student_t_two_sided(1, 0), ConfigError);
}

// Literals: scipy.stats.ttest_rel and scipy.stats.wilcoxon of SciPy 1.17.1.
TEST_CASE("paired tests are SciPy's") {
  SUBCASE("scores without ties: exact") {
    const Values first{0.81, 0.77, 0.92, 0.64, 0.88, 0.71, 0.95, 0.83, 0.59, 0.90};
    const Values second{0.785, 0.79, 0.86, 0.655, 0.80, 0.60, 0.946, 0.763, 0.61, 0.855};
    const PairedTTest t = paired_t_test(first, second);
    CHECK(near(t.t, 2.3130950320981327));
    CHECK(near(t.p, 0.046002864765810676));
    CHECK(t.degrees == 9);
    CHECK(near(t.difference, 0.0336));
    CHECK(near(paired_t_test(second, first).p, t.p));
    CHECK(near(paired_t_test(second, first).t, -t.t));
    const WilcoxonTest w = wilcoxon_signed_rank(first, second);
    CHECK(w.statistic == 9);
    CHECK(near(w.p, 0.060546875));
    CHECK(w.method == WilcoxonMethod::exact);
    CHECK(w.positive_ranks == 46);
    CHECK(w.negative_ranks == 9);
    CHECK(wilcoxon_signed_rank(second, first).p == w.p);
  }
  SUBCASE("12 pairs with ties and zeros: all signs counted out") {
    const Values first{5, 3, 8, 6, 7, 2, 9, 4, 6, 5, 7, 8}, second{3, 3, 6, 7, 4, 2, 5, 5, 4, 5, 3, 7};
    CHECK(near(paired_t_test(first, second).t, 2.601774542351963));
    CHECK(near(paired_t_test(first, second).p, 0.024615978015509667));
    const WilcoxonTest w = wilcoxon_signed_rank(first, second);
    CHECK(w.statistic == 4);
    CHECK(near(w.p, 0.02734375));
    CHECK(w.used == 9);
    CHECK(w.method == WilcoxonMethod::exact);
  }
  SUBCASE("20 pairs with ties and a zero: normal") {
    Values first, second;
    for (int i = 0; i < 20; ++i) {
      first.push_back(i * 7 % 11);
      second.push_back(i * 5 % 8);
    }
    CHECK(near(paired_t_test(first, second).t, 2.1656814914520868));
    CHECK(near(paired_t_test(first, second).p, 0.043265222068682864));
    const WilcoxonTest w = wilcoxon_signed_rank(first, second);
    CHECK(w.statistic == 37);
    CHECK(near(w.p, 0.018674338935251215));
    CHECK(w.used == 19);
    CHECK(w.method == WilcoxonMethod::normal);
  }
  SUBCASE("no ties, fewer and more pairs than 50") {
    struct Case {
      int n;
      double t, p, statistic, wilcoxon;
    };
    for (const Case& c : {Case{2, -1.445945945945946, 0.38519221648975793, 0, 0.5},
                          Case{13, -0.22810471293966805, 0.8234054013406644, 42, 0.83935546875},
                          Case{14, 0.05632827653282414, 0.9559368404647608, 52, 1},
                          Case{50, 1.1273847543411428, 0.2650703124262962, 530, 0.3044806608698192},
                          Case{51, 1.0611211361926147, 0.2937336587943867, 560, 0.33431091331572893},
                          Case{80, 1.442125509135626, 0.15321981586686212, 1330, 0.16424869079584203}}) {
      CAPTURE(c.n);
      Values first;
      for (int i = 0; i < c.n; ++i) first.push_back(i * 37 % 101);
      const Values second(first.size(), 45.25);
      CHECK(near(paired_t_test(first, second).t, c.t));
      CHECK(near(paired_t_test(first, second).p, c.p));
      const WilcoxonTest w = wilcoxon_signed_rank(first, second);
      CHECK(w.statistic == c.statistic);
      CHECK(near(w.p, c.wilcoxon));
      CHECK((w.method == WilcoxonMethod::exact) == (c.n <= 50));
    }
  }
}

TEST_CASE("pairs that are all alike") {
  const Values ones(20, 1.0), twos(20, 2.0);
  CHECK_THROWS_AS(paired_t_test(ones, ones), ConfigError);
  CHECK(paired_t_test(ones, twos).t == -HUGE_VAL);
  CHECK(paired_t_test(ones, twos).p == 0);
  CHECK(wilcoxon_signed_rank(ones, ones).p == 1);
  CHECK(wilcoxon_signed_rank(ones, ones).used == 0);
  CHECK(wilcoxon_signed_rank(ones, ones).statistic == 0);
}

TEST_CASE("samples that are refused") {
  const Values two{1, 2}, three{1, 2, 3}, one{1}, bad{1, std::nan("")}, open{1, HUGE_VAL};
  const double most = std::numeric_limits<double>::max();
  CHECK_THROWS_AS(paired_t_test(two, three), ShapeError);
  CHECK_THROWS_AS(wilcoxon_signed_rank(two, three), ShapeError);
  CHECK_THROWS_AS(paired_t_test(one, one), ConfigError);
  CHECK_THROWS_AS(wilcoxon_signed_rank({}, {}), ConfigError);
  CHECK_THROWS_AS(wilcoxon_signed_rank(Values{most, 1}, Values{-most, 2}), ConfigError);
  for (const Values& values : {bad, open}) {
    CHECK_THROWS_AS(paired_t_test(values, two), ConfigError);
    CHECK_THROWS_AS(paired_t_test(two, values), ConfigError);
    CHECK_THROWS_AS(wilcoxon_signed_rank(two, values), ConfigError);
    CHECK_THROWS_AS(bootstrap_mean(values), ConfigError);
  }
  CHECK_THROWS_WITH_AS(bootstrap_mean(bad),
                       "values of a bootstrap are not all finite: expected finite numbers, found 1 of 2 are NaN or "
                       "infinite",
                       ConfigError);
  CHECK_THROWS_AS(bootstrap_mean(one), ConfigError);
  CHECK_THROWS_AS(bootstrap_mean(two, {.resamples = 0}), ConfigError);
  CHECK_THROWS_AS(bootstrap_mean(two, {.confidence = 1}), ConfigError);
  CHECK_THROWS_AS(bootstrap_mean(two, {.confidence = std::nan("")}), ConfigError);
  CHECK_THROWS_AS(bootstrap_mean(two, {}, std::vector<Index>{1}), ShapeError);
  CHECK_THROWS_AS(bootstrap_mean(two, {}, std::vector<Index>{1, 1}), ConfigError);
}

TEST_CASE("the bootstrap by sample") {
  Values values;
  for (int i = 0; i < 40; ++i) values.push_back(i * 29 % 41 / 41.0);
  const MeanInterval interval = bootstrap_mean(values, {.resamples = 20000, .seed = 4});
  CHECK(near(interval.mean, 0.4926829268292683));
  CHECK(std::abs(interval.low - 0.4024390243902439) < 0.005);  // scipy.stats.bootstrap, percentile, 200000 resamples
  CHECK(std::abs(interval.high - 0.5829268292682926) < 0.005);
  CHECK(bootstrap_mean(values, {.resamples = 20000, .seed = 4}).low == interval.low);
  CHECK(bootstrap_mean(values, {.resamples = 20000, .seed = 5}).low != interval.low);
  const MeanInterval narrow = bootstrap_mean(values, {.resamples = 20000, .confidence = 0.5, .seed = 4});
  CHECK(narrow.low > interval.low);
  CHECK(narrow.high < interval.high);
  const MeanInterval constant = bootstrap_mean(Values(5, 0.25));
  CHECK(constant.low == 0.25);
  CHECK(constant.high == 0.25);
}

TEST_CASE("the bootstrap by group draws whole patients") {
  const Values values{0, 1, 0, 0};
  const std::vector<Index> patients{7, -3, 7, 7};  // means of draws: 0 and 1 by chance 1/4 each, 1/4 by 1/2
  const MeanInterval wide = bootstrap_mean(values, {}, patients);
  CHECK(wide.mean == 0.25);
  CHECK(wide.low == 0);
  CHECK(wide.high == 1);
  const MeanInterval middle = bootstrap_mean(values, {.confidence = 0.4}, patients);
  CHECK(middle.low == 0.25);
  CHECK(middle.high == 0.25);

  const Values scores{0.3, 0.9, 0.5, 0.7, 0.1};
  const std::vector<Index> alone{5, 4, 3, 2, 1};
  CHECK(bootstrap_mean(scores, {}, alone).low == bootstrap_mean(scores).low);
  CHECK(bootstrap_mean(scores, {}, alone).high == bootstrap_mean(scores).high);

  Values copies;  // of each patient, ten images alike: no more is known than from one image each
  std::vector<Index> whose;
  for (Index patient = 0; patient < 12; ++patient) {
    for (int image = 0; image < 10; ++image) {
      copies.push_back(static_cast<double>(patient * 5 % 12));
      whose.push_back(patient);
    }
  }
  const MeanInterval by_image = bootstrap_mean(copies), by_patient = bootstrap_mean(copies, {}, whose);
  CHECK(by_patient.high - by_patient.low > 2.5 * (by_image.high - by_image.low));
}

TEST_CASE("Holm's correction by hand") {
  const Values adjusted = holm(Values{0.01, 0.04, 0.03, 0.005});
  const Values expected{0.03, 0.06, 0.06, 0.02};
  REQUIRE(adjusted.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(near(adjusted[i], expected[i]));
  CHECK(holm(Values{0.9, 0.8}) == Values{1, 1});
  CHECK(holm(Values{0.2}) == Values{0.2});
  CHECK(holm({}).empty());
  CHECK_THROWS_AS(holm(Values{0.1, 1.2}), ConfigError);
  CHECK_THROWS_AS(holm(Values{std::nan("")}), ConfigError);
}
