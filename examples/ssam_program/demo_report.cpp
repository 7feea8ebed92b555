#include "demo_report.hpp"

#include "console.hpp"

namespace ssam::cli {

namespace {
double share(const Counts& counts) {
  return 100.0 * static_cast<double>(counts.trained) / static_cast<double>(counts.total);
}
}  // namespace

std::string demo_table(const std::vector<DemoRow>& rows) {
  std::vector<std::string> header{"recipe", "trained", "% of model"};
  for (const std::string& label : rows[0].scores.labels()) header.push_back(label);
  for (const char* name : {"mean DSC", "non-blank", "false blank", "false alarm", "seconds", "adapter"})
    header.push_back(name);
  Table table(header);
  for (const DemoRow& row : rows) {
    std::vector<std::string> cells{row.recipe, with_commas(row.counts.trained), as_decimal(share(row.counts), 2)};
    for (const LabelScores& scores : row.scores.scores()) cells.push_back(as_decimal(scores.mean_dice(), 3));
    cells.push_back(as_decimal(row.scores.mean_dice(), 3));
    cells.push_back(as_decimal(row.scores.mean_nonblank_dice(), 3));
    const LabelScores all = row.scores.total();
    cells.push_back(with_commas(all.n_false_blank));
    cells.push_back(with_commas(all.n_false_alarm()));
    cells.push_back(as_decimal(row.seconds, 1));
    cells.push_back(row.adapter_bytes > 0 ? as_bytes(row.adapter_bytes) : "-");
    table.add(cells);
  }
  return table.text();
}

std::string demo_bars(const std::vector<DemoRow>& rows) {
  constexpr int longest = 50;
  std::string text = "mean DSC\n";
  for (const DemoRow& row : rows) {
    const double dice = row.scores.mean_dice();
    std::string bar(18, ' ');
    bar.replace(0, std::min<std::size_t>(row.recipe.size(), 18), row.recipe, 0, 18);
    for (int i = 0; i < static_cast<int>(dice * longest + 0.5); ++i) bar += "\u2588";
    text += bar + " " + as_decimal(dice, 3) + "\n";
  }
  return text;
}

nlohmann::ordered_json demo_json(const std::vector<DemoRow>& rows) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const DemoRow& row : rows) {
    nlohmann::ordered_json entry{{"recipe", row.recipe},      {"trained", row.counts.trained},
                                 {"total", row.counts.total}, {"percent", share(row.counts)},
                                 {"seconds", row.seconds},    {"adapter_bytes", row.adapter_bytes}};
    entry["scores"] = row.scores.json();
    list.push_back(entry);
  }
  return list;
}

Image demo_sheet(const std::vector<Image>& pictures, const std::vector<Image>& truths,
                 const std::vector<DemoRow>& rows) {
  std::vector<std::vector<CaptionedImage>> sheet;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    std::vector<CaptionedImage> line{{pictures[i], "image"}, {truths[i], "truth"}};
    for (const DemoRow& row : rows) line.push_back({row.overlays[i], row.recipe});
    sheet.push_back(line);
  }
  return contact_sheet(sheet);
}

}  // namespace ssam::cli
