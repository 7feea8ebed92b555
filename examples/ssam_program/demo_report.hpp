#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <ssam/data/overlay.hpp>
#include <ssam/eval/report.hpp>
#include <string>
#include <vector>

#include "runner.hpp"

namespace ssam::cli {

/// What the demonstration found out about one recipe.
struct DemoRow {
  std::string recipe;
  Counts counts;
  Report scores;
  double seconds = 0;       ///< of training, decompositions included
  Index adapter_bytes = 0;  ///< on disk
  std::vector<Image> overlays;
};

/// The table: recipe, what it trains, DSC per label and mean, of non-blank pictures, wrong answers, time, size.
std::string demo_table(const std::vector<DemoRow>& rows);
/// Mean DSC as bars of text.
std::string demo_bars(const std::vector<DemoRow>& rows);
/// The same figures as JSON.
nlohmann::ordered_json demo_json(const std::vector<DemoRow>& rows);
/// A row per picture: as it is, the truth, what each recipe says.
Image demo_sheet(const std::vector<Image>& pictures, const std::vector<Image>& truths,
                 const std::vector<DemoRow>& rows);

}  // namespace ssam::cli
