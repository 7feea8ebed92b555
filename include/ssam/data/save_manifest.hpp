#pragma once

#include <filesystem>
#include <map>
#include <ssam/core/error.hpp>
#include <ssam/data/manifest.hpp>
#include <ssam/io/atomic_file.hpp>
#include <ssam/io/names.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// Writes a manifest as JSON. Paths become relative to its folder.
class ManifestWriter {
 public:
  using Json = nlohmann::ordered_json;

  ManifestWriter(const Manifest& manifest, const std::filesystem::path& path) : manifest_(manifest), path_(path) {
    folder_ = real_folder(path.parent_path());
  }

  std::string text() {
    Json root{{"labels", manifest_.labels}};
    for (const std::string& label : manifest_.labels) require_utf8(label);
    if (manifest_.coding == MaskCoding::values)
      add_table(root, "values", manifest_.values, manifest_.background_values);
    if (manifest_.coding == MaskCoding::colors)
      add_table(root, "colors", manifest_.colors, manifest_.background_colors);
    if (manifest_.instances) root["instances"] = true;
    const AugmentationSettings& augment = manifest_.augment;
    root["augment"] = {{"rotation", augment.rotation},
                       {"flip", augment.flip},
                       {"saturation", augment.saturation},
                       {"brightness", augment.brightness}};
    root["items"] = Json::array();
    // An item a line: a list of ten thousand stays readable, and can be compared line by line.
    std::string head = root.dump(1);
    head.resize(head.rfind("[]"));
    for (std::size_t i = 0; i < manifest_.items.size(); ++i) {
      head += (i == 0 ? "[\n  " : ",\n  ") + entry(manifest_.items[i]).dump();
    }
    return head + "\n ]\n}\n";
  }

 private:
  template <class Code>
  void add_table(Json& root, const char* key, const std::vector<Code>& codes,
                 const std::vector<Code>& background) const {
    root[key] = Json::object();
    for (std::size_t k = 0; k < codes.size(); ++k) root[key][manifest_.labels[k]] = codes[k];
    root["background"] = background;
  }

  Json entry(const ManifestItem& item) {
    Json json{{"image", written(item.image)}, {"split", to_string(item.split)}};
    if (!item.group.empty()) {
      require_utf8(item.group);
      json["group"] = item.group;
    }
    if (item.slice) json["slice"] = *item.slice;
    if (item.axis != "auto") json["axis"] = item.axis;
    if (manifest_.coding == MaskCoding::files) {
      json["masks"] = Json::object();
      for (std::size_t k = 0; k < item.masks.size(); ++k) {
        if (!item.masks[k].empty()) json["masks"][manifest_.labels[k]] = written(item.masks[k]);
      }
    } else if (manifest_.coding == MaskCoding::shapes) {
      if (item.shapes_size.height > 0) json["size"] = {item.shapes_size.height, item.shapes_size.width};
      json["shapes"] = Json::object();
      for (std::size_t k = 0; k < item.shapes.size(); ++k) {
        for (const MaskShape& shape : item.shapes[k]) json["shapes"][manifest_.labels[k]].push_back(part(shape));
      }
    } else {
      json["mask"] = written(item.mask);
    }
    return json;
  }

  static Json part(const MaskShape& shape) {
    if (!shape.polygon.empty()) return {{"polygon", shape.polygon}};
    return {{"rle", {{"size", {shape.runs.height, shape.runs.width}}, {"counts", shape.runs.counts}}}};
  }

  void require_utf8(const std::string& text) const {
    if (is_utf8(text)) return;
    throw ConfigError(ErrorText{.what = "a name is not UTF-8, which a manifest needs",
                                .where = path_.string(),
                                .found = text,
                                .advice = "rename it"});
  }

  /// A file's path relative to the manifest. Links among the folders are resolved, because "..", behind a link, leads
  /// elsewhere; a link in the file's place keeps its own name.
  std::string written(const std::filesystem::path& file) {
    const std::filesystem::path parent = file.parent_path();
    auto known = folders_.find(parent);
    if (known == folders_.end()) known = folders_.emplace(parent, real_folder(parent)).first;
    const std::string text =
        (known->second.lexically_relative(folder_) / file.filename()).lexically_normal().generic_string();
    require_utf8(text);
    return text;
  }

  static std::filesystem::path real_folder(const std::filesystem::path& folder) {
    std::error_code failure;
    const auto real = std::filesystem::weakly_canonical(folder.empty() ? "." : folder, failure);
    if (!failure) return real;
    throw IoError(ErrorText{.what = "cannot follow the path", .where = folder.string(), .found = failure.message()});
  }

  const Manifest& manifest_;
  std::filesystem::path path_, folder_;
  std::map<std::filesystem::path, std::filesystem::path> folders_;  ///< as given -> without links
};

}  // namespace detail

/// Writes `manifest` to `path`, whole or not at all; paths in it are relative to its folder. load_manifest() reads it
/// back as it was, but for `notes` and the form of paths. Throws IoError, and ConfigError for names that are not UTF-8.
inline void save_manifest(const std::filesystem::path& path, const Manifest& manifest) {
  atomic_write(path, detail::ManifestWriter(manifest, path).text());
}

}  // namespace ssam::inline SSAM_ABI
