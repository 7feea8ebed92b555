#pragma once

#include <filesystem>
#include <ssam/data/layouts/files.hpp>
#include <sstream>
#include <string>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// A table with a header, cells separated by commas and perhaps in quotes.
class CsvTable {
 public:
  explicit CsvTable(const FilePath& path) : name_(path.string()) {
    std::stringstream text(read_file(path, std::size_t{256} << 20));
    std::size_t number = 0;
    for (std::string line; std::getline(text, line);) {
      ++number;
      if (line.find_first_not_of("\r \t") == std::string::npos) continue;
      if (!header_.empty()) lines_.push_back(number);
      (header_.empty() ? header_ : rows_.emplace_back()) = cells_of(line);
    }
  }

  std::size_t rows() const { return rows_.size(); }

  const std::string& cell(std::size_t row, const std::string& column) const {
    const auto place = static_cast<std::size_t>(std::find(header_.begin(), header_.end(), column) - header_.begin());
    if (place < header_.size() && place < rows_[row].size()) return rows_[row][place];
    throw FormatError(ErrorText{.what = "a line has no column \"" + column + "\"",
                                .where = name_ + ", line " + std::to_string(lines_[row]),
                                .advice = "the first line names the columns"});
  }

 private:
  static std::vector<std::string> cells_of(const std::string& line) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (const char c : line) {
      if (c == '"') {
        quoted = !quoted;
      } else if (c == ',' && !quoted) {
        cells.emplace_back();
      } else if (c != '\r') {
        cells.back() += c;
      }
    }
    return cells;
  }

  std::string name_;
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> lines_;  ///< of the rows, as editors count
};

/// Files by name: the folders that the tables name are those of another machine.
class FilesByName {
 public:
  explicit FilesByName(const FilePath& folder) : folder_(folder) {
    for (const FilePath& file : files_below(folder)) files_.emplace(file.filename().string(), file);
  }

  const FilePath& find(const std::string& name, const FilePath& table) const {
    const auto [first, last] = files_.equal_range(name);
    if (first == last) {
      throw IoError(ErrorText{.what = "a file of the table is not there",
                              .where = table.string(),
                              .expected = "\"" + name + "\" below " + folder_.string()});
    }
    if (std::next(first) == last) return first->second;
    throw IoError(ErrorText{.what = "two files have the name that stands in the table",
                            .where = table.string(),
                            .found = first->second.string() + ", " + std::next(first)->second.string(),
                            .advice = "remove one of them"});
  }

 private:
  FilePath folder_;
  std::multimap<std::string, FilePath> files_;
};

}  // namespace detail

/// LiTS as PNG slices: `folder` holds lits_train.csv (and lits_test.csv where there is one) with the columns filepath,
/// liver_maskpath and tumor_maskpath ("empty" or nothing: absent), and the files below dataset_6/. Labels Liver and
/// Tumor. Every tenth volume of the training table validates. Groups: the volumes, the first number of a slice's name.
/// Throws IoError for files that are not there, FormatError for a table without these columns.
inline Manifest load_lits(const std::filesystem::path& folder) {
  Manifest manifest;
  manifest.labels = {"Liver", "Tumor"};
  const detail::FilesByName files(folder / "dataset_6");
  std::error_code failure;
  for (const Split table : {Split::train, Split::test}) {
    const detail::FilePath csv = folder / ("lits_" + to_string(table) + ".csv");
    if (table == Split::test && !std::filesystem::exists(csv, failure)) continue;
    const detail::CsvTable lines(csv);
    for (std::size_t row = 0; row < lines.rows(); ++row) {
      const auto name = [&](const char* column) {
        return detail::FilePath(lines.cell(row, column)).filename().string();
      };
      const std::string image = name("filepath");
      const int volume = detail::number_in(image);
      ManifestItem item{.image = files.find(image, csv), .split = table};
      for (const char* column : {"liver_maskpath", "tumor_maskpath"}) {
        const std::string mask = name(column);
        item.masks.push_back(mask.empty() || mask == "empty" ? detail::FilePath() : files.find(mask, csv));
      }
      if (volume >= 0) item.group = "volume " + std::to_string(volume);
      if (table == Split::train && volume % 10 == 9) item.split = Split::val;
      manifest.items.push_back(std::move(item));
    }
  }
  manifest.notes = {"LiTS publishes no validation volumes: every tenth of the training table validates"};
  return detail::finish_layout(std::move(manifest), folder, "lits_train.csv and dataset_6/");
}

}  // namespace ssam::inline SSAM_ABI
