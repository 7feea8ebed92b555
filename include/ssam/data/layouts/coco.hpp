#pragma once

#include <filesystem>
#include <ssam/data/layouts/files.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// Reads one COCO file of instances.
class CocoReader {
 public:
  explicit CocoReader(const FilePath& path) : path_(path) {}

  Manifest read() {
    const nlohmann::json root = parse_json(read_file(path_, std::size_t{1} << 30), path_.string());
    manifest_.coding = MaskCoding::shapes;
    read_categories(list_of(root, "categories"));
    read_images(list_of(root, "images"));
    const nlohmann::json& annotations = list_of(root, "annotations");
    for (std::size_t i = 0; i < annotations.size(); ++i) {
      read_annotation(annotations[i], path_.string() + ", annotations[" + std::to_string(i) + "]");
    }
    return finish_layout(std::move(manifest_), path_, "images, categories and annotations");
  }

 private:
  [[noreturn]] void refuse(const std::string& what, const std::string& where, const std::string& found = {},
                           const std::string& advice = {}) const {
    throw FormatError(ErrorText{.what = what, .where = where, .found = found, .advice = advice});
  }

  const nlohmann::json& list_of(const nlohmann::json& root, const std::string& key) const {
    if (root.is_object() && root.contains(key) && root[key].is_array()) return root[key];
    throw FormatError(ErrorText{.what = "this is no COCO file of instances",
                                .where = path_.string(),
                                .expected = "an object with the lists images, categories and annotations",
                                .found = "no list \"" + key + "\""});
  }

  std::int64_t number_of(const nlohmann::json& object, const std::string& key, const std::string& where) const {
    if (object.is_object() && object.contains(key) && object[key].is_number_integer()) {
      return object[key].get<std::int64_t>();
    }
    refuse("the whole number \"" + key + "\" is missing", where);
  }

  std::string text_of(const nlohmann::json& object, const std::string& key, const std::string& where) const {
    if (object.contains(key) && object[key].is_string() && !object[key].get_ref<const std::string&>().empty()) {
      return object[key].get<std::string>();
    }
    refuse("the text \"" + key + "\" is missing", where);
  }

  void read_categories(const nlohmann::json& list) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string where = path_.string() + ", categories[" + std::to_string(i) + "]";
      const std::int64_t id = number_of(list[i], "id", where);
      const std::string name = text_of(list[i], "name", where);
      const auto& labels = manifest_.labels;
      if (std::find(labels.begin(), labels.end(), name) != labels.end() || !labels_.emplace(id, i).second) {
        refuse("a category is given twice", where, "\"" + name + "\", id " + std::to_string(id), "rename one of them");
      }
      manifest_.labels.push_back(name);
    }
  }

  void read_images(const nlohmann::json& list) {
    const std::optional<Split> split = split_in_name();
    std::vector<std::string> missing;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string where = path_.string() + ", images[" + std::to_string(i) + "]";
      if (!images_.emplace(number_of(list[i], "id", where), i).second) {
        refuse("an image's id is given twice", where, list[i]["id"].dump());
      }
      const std::string name = text_of(list[i], "file_name", where);
      ManifestItem item{.image = picture(name), .split = split.value_or(Split::train)};
      if (item.image.empty()) missing.push_back(name);
      item.group = FilePath(name).parent_path().generic_string();
      item.shapes.resize(manifest_.labels.size());
      const nlohmann::json size =
          nlohmann::json::array({list[i].value("height", nlohmann::json()), list[i].value("width", nlohmann::json())});
      item.shapes_size = read_size(size, where + ", height and width");
      manifest_.items.push_back(std::move(item));
    }
    refuse_those(missing, "images of the file are not there", path_,
                 "put them beside it, into images/ beside it, or where COCO has them (annotations/instances_NAME.json "
                 "and NAME/)");
  }

  /// Where an image is; empty where it is nowhere.
  FilePath picture(const std::string& name) const {
    const FilePath folder = path_.parent_path();
    std::vector<FilePath> places{folder, folder / "images", folder / ".." / "images"};
    const std::string stem = path_.stem().string();
    if (const std::string start = "instances_"; stem.starts_with(start)) {
      places.push_back(folder / ".." / stem.substr(start.size()));
      places.push_back(folder / ".." / "images" / stem.substr(start.size()));
    }
    std::error_code failure;
    for (const FilePath& place : places) {
      if (std::filesystem::is_regular_file(place / name, failure)) return place / name;
    }
    return {};
  }

  /// The split that the file's name or its folder's says: instances_val2017.json, valid/_annotations.coco.json.
  std::optional<Split> split_in_name() const {
    std::string word;
    std::optional<Split> found;
    const std::string folder = std::filesystem::absolute(path_).parent_path().filename().string();
    for (const char c : lower_case(folder + "_" + path_.stem().string() + "_")) {
      if (c >= 'a' && c <= 'z') {
        word += c;
        continue;
      }
      if (const auto split = split_named(word)) found = split;
      word.clear();
    }
    return found;
  }

  void read_annotation(const nlohmann::json& entry, const std::string& where) {
    const auto image = images_.find(number_of(entry, "image_id", where));
    if (image == images_.end()) refuse("an annotation of no image of the file", where, entry["image_id"].dump());
    const auto label = labels_.find(number_of(entry, "category_id", where));
    if (label == labels_.end()) refuse("an annotation of no category of the file", where, entry["category_id"].dump());
    ManifestItem& item = manifest_.items[image->second];
    std::vector<MaskShape>& parts = item.shapes[label->second];
    const nlohmann::json mask = entry.value("segmentation", nlohmann::json());
    if (mask.is_object()) {
      parts.push_back({{}, read_run_lengths(mask, where + ", segmentation")});
      const RunLengths& runs = parts.back().runs;
      if (ImageSize{runs.height, runs.width} == item.shapes_size) return;
      refuse("run lengths of another size than their image", where,
             std::to_string(runs.height) + " x " + std::to_string(runs.width));
    }
    if (!mask.is_array() || mask.empty()) {
      refuse("an annotation has no mask", where, entry.contains("bbox") ? "a box only" : "no segmentation",
             "masks are needed: export polygons or run lengths, or remove the annotation");
    }
    for (std::size_t i = 0; i < mask.size(); ++i) {
      parts.push_back({read_polygon(mask[i], where + ", segmentation[" + std::to_string(i) + "]"), {}});
    }
  }

  FilePath path_;
  Manifest manifest_;
  std::map<std::int64_t, std::size_t> labels_, images_;  ///< by id
};

}  // namespace detail

/// COCO's instances: the JSON `file` with images, categories and annotations (polygons, or run lengths, compressed or
/// not). A label's mask is the union of its annotations, crowds (iscrowd) among them; an image without annotations is
/// blank. Images are looked for beside the file, in images/ beside it or beside its folder, and where COCO has them:
/// annotations/instances_NAME.json and NAME/ or images/NAME/. All images are for the split that the name of the file or
/// of its folder says (instances_val2017.json, valid/_annotations.coco.json), else for training. Groups: the folder in
/// an image's file_name. Throws IoError for images that are not there, FormatError for what is no COCO file, an
/// annotation without a mask, ids that belong to nothing.
inline Manifest load_coco(const std::filesystem::path& file) { return detail::CocoReader(file).read(); }

}  // namespace ssam::inline SSAM_ABI
