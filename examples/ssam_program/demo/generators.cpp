#include "generators.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ssam/core/error.hpp>
#include <ssam/io/atomic_file.hpp>
#include <ssam/io/folder_lock.hpp>
#include <ssam/io/json_file.hpp>

namespace ssam::demo {

namespace {

std::string picture_name(const std::string& split, Index i) {
  const std::string digits = std::to_string(i);
  return split + "_" + std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits + ".png";
}

/// Whether a manifest is one of those that write_dataset() writes.
bool is_drawn(const std::filesystem::path& manifest) {
  try {
    const nlohmann::json json = load_json(manifest);
    return json.contains("labels") && (json["labels"] == scene_labels() || json["labels"] == phantom_labels());
  } catch (const Error&) {
    return false;
  }
}

/// An earlier set of ours may be replaced, nothing else. Throws IoError.
void check_folder(const std::filesystem::path& folder, const std::vector<std::string>& pictures) {
  const std::filesystem::path manifest = folder / "manifest.json";
  const auto refuse = [](const std::filesystem::path& file) {
    throw IoError(ErrorText{.what = "the data set would replace a file that is not of a drawn data set",
                            .where = file.string(),
                            .advice = "choose another folder, or move the file away"});
  };
  if (std::filesystem::exists(manifest)) {
    if (!is_drawn(manifest)) refuse(manifest);
    return;
  }
  for (const std::string& picture : pictures) {
    for (const char* kind : {"images", "masks"}) {
      if (std::filesystem::exists(folder / kind / picture)) refuse(folder / kind / picture);
    }
  }
}

}  // namespace

Mask Drawing::binary(Index k) const {
  Mask mask(classes.height, classes.width);
  for (std::size_t i = 0; i < mask.values.size(); ++i) mask.values[i] = classes.values[i] == k + 1 ? 1 : 0;
  return mask;
}

bool Drawing::shows(Index k) const {
  return std::find(classes.values.begin(), classes.values.end(), k + 1) != classes.values.end();
}

std::filesystem::path write_dataset(Kind kind, const std::filesystem::path& folder, const SplitCounts& counts,
                                    Index size, std::uint64_t seed) {
  constexpr int step = 10;  // grey values that can be told apart by eye
  const std::pair<const char*, Index> splits[] = {{"train", counts.train}, {"val", counts.val}, {"test", counts.test}};
  std::vector<std::string> pictures;
  for (const auto& [split, count] : splits) {
    for (Index i = 0; i < count; ++i) pictures.push_back(picture_name(split, i));
  }
  check_folder(folder, pictures);
  const FolderLock lock(folder);
  std::error_code failure;
  for (const char* name : {"images", "masks"}) {
    std::filesystem::create_directories(folder / name, failure);
    if (failure) throw IoError(ErrorText{.what = "cannot create the folder", .where = (folder / name).string()});
  }
  const std::vector<std::string>& labels = kind == Kind::scenes ? scene_labels() : phantom_labels();
  nlohmann::ordered_json manifest{{"labels", labels}, {"values", nlohmann::ordered_json::object()}};
  for (std::size_t k = 0; k < labels.size(); ++k) manifest["values"][labels[k]] = step * (static_cast<int>(k) + 1);
  manifest["augment"] = {{"flip", kind == Kind::scenes}};
  for (std::uint64_t stream = 0; const auto& [split, count] : splits) {
    ++stream;
    for (Index i = 0; i < count; ++i) {
      const std::uint64_t picture_seed = seed * 4 + stream + static_cast<std::uint64_t>(i) * 0x9E3779B97F4A7C15ull;
      Drawing drawing = kind == Kind::scenes ? draw_scene(picture_seed, size) : draw_phantom(picture_seed, size);
      for (std::uint8_t& value : drawing.classes.values) value = static_cast<std::uint8_t>(value * step);
      const std::string name = picture_name(split, i);
      save_png(folder / "images" / name, drawing.image);
      save_png(folder / "masks" / name, drawing.classes);
      manifest["items"].push_back({{"image", "images/" + name}, {"split", split}, {"mask", "masks/" + name}});
    }
  }
  atomic_write(folder / "manifest.json", manifest.dump(1) + "\n");
  return folder / "manifest.json";
}

}  // namespace ssam::demo
