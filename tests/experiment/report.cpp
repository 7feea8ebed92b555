#include <doctest/doctest.h>

#include <cmath>
#include <ssam/experiment/report_page.hpp>

#include "../data/files.hpp"

using namespace ssam;

namespace {

// Two methods, "base" (trains nothing, one run) and "tuned & more" (two seeds), on four images of two objects. DSC of
// the counts {intersection, answer, truth}: 2I / (P + T).
struct ReportCounts {
  const char *image, *label;
  Counts base, seed_0, seed_1;
};
const ReportCounts report_counts[] = {{"1.png", "Liver", {5, 10, 10}, {8, 10, 10}, {6, 10, 10}},
                                      {"2.png", "Liver", {4, 10, 10}, {5, 10, 10}, {9, 10, 10}},
                                      {"3.png", "Liver", {1, 10, 10}, {7, 10, 10}, {7, 10, 10}},
                                      {"4.png", "Liver", {0, 0, 0}, {0, 4, 0}, {0, 0, 0}},
                                      {"1.png", "<Gall>", {3, 10, 10}, {3, 10, 10}, {3, 10, 10}},
                                      {"2.png", "<Gall>", {2, 10, 10}, {4, 10, 10}, {2, 10, 10}},
                                      {"3.png", "<Gall>", {0, 0, 10}, {10, 10, 10}, {9, 10, 10}},
                                      {"4.png", "<Gall>", {0, 0, 0}, {0, 0, 0}, {0, 0, 0}}};

nlohmann::ordered_json report_plan() {
  return nlohmann::ordered_json::parse(R"({"checkpoint": "sam.pth", "data": [{"name": "set_1", "data": "a.json"}],
    "recipes": [{"name": "base", "recipe": "zero_shot"}, {"name": "tuned & more", "recipe": "ssam"}], "seeds": [0, 1],
    "against": "base"})");
}

void save_cell(const Cell& cell, const Counts ReportCounts::*counts) {
  Scores scores;
  for (const ReportCounts& row : report_counts)
    scores.rows.push_back({row.image, "test", "", row.label, {row.*counts}});
  std::filesystem::create_directories(cell.scores());
  save_scores(cell.scores() / "scores.csv", scores);
  if (cell.settings.trains) {
    AdapterInfo info;
    info.recipe = "ssam";
    info.config = to_json(vit_b(256));
    info.count.trained = 444'672;
    info.count.total = 91'000'000;
    info.labels = {"Liver", "<Gall>"};
    std::filesystem::create_directories(RunFolder(cell.run()).best());
    atomic_write(RunFolder(cell.run()).best() / adapter_info_file, info.to_json().dump());
    atomic_write(RunFolder(cell.run()).metrics(),
                 "{\"epoch\":1,\"train_loss\":1.5,\"seconds\":2}\n{\"epoch\":2,\"train_loss\":1.0,\"seconds\":3}\n");
  }
  cell.save(
      {.settings = cell.settings, .state = CellState::done, .versions = {{"ssam", "7"}}, .peak_bytes = 3'000'000});
}

/// An experiment in `folder` whose last cell has the state `last`.
ExperimentResults report_results(const std::filesystem::path& folder, CellState last = CellState::done) {
  const std::vector<PlanRecipe> recipes{{"ssam"}, {"zero_shot", false}};
  std::filesystem::create_directories(folder);
  save_experiment(folder, report_plan(), recipes, "/plans");
  const std::vector<Cell> cells = cells_of(parse_plan(report_plan(), "plan", recipes), folder);
  REQUIRE(cells.size() == 3);
  save_cell(cells[0], &ReportCounts::base);
  save_cell(cells[1], &ReportCounts::seed_0);
  save_cell(cells[2], &ReportCounts::seed_1);
  if (last != CellState::done) {
    cells[2].save({.settings = cells[2].settings, .state = last, .error = "train: <no> memory"});
  }
  return load_experiment(folder);
}

