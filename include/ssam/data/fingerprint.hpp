#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ssam/data/dataset.hpp>
#include <ssam/data/file.hpp>
#include <ssam/io/content_hash.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

inline void add_file(ContentHash& hash, const std::filesystem::path& path) {
  const std::vector<std::uint8_t> bytes = read_bytes(path);
  hash.text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

/// 64 bits are enough to tell the files of one data set apart.
inline std::string short_hex(const ContentHash& hash) { return hash.hex().substr(0, 16); }

/// Of an item's mask files, in the order of the labels; a label without a file counts too.
inline std::string masks_hash(const ManifestItem& item) {
  ContentHash hash;
  if (!item.mask.empty()) add_file(hash, item.mask);
  for (const std::filesystem::path& mask : item.masks) {
    hash.number(mask.empty() ? 0 : 1);
    if (!mask.empty()) add_file(hash, mask);
  }
  return short_hex(hash);
}

/// label -> value or colour.
template <class Code>
nlohmann::json code_table(const std::vector<std::string>& labels, const std::vector<Code>& codes) {
  nlohmann::json table = nlohmann::json::object();
  for (std::size_t k = 0; k < codes.size(); ++k) table[labels[k]] = codes[k];
  return table;
}

}  // namespace detail

/// What a split is by content, as JSON to be kept beside what was made of it: labels, tables, augmentation, and of
/// every item, in order, hashes of the bytes of its image and of its masks. Names and places of files do not count.
/// Reads every file once. Throws IoError.
inline nlohmann::json data_fingerprint(const Dataset& data) {
  const Manifest& manifest = data.manifest();
  const AugmentationSettings& augment = manifest.augment;
  nlohmann::json images = nlohmann::json::array(), masks = nlohmann::json::array();
  for (Index i = 0; i < data.items(); ++i) {
    ContentHash image;
    detail::add_file(image, data.item(i).image);
    images.push_back(detail::short_hex(image));
    masks.push_back(detail::masks_hash(data.item(i)));
  }
  return {{"labels", manifest.labels},
          {"values", detail::code_table(manifest.labels, manifest.values)},
          {"colors", detail::code_table(manifest.labels, manifest.colors)},
          {"background", {manifest.background_values, manifest.background_colors}},
          {"augment",
           {{"rotation", augment.rotation},
            {"flip", augment.flip},
            {"saturation", augment.saturation},
            {"brightness", augment.brightness}}},
          {"images", std::move(images)},
          {"masks", std::move(masks)}};
}

/// In words, what a data set has otherwise than the one whose fingerprint is `before`; "" where nothing. `now` is
/// `data`'s own fingerprint.
inline std::string data_difference(const nlohmann::json& before, const nlohmann::json& now, const Dataset& data) {
  const auto stored = [&](const std::string& key) { return before.contains(key) ? before.at(key) : nlohmann::json(); };
  const std::vector<std::pair<std::string, std::string>> settings{{"labels", "the labels"},
                                                                  {"values", "the table of values"},
                                                                  {"colors", "the table of colours"},
                                                                  {"background", "the background's values or colours"},
                                                                  {"augment", "the augmentation"}};
  for (const auto& [key, name] : settings) {
    if (stored(key) != now.at(key)) return name + ": " + now.at(key).dump() + ", which was " + stored(key).dump();
  }
  const nlohmann::json images = stored("images"), masks = stored("masks");
  if (images.size() != now.at("images").size() || masks.size() != images.size()) {
    return std::to_string(now.at("images").size()) + " images, which were " + std::to_string(images.size());
  }
  std::vector<std::string> then, here;
  std::string first;
  for (std::size_t i = 0; i < images.size(); ++i) {
    then.push_back(images[i].dump() + masks[i].dump());
    here.push_back(now.at("images")[i].dump() + now.at("masks")[i].dump());
    if (then.back() == here.back() || !first.empty()) continue;
    const ManifestItem& item = data.item(static_cast<Index>(i));
    first = images[i] != now.at("images")[i] ? "another content of the image " + item.image.string()
            : item.mask.empty()              ? "other masks of the image " + item.image.string()
                                             : "another content of the mask " + item.mask.string();
  }
  if (first.empty()) return "";
  std::sort(then.begin(), then.end());
  std::sort(here.begin(), here.end());
  return then == here ? "another order of the same items" : first;
}

/// Throws MismatchError, which says what is different, unless `now`, the fingerprint of `data`, is the one `before`.
/// Null stands for no data set at all. `name` and `where` are for the message.
inline void require_same_data(const nlohmann::json& before, const nlohmann::json& now, const Dataset* data,
                              const std::string& name, const std::string& where) {
  if (before == now) return;
  throw MismatchError(ErrorText{.what = name + " is another one than before",
                                .where = where,
                                .found = before.is_null()  ? "one where there was none"
                                         : data == nullptr ? "none where there was one"
                                                           : data_difference(before, now, *data),
                                .advice = "give the same data, or start anew"});
}

}  // namespace ssam::inline SSAM_ABI
