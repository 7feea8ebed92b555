#pragma once

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <ssam/eval/compare.hpp>
#include <ssam/eval/text_table.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// "0.0312", "2.1e-07"; "-" for none.
inline std::string p_value(const std::optional<double>& p) {
  if (!p) return "-";
  char text[32];
  std::snprintf(text, sizeof text, *p != 0 && *p < 0.0001 ? "%.1e" : "%.4f", *p);
  return text;
}

template <class Test>
std::optional<double> p_of(const std::optional<Test>& test) {
  return test ? std::optional(test->p) : std::nullopt;
}

/// "2.31", "-12.3"; "inf" where all differences are one number.
inline std::string three_digits(double t) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", t);
  return text;
}

/// "+0.0123"; "-" for NaN.
inline std::string signed_digits(double value) {
  return std::isnan(value) || value <= 0 ? four_digits(value) : "+" + four_digits(value);
}

inline std::string ends_text(const MeanInterval& interval) {
  return signed_digits(interval.low) + " to " + signed_digits(interval.high);
}

/// How many of the three (t test, signed-rank test, interval) say at the level 0.05 that a difference is not chance.
inline int speaking(const ComparedLabel& label, const std::optional<double>& t_p, const std::optional<double>& w_p) {
  const bool away = label.interval && (label.interval->low > 0 || label.interval->high < 0);
  return (t_p && *t_p < 0.05 ? 1 : 0) + (w_p && *w_p < 0.05 ? 1 : 0) + (away ? 1 : 0);
}

/// Which run `label` speaks for: "A" or "B".
inline std::string better_run(const ComparedLabel& label, Metric metric) {
  return (label.difference > 0) != lower_is_better(metric) ? "B" : "A";
}

}  // namespace detail

/// One sentence that reads a comparison: which run is better, by how much, and whether chance explains it. It hardly
/// does where both tests keep below 0.05 and the interval does not hold 0.
inline std::string comparison_verdict(const Comparison& comparison) {
  const ComparedLabel& all = comparison.all;
  const std::string key = metric_key(comparison.metric, comparison.measures);
  if (all.pairs == 0) return "There is no image for which " + key + " is defined in both runs.";
  const std::string images = std::to_string(all.pairs) + (all.pairs == 1 ? " image" : " images");
  if (all.ties == all.pairs) return "A and B have the same " + key + " on " + images + ": there is no difference.";
  if (!all.t_test) {
    return "B less A is " + detail::signed_digits(all.difference) + " in mean " + key +
           " on one image, which says nothing about chance.";
  }
  std::string text = all.difference == 0 ? "A and B are equal in mean " + key
                                         : detail::better_run(all, comparison.metric) + " is better in mean " + key;
  text += " (B less A " + detail::signed_digits(all.difference);
  if (all.interval) {
    text += ", " + detail::shortest(100 * comparison.options.confidence) + " % interval " +
            detail::ends_text(*all.interval);
  }
  const int speaking = detail::speaking(all, all.t_test->p, all.wilcoxon->p);
  text += ") on " + images + ", " +
          (speaking == 3   ? "and chance hardly explains that"
           : speaking == 0 ? "and chance may explain that"
                           : "and tests and interval do not agree on whether chance explains that") +
          " (paired t test p = " + detail::p_value(all.t_test->p) +
          ", Wilcoxon signed-rank p = " + detail::p_value(all.wilcoxon->p) + ")";
  std::string labels;
  for (const ComparedLabel& label : comparison.labels) {
    if (detail::speaking(label, label.t_test_holm, label.wilcoxon_holm) < 3) continue;
    labels +=
        (labels.empty() ? "" : ", ") + label.label + " (" + detail::better_run(label, comparison.metric) + " better)";
  }
  return text + "; after Holm's correction " +
         (labels.empty() ? "no label differs by all of them." : "these labels differ by all of them: " + labels + ".");
}

