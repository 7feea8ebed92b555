#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <ssam/experiment/results.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// An image and an object that all rows are shown with.
struct GalleryCase {
  std::string kind;   ///< "worst", "median" or "best"
  std::string image;  ///< as in the scores
  std::string label;  ///< the object
  double dice = 0;    ///< mean of the rows' DSC
};

/// What one row answered, as its picture on disk.
struct GalleryAnswer {
  std::string row;                ///< which
  double dice = 0;                ///< its DSC
  std::filesystem::path picture;  ///< the image with the answer over it
};

/// A line of the gallery. Pictures are files of PNG.
struct GalleryLine {
  GalleryCase shown;                   ///< which case
  std::filesystem::path image;         ///< the image as it is
  std::filesystem::path truth;         ///< with the true mask over it
  std::vector<GalleryAnswer> answers;  ///< of the rows, in their order
};

/// Where the pictures of `row` on the data set `data` are, in the folder `experiment`: what is there was drawn by an
/// evaluation of its first finished seed.
inline std::filesystem::path gallery_folder(const std::filesystem::path& experiment, const std::string& data,
                                            const std::string& row) {
  return experiment / "gallery" / detail::file_name_of(data) / detail::file_name_of(row);
}

/// The worst, the median and the best case among the images that have an object, by the mean over the rows of the DSC
/// of their first finished seed. Fewer where there are fewer.
inline std::vector<GalleryCase> choose_gallery(const DataResults& data) {
  std::map<std::pair<std::string, std::string>, std::pair<double, std::size_t>> sums;
  for (const RowResults& row : data.rows) {
    for (const ImageScore& score : row.cells.front().scores.rows) {
      if (score.score.blank_truth()) continue;
      auto& [sum, count] = sums[{score.image, score.label}];
      sum += dice(score.score.counts);
      ++count;
    }
  }
  std::vector<GalleryCase> cases;
  for (const auto& [name, sum] : sums) {
    if (sum.second != data.rows.size()) continue;
    cases.push_back({"", name.first, name.second, sum.first / static_cast<double>(sum.second)});
  }
  std::stable_sort(cases.begin(), cases.end(),
                   [](const GalleryCase& a, const GalleryCase& b) { return a.dice < b.dice; });
  if (cases.empty()) return {};
  std::vector<GalleryCase> chosen{cases.front()};
  chosen.back().kind = "worst";
  if (cases.size() > 2) {
    chosen.push_back(cases[cases.size() / 2]);
    chosen.back().kind = "median";
  }
  if (cases.size() > 1) {
    chosen.push_back(cases.back());
    chosen.back().kind = "best";
  }
  return chosen;
}

namespace detail {

/// DSC of the first finished seed of `row` for a case; NaN where it has none.
inline double gallery_dice(const RowResults& row, const GalleryCase& shown) {
  for (const ImageScore& score : row.cells.front().scores.rows) {
    if (score.image == shown.image && score.label == shown.label) return dice(score.score.counts);
  }
  return std::nan("");
}

}  // namespace detail

/// The pictures of `cases` that `folder` holds of `row`, in the order of the cases; nothing where one is missing or
/// does not show what the scores say. In the folder's report.json are "worst": [{"image", "label", "dice", "pictures":
/// {"image", "truth", "answer"}}].
inline std::vector<GalleryLine> load_gallery_row(const std::filesystem::path& folder, const RowResults& row,
                                                 const std::vector<GalleryCase>& cases) {
  const std::filesystem::path report = folder / "report.json";
  if (!std::filesystem::exists(report)) return {};
  const nlohmann::json json = load_json(report);
  std::vector<GalleryLine> lines;
  for (const GalleryCase& shown : cases) {
    const double expected = detail::gallery_dice(row, shown);
    for (const nlohmann::json& entry : json.value("worst", nlohmann::json::array())) {
      if (entry.value("image", "") != shown.image || entry.value("label", "") != shown.label) continue;
      const double found = entry.value("dice", -1.0);
      if (!entry.contains("pictures") || !(std::abs(found - expected) < 1e-9)) continue;
      const JsonObject pictures(entry["pictures"], report.string(), {"image", "truth", "answer"});
      lines.push_back({.shown = shown,
                       .image = folder / pictures.text("image"),
                       .truth = folder / pictures.text("truth"),
                       .answers = {{row.name, found, folder / pictures.text("answer")}}});
      break;
    }
  }
  return lines.size() == cases.size() ? lines : std::vector<GalleryLine>{};
}

/// The gallery of a data set in the folder `experiment`, a line per case, with the rows whose pictures are there.
/// Throws IoError, FormatError, ConfigError where a file cannot be used.
inline std::vector<GalleryLine> load_gallery(const std::filesystem::path& experiment, const DataResults& data) {
  const std::vector<GalleryCase> cases = choose_gallery(data);
  std::vector<GalleryLine> gallery;
  for (const RowResults& row : data.rows) {
    std::vector<GalleryLine> lines = load_gallery_row(gallery_folder(experiment, data.name, row.name), row, cases);
    if (gallery.empty()) {
      gallery = std::move(lines);
      continue;
    }
    for (std::size_t i = 0; i < lines.size(); ++i) gallery[i].answers.push_back(lines[i].answers.front());
  }
  return gallery;
}

}  // namespace ssam::inline SSAM_ABI
