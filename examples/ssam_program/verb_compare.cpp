#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <ssam/eval/comparison_report.hpp>
#include <ssam/io/names.hpp>
#include <ssam/io/scores_file.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "model_options.hpp"

namespace ssam::cli {

namespace {

struct CompareOptions {
  std::filesystem::path a, b;
  std::string metric = to_string(Metric::dice);
  bool json = false;
};

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const Metric metric : all_metrics) names.emplace_back(to_string(metric));
  return names;
}

/// Of a file, or of the folder that `ssam eval --out` wrote.
Scores open_scores(const std::filesystem::path& path) {
  return load_scores(std::filesystem::is_directory(path) ? path / "scores.csv" : path);
}

int compare(const CompareOptions& options) {
  const Scores a = open_scores(options.a), b = open_scores(options.b);
  const std::vector<std::string> names = metric_names();
  const Metric metric =
      all_metrics[static_cast<std::size_t>(std::find(names.begin(), names.end(), options.metric) - names.begin())];
  if (!is_measured(metric, a.measures) || !is_measured(metric, b.measures)) {
    throw ConfigError(ErrorText{.what = "the scores have no " + options.metric,
                                .where = (is_measured(metric, a.measures) ? options.b : options.a).string(),
                                .advice = std::string("evaluate with ") +
                                          (metric == Metric::centerline_dice ? "--centerlines" : "--distances")});
  }
  const Comparison all = compare_scores(a, b, metric), nonblank = compare_scores(a, b, metric, Cases::nonblank);
  const bool differ = all.all.pairs != nonblank.all.pairs ||
                      !std::equal(all.labels.begin(), all.labels.end(), nonblank.labels.begin(),
                                  [](const auto& first, const auto& second) { return first.pairs == second.pairs; });
  if (options.json) {
    print_json({{"a", printable(options.a.string())},
                {"b", printable(options.b.string())},
                {"all", comparison_json(all)},
                {"nonblank", comparison_json(nonblank)}});
    return 0;
  }
  std::printf("A: %s\nB: %s\n\n%s", options.a.string().c_str(), options.b.string().c_str(),
              comparison_text(all).c_str());
  if (differ) std::printf("\nOver the images that have the label:\n\n%s", comparison_text(nonblank).c_str());
  return 0;
}

}  // namespace

void add_compare(Program& program) {
  auto* verb = program.app.add_subcommand("compare", "Compare two evaluations over the same images, and test it");
  auto options = std::make_shared<CompareOptions>();
  verb->add_option("RUN_A", options->a, "A folder of ssam eval --out, or its scores.csv")->required();
  verb->add_option("RUN_B", options->b, "The other one")->required();
  verb->add_option("--metric", options->metric, "What is compared: " + CLI::detail::join(metric_names(), ", "))
      ->check(CLI::IsMember(metric_names()))
      ->capture_default_str();
  add_json(*verb, options->json);
  verb->footer(
      "Paired t test, Wilcoxon signed-rank test, bootstrap interval of the mean difference. Example:\n"
      "  ssam eval --checkpoint sam_vit_b.pth --adapter one/best --data manifest.json --out scores_one\n"
      "  ssam eval --checkpoint sam_vit_b.pth --adapter two/best --data manifest.json --out scores_two\n"
      "  ssam compare scores_one scores_two");
  verb->callback([&program, options] { program.run = [options] { return compare(*options); }; });
}

}  // namespace ssam::cli
