#pragma once

#include <filesystem>
#include <ssam/data/layouts/files.hpp>
#include <ssam/data/load_volume.hpp>
#include <ssam/data/volume_slice.hpp>
#include <ssam/io/csv.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// A CSV file whose first line names the columns.
class NamedColumns {
 public:
  explicit NamedColumns(const FilePath& path)
      : name_(path.string()), rows_(parse_csv(read_file(path, std::size_t{256} << 20), name_)) {
    if (rows_.empty()) throw FormatError(ErrorText{.what = "the table is empty", .where = name_});
  }

  /// Below the first line.
  std::size_t rows() const { return rows_.size() - 1; }

  const std::string& cell(std::size_t row, const std::string& column) const {
    const std::vector<std::string>& header = rows_[0].cells;
    const auto place = static_cast<std::size_t>(std::find(header.begin(), header.end(), column) - header.begin());
    if (place < header.size()) return rows_[row + 1].cells[place];
    throw FormatError(ErrorText{.what = "the table has no column \"" + column + "\"",
                                .where = name_,
                                .advice = "the first line names the columns"});
  }

 private:
  std::string name_;
  std::vector<CsvRow> rows_;
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

/// The published volumes below a folder, volume-7.nii or .nii.gz beside segmentation-7, each axial slice an item.
inline Manifest lits_volumes(const FilePath& folder) {
  std::map<std::string, FilePath> images, masks;
  for (const FilePath& file : files_below(folder)) {
    std::string name = file.filename().string();
    name.resize(std::min(name.find(".nii"), name.size()));
    if (name == file.filename().string()) continue;
    const auto add = [&](std::map<std::string, FilePath>& files, const std::string& start) {
      if (!name.starts_with(start)) return;
      const auto [known, added] = files.emplace(name.substr(start.size()), file);
      if (added) return;
      throw FormatError(ErrorText{.what = "two volumes have one name: which of them is meant?",
                                  .where = folder.string(),
                                  .found = known->second.string() + ", " + file.string(),
                                  .advice = "remove one of them"});
    };
    add(images, "volume-");
    add(masks, "segmentation-");
  }
  refuse_those(keys_without(images, masks), "volumes have no segmentation", folder,
               "volume-7.nii needs segmentation-7.nii; keep the challenge's test volumes, which have none, elsewhere");
  refuse_those(keys_without(masks, images), "segmentations have no volume", folder, "segmentation-7 needs volume-7");
  Manifest manifest;
  manifest.coding = MaskCoding::values;
  manifest.labels = {"Liver", "Tumor"};
  manifest.values = {1, 2};
  manifest.background_values = {0};
  for (const auto& [number, image] : images) {
    const VolumeGrid grid = load_volume_grid(image);
    const Index slices = slice_count(grid, slice_plane(grid, "axial"));
    for (Index slice = 0; slice < slices; ++slice) {
      ManifestItem item{.image = image, .split = number_in(number) % 10 == 9 ? Split::val : Split::train};
      item.mask = masks.at(number);
      item.slice = slice;
      item.axis = "axial";
      item.group = "volume " + number;
      manifest.items.push_back(std::move(item));
    }
  }
  manifest.notes = {"LiTS publishes no validation volumes: every tenth validates",
                    "of LiTS's volumes, Liver is value 1: the healthy part, without the tumours in it"};
  return finish_layout(std::move(manifest), folder, "volume-0.nii and segmentation-0.nii");
}

}  // namespace detail

/// LiTS. As PNG slices: `folder` holds lits_train.csv (and lits_test.csv where there is one) with the columns filepath,
/// liver_maskpath and tumor_maskpath ("empty" or nothing: absent), and the files below dataset_6/. Labels Liver and
/// Tumor. Every tenth volume of the training table validates. Groups: the volumes, the first number of a slice's name.
/// A folder without a table holds the published volumes, volume-7.nii beside segmentation-7.nii (or .nii.gz, anywhere
/// below): their axial slices, in the same splits and groups. Throws IoError for files that are not there, FormatError
/// for a table without these columns, and as load_volume_grid.
inline Manifest load_lits(const std::filesystem::path& folder) {
  std::error_code absent;
  if (!std::filesystem::exists(folder / "lits_train.csv", absent)) return detail::lits_volumes(folder);
  Manifest manifest;
  manifest.labels = {"Liver", "Tumor"};
  const detail::FilesByName files(folder / "dataset_6");
  std::error_code failure;
  for (const Split table : {Split::train, Split::test}) {
    const detail::FilePath csv = folder / ("lits_" + to_string(table) + ".csv");
    if (table == Split::test && !std::filesystem::exists(csv, failure)) continue;
    const detail::NamedColumns lines(csv);
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
