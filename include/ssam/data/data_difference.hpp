#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ssam/core/error.hpp>
#include <ssam/core/shape.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {
/// What is different of item `i`: its masks, or its image.
template <class Source>
std::string difference_of_item(const Source& data, Index i, bool masks) {
  if constexpr (requires { data.mask_name(i); }) {
    if (masks && !data.mask_name(i).empty()) return "another content of the mask " + data.mask_name(i);
  }
  return (masks ? "other masks of the image " : "another content of the image ") + data.item_name(i);
}
}  // namespace detail

/// In words, what a data set has otherwise than the one whose fingerprint is `before`; "" where nothing. `now` is
/// the own fingerprint of `data`.
template <class Source>
std::string data_difference(const nlohmann::json& before, const nlohmann::json& now, const Source& data) {
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
    first = detail::difference_of_item(data, static_cast<Index>(i), images[i] == now.at("images")[i]);
  }
  if (first.empty()) return "";
  std::sort(then.begin(), then.end());
  std::sort(here.begin(), here.end());
  return then == here ? "another order of the same items" : first;
}

/// Throws MismatchError, which says what is different, unless a data set (`data`, with the fingerprint `now`) is the
/// one whose fingerprint is `before`. Null stands for none at all. `name` and `where` are for the message.
template <class Source>
void require_same_data(const nlohmann::json& before, const nlohmann::json& now, const Source* data,
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
