// Writes the data manifest of a public data set from its folders, then opens every file once:
//
//     make_manifest glas|ultrasound|cholecseg8k|lits FOLDER MANIFEST.json

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <ssam/core/closest_name.hpp>
#include <ssam/core/error.hpp>
#include <ssam/data/check_manifest.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Json = nlohmann::ordered_json;
using Path = std::filesystem::path;

/// Where the manifest will stand; the paths in it are relative to that folder.
class Items {
 public:
  explicit Items(const Path& manifest) : folder_(std::filesystem::absolute(manifest).parent_path()) {}

  std::string relative(const Path& file) const {
    return std::filesystem::proximate(std::filesystem::absolute(file), folder_).generic_string();
  }
  void add(const Path& image, const std::string& split, const char* key, const Json& masks) {
    list_.push_back({{"image", relative(image)}, {"split", split}, {key, masks}});
  }
  const Json& list() const { return list_; }

 private:
  Path folder_;
  Json list_ = Json::array();
};

/// All files below a folder, sorted, so that a manifest does not depend on the order of a directory.
std::vector<Path> files_below(const Path& folder) {
  std::vector<Path> files;
  std::error_code failure;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, failure)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  if (failure) throw ssam::IoError(ssam::ErrorText{.what = "cannot list the folder", .where = folder.string()});
  std::sort(files.begin(), files.end());
  return files;
}

/// The first number in a name; -1 when there is none.
int number_in(const std::string& name) {
  const std::size_t start = name.find_first_of("0123456789");
  return start == std::string::npos ? -1 : std::atoi(name.c_str() + start);
}

bool is_image(const Path& file) {
  const std::string extension = file.extension().string();
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg" || extension == ".bmp";
}

/// train_N, testA_N, testB_N with an `_anno` file each (gland numbers). Every fifth training image validates.
Json glas(const Path& folder, Items& items) {
  for (const Path& file : files_below(folder)) {
    const std::string stem = file.stem().string();
    if (!is_image(file) || !stem.ends_with("_anno")) continue;
    const std::string name = stem.substr(0, stem.size() - 5);
    const std::string split = name.starts_with("test") ? "test" : number_in(name) % 5 == 0 ? "val" : "train";
    items.add(file.parent_path() / (name + file.extension().string()), split, "masks",
              {{"Glands", items.relative(file)}});
  }
  // Its masks number the glands.
  return {{"labels", {"Glands"}},
          {"instances", true},
          {"augment", {{"flip", true}, {"saturation", true}, {"brightness", true}}}};
}

/// The published split: ct1..ct12 train, ct13..ct15 validate, the folder `test` tests. Real frames (a25, h15, ...) are
/// divided by recording, the letters of their name, so that no recording is in two splits: every third one validates,
/// every third one tests.
std::string ultrasound_split(const Path& image, const std::vector<std::string>& recordings) {
  if (image.parent_path().filename() == "test") return "test";
  const std::string stem = image.stem().string();
  if (stem.starts_with("ct")) return number_in(stem) >= 13 ? "val" : "train";
  const std::string letters = stem.substr(0, stem.find_first_of("0123456789"));
  const auto place = std::find(recordings.begin(), recordings.end(), letters) - recordings.begin();
  return place % 3 == 1 ? "val" : place % 3 == 2 ? "test" : "train";
}

/// images/ and annotations/, the same names in both; colours name the organs.
Json ultrasound(const Path& folder, Items& items) {
  const std::vector<Path> images = files_below(folder / "images");
  std::vector<std::string> recordings;
  for (const Path& image : images) {
    const std::string stem = image.stem().string();
    recordings.push_back(stem.substr(0, stem.find_first_of("0123456789")));
  }
  std::sort(recordings.begin(), recordings.end());
  recordings.erase(std::unique(recordings.begin(), recordings.end()), recordings.end());
  for (const Path& image : images) {
    if (!is_image(image)) continue;
    Path mask = folder / "annotations" / std::filesystem::relative(image, folder / "images");
    mask.replace_extension(".png");
    items.add(image, ultrasound_split(image, recordings), "mask", items.relative(mask));
  }
  const Json colors{{"Liver", {100, 0, 100}},   {"Kidney", {255, 255, 0}},   {"Pancreas", {0, 0, 255}},
                    {"Vessels", {255, 0, 0}},   {"Adrenals", {0, 255, 255}}, {"Gall Bladder", {0, 255, 0}},
                    {"Bones", {255, 255, 255}}, {"Spleen", {255, 0, 255}}};
  Json labels = Json::array();
  for (const auto& [label, color] : colors.items()) labels.push_back(label);
  return {{"labels", labels}, {"colors", colors}, {"background", {{0, 0, 0}, {10, 0, 10}}}};
}

