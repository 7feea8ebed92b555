#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <ssam/core/closest_name.hpp>
#include <ssam/core/error.hpp>
#include <ssam/core/shape.hpp>
#include <ssam/data/augmentation.hpp>
#include <ssam/data/preprocess.hpp>
#include <ssam/data/read_shapes.hpp>
#include <ssam/io/json_file.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

using Color = std::array<std::uint8_t, 3>;  ///< RGB

/// What an image is for.
enum class Split {
  train,  ///< learnt from
  val,    ///< scored during training
  test,   ///< scored afterwards
};

/// In the order of Split.
inline const std::vector<std::string>& split_names() {
  static const std::vector<std::string> names{"train", "val", "test"};
  return names;
}
/// "train", "val" or "test".
inline const std::string& to_string(Split split) { return split_names()[static_cast<std::size_t>(split)]; }

/// How the masks of a data set say which label a pixel has.
enum class MaskCoding {
  files,   ///< one file per label: 0 and another value
  values,  ///< one file per image, the grey value names the label
  colors,  ///< one file per image, the nearest colour names the label
  shapes,  ///< no files: polygons and run lengths
};

/// One image and its masks. Paths are as they can be opened.
struct ManifestItem {
  std::filesystem::path image = {};               ///< file of the image
  Split split = Split::train;                     ///< what it is for
  std::filesystem::path mask = {};                ///< coding values and colors
  std::vector<std::filesystem::path> masks = {};  ///< coding files: one per label, empty = the label is absent
  std::vector<std::vector<MaskShape>> shapes =
      {};                           ///< coding shapes: the parts of each label, none = the label is absent
  ImageSize shapes_size = {};       ///< coding shapes: of the picture that they were drawn on; 0 x 0 = not recorded
  std::optional<Index> slice = {};  ///< of volumes, image and masks alike: the number of the slice, from 0
  std::string axis = "auto";        ///< of volumes: which slices, see slice_plane()
  std::string group = {};  ///< patient, video, ...: what must not be divided between splits; "" = the image alone
};

/// A data set: which images, which labels, where each label's mask is. Format (JSON; paths relative to the file):
///
///     {"labels": ["Liver", "Kidney"],
///      "values": {"Liver": 21, "Kidney": 22},                  // with "mask": grey value of each label, or
///      "colors": {"Liver": [100,0,100], "Kidney": [255,255,0]} // with "mask": colour of each label
///      "background": [0, 50],                                  // what else may occur: grey values or colours
///      "instances": true,                                      // with "masks": every value > 0 is an object
///      "augment": {"rotation": true, "flip": true, "saturation": false, "brightness": true},
///      "items": [{"image": "a.png", "split": "train", "mask": "a_mask.png"},               // one mask file, or
///                {"image": "b.png", "split": "val", "masks": {"Liver": "b_liver.png"}},    // one per present label,
///                or
///                {"image": "c.png", "split": "val", "size": [480, 640],                    // of the picture, if known
///                 "shapes": {"Liver": [{"polygon": [9,7, 30,7.5, 20,40]},                  // x, y of each corner
///                                      {"rle": {"size": [480, 640], "counts": "..."}}]}}]} // COCO's run lengths
///
/// Every item may have a "group": "patient 7", what must not be divided between splits; of a volume (NIfTI, DICOM) it
/// has the "slice": 17 and may have the "axis": "coronal". Items of one manifest have masks in one form.
struct Manifest {
  std::filesystem::path file;                   ///< where it was read from
  std::vector<std::string> labels;              ///< names, each once
  MaskCoding coding = MaskCoding::files;        ///< form of the masks
  std::vector<std::uint8_t> values;             ///< coding values: of each label
  std::vector<Color> colors;                    ///< coding colors: of each label
  std::vector<std::uint8_t> background_values;  ///< coding values: what else may occur; 0 when not given
  std::vector<Color> background_colors;         ///< coding colors: what else may occur; black when not given
  bool instances = false;                       ///< coding files: values count objects
  AugmentationSettings augment;                 ///< what training changes at random
  std::vector<ManifestItem> items;              ///< images of all splits
  std::vector<std::string> notes;               ///< what the reader of a layout on disk left out or took for granted
};

