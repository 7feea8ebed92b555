#pragma once

#include <cmath>
#include <filesystem>
#include <numbers>
#include <ssam/data/layouts/files.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// A rectangle from two opposite corners.
inline std::vector<double> rectangle_outline(double x0, double y0, double x1, double y1) {
  return {x0, y0, x1, y0, x1, y1, x0, y1};
}

/// A circle as a polygon whose sides are about a pixel long.
inline std::vector<double> circle_outline(double x, double y, double radius) {
  const auto corners = static_cast<int>(std::clamp(2 * std::numbers::pi * radius, 24.0, 100'000.0));
  std::vector<double> polygon;
  for (int i = 0; i < corners; ++i) {
    const double angle = 2 * std::numbers::pi * i / corners;
    polygon.push_back(x + radius * std::cos(angle));
    polygon.push_back(y + radius * std::sin(angle));
  }
  return polygon;
}

/// The outline of one shape of a LabelMe file.
inline std::vector<double> labelme_outline(const nlohmann::json& shape, const std::string& where) {
  const std::string kind = shape.contains("shape_type") && shape["shape_type"].is_string()
                               ? shape["shape_type"].get<std::string>()
                               : std::string("polygon");
  const nlohmann::json points = shape.value("points", nlohmann::json());
  if (kind == "polygon") return read_points(points, where);
  if (kind != "rectangle" && kind != "circle") {
    throw FormatError(ErrorText{.what = "a shape that has no area or is not read",
                                .where = where,
                                .expected = "polygon, rectangle or circle",
                                .found = kind,
                                .advice = "draw it as a polygon"});
  }
  if (kind == "rectangle" && points.is_array() && points.size() == 4) return read_points(points, where);
  if (!points.is_array() || points.size() != 2) {
    throw FormatError(ErrorText{.what = "a " + kind + " has two points", .where = where, .found = points.dump()});
  }
  nlohmann::json three = points;
  three.push_back(points[0]);
  const std::vector<double> p = read_points(three, where);
  return kind == "rectangle" ? rectangle_outline(p[0], p[1], p[2], p[3])
                             : circle_outline(p[0], p[1], std::hypot(p[2] - p[0], p[3] - p[1]));
}

/// One annotation file. Labels are numbered as they come.
inline void add_labelme(const FilePath& path, const FilePath& root, Manifest& manifest, Index& ignored) {
  const std::string where = path.string();
  const nlohmann::json file = parse_json(read_file(path, std::size_t{256} << 20), where);
  if (!file.is_object() || !file.contains("shapes") || !file["shapes"].is_array() || !file.contains("imagePath") ||
      !file["imagePath"].is_string()) {
    throw FormatError(ErrorText{.what = "this is no annotation of LabelMe",
                                .where = where,
                                .expected = "an object with shapes and imagePath",
                                .advice = "keep other JSON files elsewhere"});
  }
  std::string name = file["imagePath"].get<std::string>();
  std::replace(name.begin(), name.end(), '\\', '/');
  ManifestItem item{.group = folder_below(path, root)};
  std::error_code failure;
  for (const FilePath& place : {path.parent_path() / name, path.parent_path() / FilePath(name).filename()}) {
    if (item.image.empty() && std::filesystem::is_regular_file(place, failure)) item.image = place;
  }
  if (item.image.empty()) {
    throw IoError(ErrorText{.what = "the picture of an annotation is not there",
                            .where = where,
                            .expected = name,
                            .advice = "put it beside the annotation; a copy inside it (imageData) is not read"});
  }
  const FilePath below = path.lexically_relative(root);
  if (const auto split = split_named(below.begin()->string())) item.split = *split;
  const nlohmann::json height = file.value("imageHeight", nlohmann::json()),
                       width = file.value("imageWidth", nlohmann::json());
  if (!height.is_null() && !width.is_null())
    item.shapes_size = read_size(nlohmann::json::array({height, width}), where);
  for (std::size_t i = 0; i < file["shapes"].size(); ++i) {
    const nlohmann::json& shape = file["shapes"][i];
    const std::string place = where + ", shapes[" + std::to_string(i) + "]";
    if (!shape.is_object() || !shape.contains("label") || !shape["label"].is_string()) {
      throw FormatError(ErrorText{.what = "a shape has no label", .where = place});
    }
    const std::string label = shape["label"].get<std::string>();
    if (label == "__ignore__" || label == "_background_") {
      ++ignored;
      continue;
    }
    const auto found = std::find(manifest.labels.begin(), manifest.labels.end(), label);
    const auto number = static_cast<std::size_t>(found - manifest.labels.begin());
    if (found == manifest.labels.end()) manifest.labels.push_back(label);
    if (item.shapes.size() <= number) item.shapes.resize(number + 1);
    item.shapes[number].push_back({labelme_outline(shape, place), {}});
  }
  manifest.items.push_back(std::move(item));
}

/// Brings the labels into the order of the alphabet.
inline void sort_labels(Manifest& manifest) {
  std::vector<std::string> sorted = manifest.labels;
  std::sort(sorted.begin(), sorted.end());
  for (ManifestItem& item : manifest.items) {
    item.shapes.resize(sorted.size());
    std::vector<std::vector<MaskShape>> shapes;
    for (const std::string& label : sorted) {
      const auto place = std::find(manifest.labels.begin(), manifest.labels.end(), label) - manifest.labels.begin();
      shapes.push_back(std::move(item.shapes[static_cast<std::size_t>(place)]));
    }
    item.shapes = std::move(shapes);
  }
  manifest.labels = std::move(sorted);
}

}  // namespace detail

/// LabelMe: a JSON file for each picture anywhere below `folder`, polygons, rectangles and circles (as polygons with
/// sides of about a pixel). Shapes of one label are united, "__ignore__" and "_background_" are no labels; labels stand
/// in the order of the alphabet. Pictures without a file are not annotated and are left out, with a note. Splits: files
/// below train/, val/ and test/; else all are for training. Groups: the folder of a file. Throws IoError for pictures
/// that are not there, FormatError for shapes of other kinds and for other JSON files.
inline Manifest load_labelme(const std::filesystem::path& folder) {
  Manifest manifest;
  manifest.coding = MaskCoding::shapes;
  Index ignored = 0;
  for (const detail::FilePath& file : detail::files_below(folder)) {
    if (detail::extension_of(file) == ".json") detail::add_labelme(file, folder, manifest, ignored);
  }
  detail::sort_labels(manifest);
  std::set<detail::FilePath> annotated;
  for (const ManifestItem& item : manifest.items) annotated.insert(item.image.lexically_normal());
  Index left = 0;
  for (const detail::FilePath& file : detail::pictures_below(folder))
    left += annotated.count(file.lexically_normal()) == 0;
  if (left > 0) {
    manifest.notes.push_back(std::to_string(left) + " pictures have no annotation file and are left out");
  }
  if (ignored > 0) {
    manifest.notes.push_back(std::to_string(ignored) + " shapes named __ignore__ or _background_ count as background");
  }
  return detail::finish_layout(std::move(manifest), folder, "a.json, as LabelMe writes it, and a.png");
}

}  // namespace ssam::inline SSAM_ABI
