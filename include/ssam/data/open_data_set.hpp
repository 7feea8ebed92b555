#pragma once

#include <filesystem>
#include <functional>
#include <ssam/core/closest_name.hpp>
#include <ssam/data/layouts/chestxdet.hpp>
#include <ssam/data/layouts/cholecseg8k.hpp>
#include <ssam/data/layouts/coco.hpp>
#include <ssam/data/layouts/folders.hpp>
#include <ssam/data/layouts/glas.hpp>
#include <ssam/data/layouts/indexed.hpp>
#include <ssam/data/layouts/labelme.hpp>
#include <ssam/data/layouts/lits.hpp>
#include <ssam/data/layouts/ultrasound.hpp>
#include <ssam/data/manifest.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// A way in which a data set lies on a disk.
struct DataLayout {
  const char* name;                                            ///< what stands before the colon of a specification
  const char* content;                                         ///< in a few words, what it expects
  std::function<Manifest(const std::filesystem::path&)> load;  ///< reads a folder, or COCO's file
};

/// All layouts that are read, the published data sets first.
inline const std::vector<DataLayout>& data_layouts() {
  static const std::vector<DataLayout> layouts{
      {"cholecseg8k", "DIR/video01/video01_00080/frame_80_endo.png and its watershed mask", load_cholecseg8k},
      {"ultrasound", "DIR/images and DIR/annotations, or DIR/AUS and DIR/RUS", load_ultrasound},
      {"chestxdet", "DIR/ChestX_Det_train.json, DIR/ChestX_Det_test.json, pictures below DIR", load_chestxdet},
      {"lits", "DIR/lits_train.csv, slices as PNG below DIR/dataset_6; or DIR/volume-0.nii, segmentation-0.nii",
       load_lits},
      {"glas", "DIR/train_1.bmp (or PNG) and DIR/train_1_anno.bmp, testA, testB", load_glas},
      {"folders", "DIR/images/a.png and DIR/masks/LABEL/a.png, also below train, val, test", load_folders},
      {"indexed", "DIR/images/a.png, DIR/masks/a.png (values or a palette), DIR/classes.txt; or VOC's folders",
       load_indexed},
      {"coco", "FILE.json: images, categories, annotations as polygons or run lengths", load_coco},
      {"labelme", "DIR/a.json beside DIR/a.png", load_labelme},
  };
  return layouts;
}

/// A specification of a data set, "NAME:PATH" or a manifest's path, taken apart.
struct DataSpec {
  std::string layout;          ///< a name of data_layouts(); "" = a manifest
  std::filesystem::path path;  ///< what is read
};

/// Takes `spec` apart; opens nothing but looks whether there is a file of that name, which is then a manifest. Throws
/// ConfigError for a name that is no layout's (with the nearest one), and for a folder without a name before it.
inline DataSpec parse_data_spec(const std::string& spec) {
  std::vector<std::string> names;
  for (const DataLayout& layout : data_layouts()) names.emplace_back(layout.name);
  const std::size_t colon = spec.find(':');
  std::error_code failure;
  if (colon == std::string::npos || spec.find('/') < colon || std::filesystem::exists(spec, failure)) {
    if (!std::filesystem::is_directory(spec, failure)) return {"", spec};
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    throw ConfigError(ErrorText{.what = "a folder alone does not say how the data set is laid out",
                                .where = spec,
                                .expected = "a manifest's file, or NAME:" + spec,
                                .advice = "known names are " + list});
  }
  const std::string name = spec.substr(0, colon);
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    throw ConfigError(ErrorText{
        .what = "unknown layout of a data set '" + name + "'", .where = spec, .advice = suggest_name(name, names)});
  }
  if (colon + 1 == spec.size()) throw ConfigError(ErrorText{.what = "no path behind the layout", .where = spec});
  return {name, spec.substr(colon + 1)};
}

/// Reads a data set: `spec` is a manifest's path, or "NAME:PATH" with a name of data_layouts(), as in
/// "glas:data/Warwick QU". Opens no picture. Throws as parse_data_spec(), load_manifest() and the layout's reader.
inline Manifest open_data_set(const std::string& spec) {
  const DataSpec parts = parse_data_spec(spec);
  for (const DataLayout& layout : data_layouts()) {
    if (parts.layout == layout.name) return layout.load(parts.path);
  }
  return load_manifest(parts.path);
}

}  // namespace ssam::inline SSAM_ABI