/// videoNN/videoNN_XXXXX/frame_N_endo.png with its watershed mask. Published split: videos 12 and 27 validate, 17 and
/// 52 test.
Json cholecseg8k(const Path& folder, Items& items) {
  const std::string mask_end = "_watershed_mask.png";
  for (const Path& file : files_below(folder)) {
    const std::string name = file.filename().string();
    if (!name.ends_with(mask_end)) continue;
    const int video = number_in(file.parent_path().filename().string());
    const std::string split = video == 12 || video == 27 ? "val" : video == 17 || video == 52 ? "test" : "train";
    const Path image = file.parent_path() / (name.substr(0, name.size() - mask_end.size()) + ".png");
    items.add(image, split, "mask", items.relative(file));
  }
  const Json values{
      {"Grasper", 31},        {"L Hook Electrocautery", 32},  {"Liver", 21},       {"Fat", 12},   {"Gall Bladder", 22},
      {"Abdominal Wall", 11}, {"Gastrointestinal Tract", 13}, {"Cystic Duct", 25}, {"Blood", 24}, {"Hepatic Vein", 33},
      {"Liver Ligament", 5},  {"Connective Tissue", 23}};
  Json labels = Json::array();
  for (const auto& [label, value] : values.items()) labels.push_back(label);
  return {{"labels", labels},
          {"values", values},
          {"background", {0, 50, 255}},
          {"augment", {{"flip", true}, {"saturation", true}, {"brightness", true}}}};
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');) {
    while (!cell.empty() && (cell.back() == '\r' || cell.back() == '"')) cell.pop_back();
    cells.push_back(cell.starts_with('"') ? cell.substr(1) : cell);
  }
  return cells;
}

/// lits_train.csv (and lits_test.csv where there is one): filepath, liver_maskpath, tumor_maskpath; the files are below
/// dataset_6. Every tenth volume of the training table validates.
Json lits(const Path& folder, Items& items) {
  std::map<std::string, Path> by_name;
  for (const Path& file : files_below(folder / "dataset_6")) by_name[file.filename().string()] = file;
  for (const std::string table : {"train", "test"}) {
    const Path csv = folder / ("lits_" + table + ".csv");
    if (table == "test" && !std::filesystem::exists(csv)) continue;
    const std::vector<std::uint8_t> bytes = ssam::detail::read_bytes(csv);
    std::stringstream lines(std::string(bytes.begin(), bytes.end()));
    std::string line;
    std::getline(lines, line);
    const std::vector<std::string> header = cells_of(line);
    const auto cell = [&](const std::vector<std::string>& cells, const std::string& column) {
      const auto place = std::find(header.begin(), header.end(), column) - header.begin();
      if (place >= static_cast<std::ptrdiff_t>(std::min(cells.size(), header.size()))) {
        throw ssam::FormatError(
            ssam::ErrorText{.what = "no column \"" + column + "\" in a line", .where = csv.string()});
      }
      return Path(cells[static_cast<std::size_t>(place)]).filename().string();  // the folders named there are elsewhere
    };
    const auto find = [&](const std::string& name) {
      const auto found = by_name.find(name);
      if (found == by_name.end()) {
        throw ssam::IoError(ssam::ErrorText{.what = "no file \"" + name + "\" below dataset_6", .where = csv.string()});
      }
      return found->second;
    };
    while (std::getline(lines, line)) {
      if (line.find_first_not_of("\r ") == std::string::npos) continue;
      const std::vector<std::string> cells = cells_of(line);
      Json masks = Json::object();
      for (const auto& [label, column] : {std::pair{"Liver", "liver_maskpath"}, std::pair{"Tumor", "tumor_maskpath"}}) {
        const std::string name = cell(cells, column);
        if (!name.empty() && name != "empty") masks[label] = items.relative(find(name));
      }
      const std::string image = cell(cells, "filepath");
      items.add(find(image), table == "train" && number_in(image) % 10 == 9 ? "val" : table, "masks", masks);
    }
  }
  return {{"labels", {"Liver", "Tumor"}}};
}

void make(const std::string& layout, const Path& folder, const Path& target) {
  const std::map<std::string, std::function<Json(const Path&, Items&)>> layouts{
      {"glas", glas}, {"ultrasound", ultrasound}, {"cholecseg8k", cholecseg8k}, {"lits", lits}};
  const auto found = layouts.find(layout);
  if (found == layouts.end()) {
    const std::vector<std::string> names{"glas", "ultrasound", "cholecseg8k", "lits"};
    throw ssam::ConfigError("unknown layout \"" + layout + "\"; " + ssam::suggest_name(layout, names));
  }
  Items items(target);
  Json manifest = found->second(folder, items);
  if (items.list().empty()) {
    throw ssam::IoError(ssam::ErrorText{.what = "no files laid out as " + layout, .where = folder.string()});
  }
  manifest["items"] = items.list();
  ssam::atomic_write(target, manifest.dump(1) + "\n");

  const ssam::Manifest loaded = ssam::load_manifest(target);
  const ssam::ManifestReport report = ssam::check_manifest(loaded);
  for (const std::string& line : report.warnings) std::printf("note: %s\n", line.c_str());
  std::printf("%s\nimages: %lld train, %lld val, %lld test\n", target.string().c_str(),
              static_cast<long long>(report.items[0]), static_cast<long long>(report.items[1]),
              static_cast<long long>(report.items[2]));
  for (std::size_t k = 0; k < loaded.labels.size(); ++k) {
    const auto& present = report.present[k];
    std::printf("  %-24s on %lld, %lld, %lld\n", loaded.labels[k].c_str(), static_cast<long long>(present[0]),
                static_cast<long long>(present[1]), static_cast<long long>(present[2]));
  }
  if (report.far_off_pixels > 0) {
    std::printf("pixels far from every known colour, given to the nearest: %lld\n",
                static_cast<long long>(report.far_off_pixels));
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr, "usage: make_manifest glas|ultrasound|cholecseg8k|lits FOLDER MANIFEST.json\n");
    return 2;
  }
  try {
    make(arguments[1], arguments[2], arguments[3]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_manifest: %s\n", error.what());
    return 1;
  }
}