/// What was computed in a comparison, a sentence each.
inline std::vector<std::string> comparison_methods(const Comparison& comparison) {
  std::vector<std::string> lines{
      metric_definition(comparison.metric, comparison.measures) + ".",
      std::string("Images: ") + (comparison.cases == Cases::all ? "all" : "those that have the label") +
          ", left out where the metric is not defined in both runs. Differences are B less A.",
      detail::shortest(100 * comparison.options.confidence) +
          " % interval of the mean difference: percentile bootstrap, " + std::to_string(comparison.options.resamples) +
          " resamples of " + (comparison.grouped ? "groups, drawn whole." : "images."),
      "Tests: two-sided; paired t; Wilcoxon signed-rank without ties, its p exact, or normal with the variance",
      "corrected for equal differences and without continuity correction. Holm's correction is over the labels.",
      "\"all\": mean of the labels' means; its tests are over images, each with the mean over its labels."};
  if (comparison.grouped) lines.push_back("The tests take images for independent, the interval takes groups for it.");
  return lines;
}

/// Two aligned tables (means and differences; tests), comparison_methods(), and comparison_verdict() as the last line.
inline std::string comparison_text(const Comparison& comparison) {
  detail::TextTable means({"label", "images", "left out", "mean A", "mean B", "B - A", "from", "to"});
  detail::TextTable tests({"label", "B > A", "B < A", "ties", "t", "p", "Holm p", "Wilcoxon p", "Holm p", "method"});
  const auto add = [&](const ComparedLabel& label) {
    const double none = std::nan("");
    const MeanInterval interval = label.interval.value_or(MeanInterval{none, none, none});
    means.add({label.label, std::to_string(label.pairs), std::to_string(label.left_out),
               detail::four_digits(label.mean_a), detail::four_digits(label.mean_b),
               detail::signed_digits(label.difference), detail::signed_digits(interval.low),
               detail::signed_digits(interval.high)});
    tests.add({label.label, std::to_string(label.higher), std::to_string(label.lower), std::to_string(label.ties),
               label.t_test ? detail::three_digits(label.t_test->t) : "-", detail::p_value(detail::p_of(label.t_test)),
               detail::p_value(label.t_test_holm), detail::p_value(detail::p_of(label.wilcoxon)),
               detail::p_value(label.wilcoxon_holm),
               !label.wilcoxon                                   ? "-"
               : label.wilcoxon->method == WilcoxonMethod::exact ? "exact"
                                                                 : "normal"});
  };
  for (const ComparedLabel& label : comparison.labels) add(label);
  add(comparison.all);
  std::string text = means.text() + "\n" + tests.text() + "\n";
  for (const std::string& line : comparison_methods(comparison)) text += line + "\n";
  return text + "\n" + comparison_verdict(comparison) + "\n";
}

/// {"metric", "cases": "all" or "nonblank", "methods", "labels": {name: {...}}, "all": {...}, "verdict"}. An entry has
/// "images", "left_out", "b_higher", "b_lower", "ties", "mean_a", "mean_b", "difference", "interval" [low, high], "t",
/// "t_p", "t_p_holm", "wilcoxon_p", "wilcoxon_p_holm", "wilcoxon_method" ("exact", "normal"); null where there is none.
inline nlohmann::ordered_json comparison_json(const Comparison& comparison) {
  using Json = nlohmann::ordered_json;
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  const auto entry = [&](const ComparedLabel& label) {
    Json json{{"images", label.pairs},    {"left_out", label.left_out},
              {"b_higher", label.higher}, {"b_lower", label.lower},
              {"ties", label.ties},       {"mean_a", label.mean_a},
              {"mean_b", label.mean_b},   {"difference", label.difference}};
    json["interval"] = label.interval ? Json{label.interval->low, label.interval->high} : Json();
    json["t"] = label.t_test ? Json(label.t_test->t) : Json();
    json["t_p"] = number(detail::p_of(label.t_test));
    json["t_p_holm"] = number(label.t_test_holm);
    json["wilcoxon_p"] = number(detail::p_of(label.wilcoxon));
    json["wilcoxon_p_holm"] = number(label.wilcoxon_holm);
    json["wilcoxon_method"] =
        !label.wilcoxon ? Json() : Json(label.wilcoxon->method == WilcoxonMethod::exact ? "exact" : "normal");
    return json;
  };
  Json root{{"metric", metric_key(comparison.metric, comparison.measures)},
            {"cases", comparison.cases == Cases::all ? "all" : "nonblank"},
            {"methods", comparison_methods(comparison)},
            {"labels", Json::object()}};
  for (const ComparedLabel& label : comparison.labels) root["labels"][label.label] = entry(label);
  root["all"] = entry(comparison.all);
  root["verdict"] = comparison_verdict(comparison);
  return root;
}

}  // namespace ssam::inline SSAM_ABI