std::size_t occurrences(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("tables hold means over images and seeds, the spread, the best and the tests") {
  const test::Folder folder;
  const ExperimentResults results = report_results(folder / "out");
  const ScoreTable all = score_table(results.data.at(0), Cases::all, "base");
  CHECK(all.columns == std::vector<std::string>{"Liver", "<Gall>", "mean"});
  REQUIRE(all.rows.size() == 2);
  const TableRow &base = all.rows[0], &tuned = all.rows[1];
  CHECK(base.seeds == 1);
  CHECK(tuned.seeds == 2);
  // Liver: base (.5 + .4 + .1 + 1) / 4, tuned ((.8 + .5 + .7 + 0) / 4 = .5 and (.6 + .9 + .7 + 1) / 4 = .8).
  CHECK(base.cells[0].mean == doctest::Approx(0.5));
  CHECK(std::isnan(base.cells[0].deviation));
  CHECK(tuned.cells[0].mean == doctest::Approx(0.65));
  CHECK(tuned.cells[0].deviation == doctest::Approx(0.3 / std::sqrt(2.0)));
  CHECK(tuned.cells[0].best);
  CHECK_FALSE(base.cells[0].best);
  CHECK_FALSE(base.cells[0].t_test_p.has_value());
  // The tests: four images, each with its mean over the seeds, (.7, .7, .7, .5) against (.5, .4, .1, 1).
  const std::vector<double> a{0.5, 0.4, 0.1, 1.0}, b{0.7, 0.7, 0.7, 0.5};
  const double liver = paired_t_test(b, a).p;
  const std::vector<double> gall_a{0.3, 0.2, 0.0, 1.0}, gall_b{0.3, 0.3, 0.95, 1.0};
  const double gall = paired_t_test(gall_b, gall_a).p;
  const std::vector<double> p_values{liver, gall}, corrected = holm(p_values);
  CHECK(tuned.cells[0].t_test_p.value() == doctest::Approx(corrected[0]));
  CHECK(tuned.cells[1].t_test_p.value() == doctest::Approx(corrected[1]));
  const std::vector<double> mean_a{0.4, 0.3, 0.05, 1.0}, mean_b{0.5, 0.5, 0.825, 0.75};
  CHECK(tuned.cells[2].t_test_p.value() == doctest::Approx(paired_t_test(mean_b, mean_a).p));

  const ScoreTable nonblank = score_table(results.data[0], Cases::nonblank, "base");
  CHECK(nonblank.rows[0].cells[0].mean == doctest::Approx(1.0 / 3));
  CHECK(nonblank.rows[1].cells[0].mean == doctest::Approx(0.7));
  CHECK(nonblank.rows[1].cells[2].mean == doctest::Approx((0.7 + (0.3 + 0.3 + 0.95) / 3) / 2));
}

TEST_CASE("tables as CSV, Markdown and LaTeX") {
  const test::Folder folder;
  const ExperimentResults results = report_results(folder / "out");
  const std::vector<ScoreTable> tables = score_tables(results, "base");
  REQUIRE(tables.size() == 2);
  const std::vector<CsvRow> rows = parse_csv(tables_csv(tables), "csv");
  REQUIRE(rows.size() == 1 + 2 * 2 * 3);
  CHECK(rows[1].cells[3] == "base");
  CHECK(rows[1].cells[6] == "0.5");
  CHECK(rows[1].cells[9].empty());
  CHECK(rows[4].cells[3] == "tuned & more");
  CHECK(parse_real(rows[4].cells[6]).value() == doctest::Approx(0.65));
  CHECK(rows[4].cells[8] == "base");
  CHECK(parse_real(rows[4].cells[9]).value() == doctest::Approx(tables[0].rows[1].cells[0].t_test_p.value()));
  const std::string markdown = tables_markdown(tables), latex = tables_latex(tables);
  CHECK(markdown.find("| tuned & more | 2 | **0.650 \u00b1 0.212** (p = ") != std::string::npos);
  CHECK(markdown.find("| \\<Gall\\> |") != std::string::npos);
  CHECK(markdown.find("### set\\_1: DSC by object, all images") != std::string::npos);
  CHECK(latex.find("tuned \\& more & $\\mathbf{0.650} \\pm 0.212$ {\\scriptsize ($p = ") != std::string::npos);
  CHECK(latex.find("set\\_1") != std::string::npos);
  CHECK(occurrences(latex, "{") == occurrences(latex, "}"));
  const nlohmann::ordered_json json = experiment_json(results, tables);
  CHECK(json["finished"] == 3);
  CHECK(json["tables"][0]["rows"][1]["objects"]["Liver"]["mean"].get<double>() == doctest::Approx(0.65));
  CHECK(json["costs"][1]["trained"] == 444'672);
  CHECK(json["costs"][1]["train_seconds"] == 5.0);
}

TEST_CASE("a page holds tables, charts and settings, its names escaped, nothing from elsewhere") {
  const test::Folder folder;
  const ExperimentResults results = report_results(folder / "out");
  const std::string page = report_page(results, folder / "out", "base");
  CHECK(occurrences(page, "<table") == occurrences(page, "</table>"));
  CHECK(occurrences(page, "<svg") == occurrences(page, "</svg>"));
  CHECK(occurrences(page, "<table") == 4);        // two of DSC, costs, settings
  CHECK(occurrences(page, "role=\"img\"") == 3);  // parameters, seconds, loss
  CHECK(page.find("&lt;Gall&gt;") != std::string::npos);
  CHECK(page.find("<Gall>") == std::string::npos);
  CHECK(page.find("tuned & more") == std::string::npos);
  CHECK(page.find("Trains nothing: base: DSC 0.438") != std::string::npos);
  CHECK(page.find("444,672") != std::string::npos);
  CHECK(page.find("prefers-color-scheme: dark") != std::string::npos);
  for (const char* elsewhere : {"http:", "https:", "src=\"/", "@import", "nan", "inf\""}) {
    CAPTURE(elsewhere);
    CHECK(page.find(elsewhere) == std::string::npos);
  }
}

TEST_CASE("what is not finished is said with its reason, and the rest is shown") {
  const test::Folder folder;
  const ExperimentResults results = report_results(folder / "out", CellState::failed);
  REQUIRE(results.unfinished.size() == 1);
  CHECK(results.unfinished[0].error == "train: <no> memory");
  CHECK(results.data[0].rows[1].cells.size() == 1);
  const std::string page = report_page(results, folder / "out", "base");
  CHECK(page.find("2 of 3 runs finished") != std::string::npos);
  CHECK(page.find("train: &lt;no&gt; memory") != std::string::npos);
  CHECK_THROWS_AS(choose_row(results, "tunned & more"), ConfigError);
  CHECK_THROWS_AS(load_experiment(folder / "nowhere"), IoError);
}

TEST_CASE("the gallery shows the worst, the median and the best case, and only pictures of these scores") {
  const test::Folder folder;
  const ExperimentResults results = report_results(folder / "out");
  const DataResults& data = results.data[0];
  const std::vector<GalleryCase> cases = choose_gallery(data);
  // Means of base and the first seed: Liver .65, .45, .4; Gall .3, .3, .5.
  REQUIRE(cases.size() == 3);
  CHECK(cases[0].kind == "worst");
  CHECK(cases[0].label == "<Gall>");
  CHECK(cases[0].dice == doctest::Approx(0.3));
  CHECK(cases[1].dice == doctest::Approx(0.45));
  CHECK(cases[2].image == "1.png");
  CHECK(cases[2].dice == doctest::Approx(0.65));

  const std::filesystem::path out = gallery_folder(folder / "out", "set_1", "tuned & more");
  std::filesystem::create_directories(out);
  nlohmann::json report{{"worst", nlohmann::json::array()}};
  const auto add = [&](const GalleryCase& shown, double dice) {
    report["worst"].push_back({{"image", shown.image},
                               {"label", shown.label},
                               {"dice", dice},
                               {"pictures", {{"image", "i.png"}, {"truth", "t.png"}, {"answer", "a.png"}}}});
  };
  for (const GalleryCase& shown : cases) add(shown, detail::gallery_dice(data.rows[1], shown));
  atomic_write(out / "report.json", report.dump());
  const std::vector<GalleryLine> lines = load_gallery(folder / "out", data);
  REQUIRE(lines.size() == 3);
  CHECK(lines[2].answers.at(0).dice == doctest::Approx(0.8));
  CHECK(lines[2].answers[0].picture == out / "a.png");
  report["worst"][1]["dice"] = 0.123;  // of an earlier run
  atomic_write(out / "report.json", report.dump());
  CHECK(load_gallery(folder / "out", data).empty());
}

TEST_CASE("base64 as RFC 4648 has it") {
  CHECK(detail::base64("") == "");
  CHECK(detail::base64("f") == "Zg==");
  CHECK(detail::base64("fo") == "Zm8=");
  CHECK(detail::base64("foo") == "Zm9v");
  CHECK(detail::base64("foobar") == "Zm9vYmFy");
}
