#pragma once

#include <filesystem>
#include <ssam/core/closest_name.hpp>
#include <ssam/data/layouts/files.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// Where the picture of a name is: below `folder`, and where two splits have a picture of that name, below a folder
/// whose name begins with the split's.
inline const FilePath* chest_picture(const std::multimap<std::string, FilePath>& pictures, const std::string& name,
                                     Split split, const FilePath& folder) {
  const auto [first, last] = pictures.equal_range(name);
  if (first == last) return nullptr;
  if (std::next(first) == last) return &first->second;
  std::vector<const FilePath*> of_split;
  for (auto candidate = first; candidate != last; ++candidate) {
    const FilePath below = candidate->second.lexically_relative(folder).parent_path();
    const auto names_it = [&](const FilePath& part) { return part.string().starts_with(to_string(split)); };
    if (std::any_of(below.begin(), below.end(), names_it)) of_split.push_back(&candidate->second);
  }
  if (of_split.size() == 1) return of_split[0];
  throw FormatError(ErrorText{.what = "two pictures have one name: which of them is meant?",
                              .where = folder.string(),
                              .found = first->second.string() + ", " + std::next(first)->second.string(),
                              .advice = "remove one of them, or keep them in folders train and test"});
}

/// The polygons of one entry, by label.
inline std::vector<std::vector<MaskShape>> chest_findings(const nlohmann::json& entry,
                                                          const std::vector<std::string>& labels,
                                                          const std::string& where) {
  std::vector<std::vector<MaskShape>> shapes(labels.size());
  const JsonObject object(entry, where, {"file_name", "syms", "boxes", "polygons"});
  const std::vector<std::string> findings = object.texts("syms");
  const nlohmann::json& polygons = object.at("polygons");
  if (!polygons.is_array() || polygons.size() != findings.size()) {
    throw FormatError(ErrorText{.what = "not as many polygons as findings",
                                .where = where,
                                .expected = std::to_string(findings.size()),
                                .found = polygons.is_array() ? std::to_string(polygons.size()) : "none"});
  }
  for (std::size_t i = 0; i < findings.size(); ++i) {
    const auto label = std::find(labels.begin(), labels.end(), findings[i]);
    if (label == labels.end()) {
      throw FormatError(ErrorText{.what = "an unknown finding \"" + findings[i] + "\"",
                                  .where = where,
                                  .advice = suggest_name(findings[i], labels)});
    }
    auto& parts = shapes[static_cast<std::size_t>(label - labels.begin())];
    parts.push_back({read_points(polygons[i], where + ", polygons[" + std::to_string(i) + "]"), {}});
  }
  return shapes;
}

}  // namespace detail

/// ChestX-Det: `folder` holds ChestX_Det_train.json and ChestX_Det_test.json (or one of them), whose entries give each
/// picture's findings as polygons, and the pictures, 1024 x 1024, anywhere below. 13 labels; a picture without findings
/// is blank, several polygons of a finding are united. Published split: train and test; every tenth training entry
/// validates. Groups: none, the patients are not published. Throws IoError for pictures that are not there, FormatError
/// for entries that are none.
inline Manifest load_chestxdet(const std::filesystem::path& folder) {
  Manifest manifest;
  manifest.coding = MaskCoding::shapes;
  manifest.labels = {"Effusion",     "Nodule",      "Cardiomegaly",  "Fibrosis",      "Consolidation",
                     "Emphysema",    "Mass",        "Fracture",      "Calcification", "Pleural Thickening",
                     "Pneumothorax", "Atelectasis", "Diffuse Nodule"};
  std::multimap<std::string, detail::FilePath> pictures;
  for (const detail::FilePath& file : detail::pictures_below(folder)) pictures.emplace(file.filename().string(), file);
  std::vector<std::string> missing;
  std::error_code failure;
  for (const Split split : {Split::train, Split::test}) {
    const detail::FilePath path = folder / ("ChestX_Det_" + to_string(split) + ".json");
    if (!std::filesystem::exists(path, failure)) continue;
    const nlohmann::json list = parse_json(read_file(path, std::size_t{256} << 20), path.string());
    if (split == Split::train)
      manifest.notes = {"ChestX-Det publishes no validation pictures: every tenth training entry validates"};
    if (!list.is_array())
      throw FormatError(ErrorText{.what = "a list of pictures was expected", .where = path.string()});
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string where = path.string() + ", [" + std::to_string(i) + "]";
      ManifestItem item{.split = split};
      item.shapes = detail::chest_findings(list[i], manifest.labels, where);
      item.shapes_size = {1024, 1024};
      if (split == Split::train && i % 10 == 9) item.split = Split::val;
      const std::string name = JsonObject(list[i], where, {"file_name", "syms", "boxes", "polygons"}).text("file_name");
      const detail::FilePath* picture = detail::chest_picture(pictures, name, split, folder);
      if (picture == nullptr) {
        missing.push_back(name);
        continue;
      }
      item.image = *picture;
      manifest.items.push_back(std::move(item));
    }
  }
  detail::refuse_those(missing, "pictures of the lists are not there", folder,
                       "put the published pictures anywhere below this folder, under their names");
  return detail::finish_layout(std::move(manifest), folder, "ChestX_Det_train.json, ChestX_Det_test.json and pictures");
}

}  // namespace ssam::inline SSAM_ABI