/// "3 train, 0 val, 2 test": what each split holds.
inline std::string split_counts(const Manifest& manifest) {
  std::array<Index, 3> counts{};
  for (const ManifestItem& item : manifest.items) ++counts[static_cast<std::size_t>(item.split)];
  std::string text;
  for (std::size_t split = 0; split < counts.size(); ++split) {
    text += (split == 0 ? "" : ", ") + std::to_string(counts[split]) + " " + split_names()[split];
  }
  return text;
}

/// What an item is called in messages: its file, and the slice of a volume.
inline std::string item_text(const ManifestItem& item) {
  if (!item.slice) return item.image.string();
  return item.image.string() + ", slice " + std::to_string(*item.slice) + (item.axis == "auto" ? "" : " " + item.axis);
}

namespace detail {

using Json = nlohmann::json;

/// Checked access to the parsed manifest; errors name the file and the place in it.
class ManifestReader {
 public:
  explicit ManifestReader(const std::filesystem::path& path) : path_(path) {}

  Manifest read() {
    const Json root = parse_json(read_file(path_, std::size_t{256} << 20), path_.string());
    check_keys(root, "the manifest", {"labels", "items", "values", "colors", "background", "instances", "augment"},
               {"labels", "items"});
    Manifest manifest;
    manifest.file = path_;
    manifest.labels = read_labels(root["labels"]);
    read_coding(root, manifest);
    if (root.contains("instances")) {
      if (!root["instances"].is_boolean()) fail("true or false was expected", "instances");
      if (manifest.coding != MaskCoding::files) fail("\"instances\" beside \"values\" or \"colors\"", "instances");
      manifest.instances = root["instances"].get<bool>();
    }
    if (root.contains("augment")) read_augment(root["augment"], manifest.augment);
    read_items(root["items"], manifest);
    return manifest;
  }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& place, const std::string& advice = {}) const {
    throw ConfigError(ErrorText{.what = what, .where = in_file(place), .advice = advice});
  }

