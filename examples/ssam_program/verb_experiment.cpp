#include <cstdio>
#include <ssam/core/context.hpp>
#include <ssam/core/version.hpp>
#include <ssam/data/open_data_set.hpp>
#include <ssam/experiment/table_files.hpp>
#include <ssam/io/folder_lock.hpp>
#include <ssam/ops/cpu/provider.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "experiment_cells.hpp"
#include "model_options.hpp"

namespace ssam::cli {

namespace {

struct ExperimentOptions {
  std::filesystem::path plan, out;
  int jobs = 1, threads = 0;
  bool json = false;
};

/// The recipes of this program, by all their names.
std::vector<PlanRecipe> plan_recipes() {
  std::vector<PlanRecipe> list;
  for (const Recipe& recipe : recipes()) {
    const bool trains = recipe.count(find_rule("paper"), vit_b(256)).trained > 0;
    list.push_back({recipe.name, trains});
    for (const std::string& alias : recipe.aliases) list.push_back({alias, trains});
  }
  return list;
}

/// The folder where relative paths of the plan begin: the plan's own.
std::filesystem::path folder_of(const std::filesystem::path& plan) {
  return std::filesystem::absolute(plan).lexically_normal().parent_path();
}

/// What every run would stumble over is said before the first one. Throws IoError, ConfigError.
void check_files_of(const Plan& plan) {
  const auto require = [](const std::string& what, const std::filesystem::path& file) {
    if (std::filesystem::exists(file)) return;
    throw IoError(ErrorText{.what = what + " of the plan is not there",
                            .where = std::filesystem::absolute(file).string(),
                            .advice = "relative paths begin in the folder of the plan"});
  };
  require("the checkpoint", plan.checkpoint);
  for (const PlanData& data : plan.data) require("the data set '" + data.name + "'", parse_data_spec(data.data).path);
}

/// What runs here, for the records.
std::map<std::string, std::string> versions(int threads) {
  return {{"ssam", version}, {"matrix products", ops::matrix_provider()}, {"threads", std::to_string(threads)}};
}

/// The cells that are not done. Throws ConfigError where one was begun with other settings.
std::vector<Cell> cells_to_run(const std::vector<Cell>& cells) {
  std::vector<Cell> rest;
  for (const Cell& cell : cells) {
    const std::optional<CellRecord> record = cell.load();
    if (record) require_same_settings(cell, *record);
    if (!record || record->state != CellState::done) rest.push_back(cell);
  }
  return rest;
}

void print_end(std::FILE* log, const Cell& cell, const CellRecord& record, double seconds) {
  if (record.state == CellState::failed) {
    std::fprintf(log, "  %s: failed: %s\n", cell.name().c_str(), record.error.c_str());
  } else {
    const Scores scores = load_scores(cell.scores() / "scores.csv");
    const Report report = detail::report_of(scores, scores.labels());
    std::fprintf(log, "  %s: mean DSC %s (non-blank %s)  %s\n", cell.name().c_str(),
                 as_decimal(report.mean_dice(), 3).c_str(), as_decimal(report.mean_nonblank_dice(), 3).c_str(),
                 as_duration(seconds).c_str());
  }
  std::fflush(log);
}

int run_experiment(const ExperimentOptions& options) {
  std::FILE* const log = options.json ? stderr : stdout;
  const std::string text = read_file(options.plan, std::size_t{16} << 20), where = options.plan.string();
  const std::vector<PlanRecipe> known = plan_recipes();
  const Plan plan = parse_plan(parse_json(text, where), where, known);
  const std::filesystem::path plan_folder = folder_of(options.plan);
  const std::filesystem::path out = std::filesystem::absolute(options.out).lexically_normal();
  const std::vector<Cell> cells = cells_of(plan, out);
  for (const Cell& cell : cells) check_cell_options(cell, where);
  std::filesystem::current_path(plan_folder);  // for the runs, too
  check_files_of(plan);
  const FolderLock lock(out);
  if (std::filesystem::exists(out / experiment_file)) load_experiment(out);  // refuses what is no experiment's
  const std::vector<Cell> rest = cells_to_run(cells);
  save_experiment(out, nlohmann::ordered_json::parse(text), known, plan_folder);
  const int threads = options.threads > 0 ? options.threads : Context<Cpu>().threads();
  const int each = std::max(1, threads / options.jobs);
  const CellStart start{.jobs = options.jobs, .threads = each, .versions = versions(each)};
  std::fprintf(log, "%zu data sets, %zu methods, %zu seeds: %zu runs, %zu of them done before\n", plan.data.size(),
               plan.rows.size(), plan.seeds.size(), cells.size(), cells.size() - rest.size());
  std::fflush(log);
  CellRunner(start, rest).run([&](const Cell& cell, const CellRecord& record, double seconds) {
    print_end(log, cell, record, seconds);
  });
  const ExperimentResults results = load_experiment(out);
  for (const std::string& problem : draw_gallery(start, out, results)) {
    std::fprintf(stderr, "ssam: warning: %s\n", problem.c_str());
  }
  const std::vector<ScoreTable> tables = score_tables(results, results.against);
  if (options.json) {
    print_json(experiment_json(results, tables));
  } else {
    std::printf("\n%s\nin %s: cells, gallery; see it with\n  ssam report %s --out report.html\n",
                tables_text(tables).c_str(), options.out.string().c_str(), options.out.string().c_str());
  }
  if (results.unfinished.empty()) return 0;
  const UnfinishedCell& first = results.unfinished.front();
  throw Error(ErrorText{
      .what = std::to_string(results.unfinished.size()) + " of " + std::to_string(results.cells) + " runs failed",
      .where = first.cell.name(),
      .found = first.error,
      .advice = "the same command tries them again; their logs are in " + first.cell.folder.string()});
}

}  // namespace

void add_experiment(Program& program) {
  auto* verb = program.app.add_subcommand("experiment", "Run data sets x recipes x seeds, and tabulate the scores");
  auto options = std::make_shared<ExperimentOptions>();
  verb->add_option("PLAN", options->plan, "What is run: a JSON file (see below)")->required()->type_name("FILE");
  verb->add_option("--out", options->out, "The experiment's folder; where it holds one, that is gone on with")
      ->required()
      ->type_name("DIR");
  add_whole(*verb, "--jobs", options->jobs, "Runs at a time; they share the threads", 1, 1024);
  add_threads(*verb, options->threads);
  add_json(*verb, options->json);
  verb->footer(
      "Each run is `ssam train` and then `ssam eval` with the best epoch. It may be killed at any moment: the same\n"
      "command goes on. What fails is recorded, and tried again by the same command. A plan:\n"
      "  {\"checkpoint\": \"sam_vit_b.pth\",\n"
      "   \"data\": [{\"name\": \"ultrasound\", \"data\": \"us/manifest.json\"}, {\"name\": \"GlaS\", \"data\": "
      "\"glas:glas\"}],\n"
      "   \"recipes\": [\"ssam\", {\"name\": \"LoRA, lr 1e-3\", \"recipe\": \"lora\", \"train\": {\"lr\": 1e-3}}],\n"
      "   \"seeds\": [0, 1, 2], \"against\": \"ssam\",\n"
      "   \"common\": {\"image-size\": 256}, \"train\": {\"epochs\": 20, \"labels-together\": true}, \"eval\": "
      "{\"distances\": true}}\n"
      "\"train\" and \"eval\" hold options of those verbs, \"common\" those of both; an entry of \"data\" or "
      "\"recipes\" may\nhave them too, for itself. \"against\" is the row that p values are against. A row's "
      "\"group\" gives it a table of its\nown (\"ablation\"). Relative paths begin in the plan's folder. Example:\n"
      "  ssam experiment plan.json --out experiment --jobs 2\n"
      "  ssam report experiment --out report.html");
  verb->callback([&program, options] { program.run = [options] { return run_experiment(*options); }; });
}

}  // namespace ssam::cli
