#include <cstdio>
#include <ssam/experiment/report_page.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "model_options.hpp"

namespace ssam::cli {

namespace {

struct ReportOptions {
  std::filesystem::path folder, out, csv, markdown, latex;
  std::string against;
  bool json = false;
};

int write_reports(const ReportOptions& options) {
  require_extension("--out", options.out, ".html", "a page");
  require_extension("--csv", options.csv, ".csv", "tables");
  require_extension("--markdown", options.markdown, ".md", "tables");
  require_extension("--latex", options.latex, ".tex", "tables");
  check_files(
      {{"--out", options.out}, {"--csv", options.csv}, {"--markdown", options.markdown}, {"--latex", options.latex}},
      {{"the experiment", options.folder / experiment_file}});
  const ExperimentResults results = load_experiment(options.folder);
  if (results.data.empty()) {
    throw ConfigError(ErrorText{.what = "no run of the experiment is finished",
                                .where = options.folder.string(),
                                .advice = "go on with it by ssam experiment"});
  }
  const std::string against = options.against.empty() ? results.against : choose_row(results, options.against);
  const std::vector<ScoreTable> tables = score_tables(results, against);
  if (!options.out.empty()) atomic_write(options.out, report_page(results, options.folder, against));
  if (!options.csv.empty()) atomic_write(options.csv, tables_csv(tables));
  if (!options.markdown.empty()) atomic_write(options.markdown, tables_markdown(tables));
  if (!options.latex.empty()) atomic_write(options.latex, tables_latex(tables));
  if (options.json) {
    print_json(experiment_json(results, tables));
    return 0;
  }
  std::fputs(tables_text(tables).c_str(), stdout);
  if (!results.unfinished.empty()) {
    std::printf("\n%zu of %zu runs are not finished\n", results.unfinished.size(), results.cells);
  }
  return 0;
}

}  // namespace

void add_report(Program& program) {
  auto* verb = program.app.add_subcommand("report", "Show an experiment: tables, and a page with charts and pictures");
  auto options = std::make_shared<ReportOptions>();
  verb->add_option("DIR", options->folder, "A folder of ssam experiment, finished or not")->required();
  verb->add_option("--out", options->out, "A page for a browser, with everything in it")->type_name("FILE.html");
  verb->add_option("--csv", options->csv, "The tables as CSV, a line per cell")->type_name("FILE.csv");
  verb->add_option("--markdown", options->markdown, "The tables as Markdown")->type_name("FILE.md");
  verb->add_option("--latex", options->latex, "The tables as LaTeX (booktabs)")->type_name("FILE.tex");
  verb->add_option("--against", options->against, "The row that p values are against; else the plan's")
      ->type_name("ROW");
  add_json(*verb, options->json);
  verb->footer(
      "Example:\n"
      "  ssam report experiment --out report.html --latex tables.tex");
  verb->callback([&program, options] { program.run = [options] { return write_reports(*options); }; });
}

}  // namespace ssam::cli