  void check_keys(const Json& object, const std::string& place, const std::vector<std::string>& known,
                  const std::vector<std::string>& required) const {
    if (!object.is_object()) fail("an object {...} was expected", place);
    for (const auto& [key, value] : object.items()) {
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        fail("unknown key \"" + key + "\"", place, suggest_name(key, known));
      }
    }
    for (const std::string& key : required) {
      if (!object.contains(key)) fail("the key \"" + key + "\" is missing", place);
    }
  }

  std::string read_text(const Json& value, const std::string& place) const {
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) fail("a text was expected", place);
    const auto& text = value.get_ref<const std::string&>();
    if (text.find('\0') != std::string::npos) fail("a text holds a zero byte", place);
    return text;
  }

  std::uint8_t read_byte(const Json& value, const std::string& place) const {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > 255) {
      fail("a whole number 0..255 was expected", place);
    }
    return value.get<std::uint8_t>();
  }

  Color read_color(const Json& value, const std::string& place) const {
    if (!value.is_array() || value.size() != 3) fail("a colour [red, green, blue] was expected", place);
    return {read_byte(value[0], place), read_byte(value[1], place), read_byte(value[2], place)};
  }

  std::vector<std::string> read_labels(const Json& value) const {
    if (!value.is_array() || value.empty()) fail("a list of label names was expected", "labels");
    std::vector<std::string> labels;
    for (const Json& name : value) {
      labels.push_back(read_text(name, "labels"));
      if (std::count(labels.begin(), labels.end(), labels.back()) > 1) {
        fail("label \"" + labels.back() + "\" is given twice", "labels");
      }
    }
    return labels;
  }

  /// The entries of "values" or "colors", one per label, and of "background".
  template <class Code, class Read>
  void read_table(const Json& root, const char* key, const Manifest& manifest, std::vector<Code>& codes,
                  std::vector<Code>& background, const Read& read) const {
    const Json& table = root[key];
    check_keys(table, key, manifest.labels, manifest.labels);
    if (manifest.labels.size() > 254) fail("more than 254 labels cannot share one mask file", "labels");
    std::set<Code> seen;
    const auto add = [&](const Json& value, const std::string& place, std::vector<Code>& to) {
      to.push_back(read(value, place));
      if (!seen.insert(to.back()).second) fail("a value or colour stands for two things", place);
    };
    for (const std::string& label : manifest.labels) add(table[label], std::string(key) + ", " + label, codes);
    if (root.contains("background")) {
      if (!root["background"].is_array()) fail("a list was expected", "background");
      for (const Json& value : root["background"]) add(value, "background", background);
    } else if (seen.count(Code{}) == 0) {
      background.push_back(Code{});
    }
  }

  void read_coding(const Json& root, Manifest& manifest) const {
    const bool values = root.contains("values"), colors = root.contains("colors");
    if (values && colors) fail("both \"values\" and \"colors\" are given", "the manifest", "keep one");
    if (values) {
      manifest.coding = MaskCoding::values;
      read_table(root, "values", manifest, manifest.values, manifest.background_values,
                 [&](const Json& value, const std::string& place) { return read_byte(value, place); });
    } else if (colors) {
      manifest.coding = MaskCoding::colors;
      read_table(root, "colors", manifest, manifest.colors, manifest.background_colors,
                 [&](const Json& value, const std::string& place) { return read_color(value, place); });
    } else if (root.contains("background")) {
      fail("\"background\" without \"values\" or \"colors\"", "the manifest");
    }
  }

  void read_augment(const Json& object, AugmentationSettings& settings) const {
    check_keys(object, "augment", {"rotation", "flip", "saturation", "brightness"}, {});
    const auto read = [&](const char* key, bool& value) {
      if (!object.contains(key)) return;
      if (!object[key].is_boolean()) fail("true or false was expected", std::string("augment, ") + key);
      value = object[key].get<bool>();
    };
    read("rotation", settings.rotation);
    read("flip", settings.flip);
    read("saturation", settings.saturation);
    read("brightness", settings.brightness);
  }

  void read_items(const Json& list, Manifest& manifest) const {
    if (!list.is_array() || list.empty()) fail("a list of items was expected, at least one", "items");
    if (manifest.coding == MaskCoding::files && list[0].is_object() && list[0].contains("shapes")) {
      if (manifest.instances) fail("\"instances\" beside \"shapes\"", "instances");
      manifest.coding = MaskCoding::shapes;
    }
    std::set<std::tuple<std::filesystem::path, std::string, std::optional<Index>>> seen;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string place = "items[" + std::to_string(i) + "]";
      ManifestItem item = read_item(list[i], place, manifest);
      if (!seen.insert({item.image.lexically_normal(), item.axis, item.slice}).second) {
        fail("an image is listed twice", place, "remove one");
      }
      manifest.items.push_back(std::move(item));
    }
  }

  ManifestItem read_item(const Json& entry, const std::string& place, const Manifest& manifest) const {
    const bool one_mask = manifest.coding == MaskCoding::values || manifest.coding == MaskCoding::colors;
    const std::string key = one_mask ? "mask" : manifest.coding == MaskCoding::files ? "masks" : "shapes";
    check_form(entry, place, key);
    std::vector<std::string> known{"image", "split", key, "group", "slice", "axis"};
    if (manifest.coding == MaskCoding::shapes) known.push_back("size");
    check_keys(entry, place, known, {"image", "split", key});
    const std::filesystem::path folder = path_.parent_path();
    ManifestItem item;
    item.image = folder / read_text(entry["image"], place + ", image");
    const std::string split = read_text(entry["split"], place + ", split");
    const auto found = std::find(split_names().begin(), split_names().end(), split);
    if (found == split_names().end())
      fail("unknown split \"" + split + "\"", place, suggest_name(split, split_names()));
    item.split = static_cast<Split>(found - split_names().begin());
    if (entry.contains("group")) item.group = read_text(entry["group"], place + ", group");
    read_slice(entry, place, item);
    if (entry.contains("size")) item.shapes_size = read_size(entry["size"], in_file(place) + ", size");
    if (one_mask) {
      item.mask = folder / read_text(entry["mask"], place + ", mask");
      return item;
    }
    check_keys(entry[key], place + ", " + key, manifest.labels, {});
    item.masks.resize(manifest.coding == MaskCoding::files ? manifest.labels.size() : 0);
    item.shapes.resize(manifest.coding == MaskCoding::shapes ? manifest.labels.size() : 0);
    for (std::size_t k = 0; k < manifest.labels.size(); ++k) {
      const auto mask = entry[key].find(manifest.labels[k]);
      if (mask == entry[key].end()) continue;
      if (manifest.coding == MaskCoding::files) {
        item.masks[k] = folder / read_text(*mask, place + ", masks");
      } else {
        item.shapes[k] = read_parts(*mask, place + ", shapes, " + manifest.labels[k]);
      }
    }
    return item;
  }

  void read_slice(const Json& entry, const std::string& place, ManifestItem& item) const {
    if (entry.contains("slice")) {
      if (!entry["slice"].is_number_unsigned() || entry["slice"].get<std::uint64_t>() > 1'000'000) {
        fail("the number of a slice was expected, from 0 on", place + ", slice");
      }
      item.slice = entry["slice"].get<Index>();
    }
    if (!entry.contains("axis")) return;
    item.axis = read_text(entry["axis"], place + ", axis");
    if (!item.slice) fail("\"axis\" without \"slice\"", place, "give the number of the slice, too");
    const std::vector<std::string> axes{"auto", "axial", "coronal", "sagittal", "0", "1", "2"};
    if (std::find(axes.begin(), axes.end(), item.axis) == axes.end()) {
      fail("unknown axis \"" + item.axis + "\"", place, suggest_name(item.axis, axes));
    }
  }

  /// Refuses masks in another form than the rest of the manifest has them, with what to do.
  void check_form(const Json& entry, const std::string& place, const std::string& key) const {
    for (const std::string other : {"mask", "masks", "shapes"}) {
      if (!entry.is_object() || other == key || !entry.contains(other)) continue;
      if (key == "mask")
        fail("\"" + other + "\" beside \"values\" or \"colors\"", place, "give \"mask\": one file per image");
      if (other == "mask") {
        fail("\"mask\" needs a table \"values\" or \"colors\"", place,
             "add the table, or give \"masks\": one file per label");
      }
      fail("\"" + other + "\" where the first item has \"" + key + "\"", place, "give all items masks in one form");
    }
  }

  std::vector<MaskShape> read_parts(const Json& list, const std::string& place) const {
    if (!list.is_array()) fail("a list of polygons and run lengths was expected", place);
    std::vector<MaskShape> parts;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string part = place + "[" + std::to_string(i) + "]";
      check_keys(list[i], part, {"polygon", "rle"}, {});
      if (list[i].size() != 1) fail("either \"polygon\" or \"rle\" was expected", part);
      parts.emplace_back();
      if (list[i].contains("polygon")) {
        parts.back().polygon = read_polygon(list[i]["polygon"], in_file(part));
      } else {
        parts.back().runs = read_run_lengths(list[i]["rle"], in_file(part));
      }
    }
    return parts;
  }

  std::string in_file(const std::string& place) const { return path_.string() + ", " + place; }

  std::filesystem::path path_;
};

}  // namespace detail

/// Reads a manifest; opens no image (see `check_manifest`). Throws IoError, FormatError (not JSON), ConfigError:
/// unknown key, label or split (with a suggestion), wrong type, anything given twice, empty lists. FormatError also for
/// polygons and run lengths that are none.
inline Manifest load_manifest(const std::filesystem::path& path) { return detail::ManifestReader(path).read(); }

}  // namespace ssam::inline SSAM_ABI
