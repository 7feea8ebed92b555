#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <ssam/core/closest_name.hpp>
#include <ssam/core/error.hpp>
#include <ssam/io/byte_source.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Parses `text` as JSON and refuses what a parser usually lets pass: a key given twice (ConfigError) and nesting
/// deeper than 16. Throws FormatError for what is not JSON. `where` stands for the file in messages.
inline nlohmann::json parse_json(std::string_view text, const std::string& where) {
  using Json = nlohmann::json;
  std::vector<std::set<std::string>> open;
  const auto callback = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > 16) throw FormatError(ErrorText{.what = "the JSON is nested deeper than 16 levels", .where = where});
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second) {
      throw ConfigError(ErrorText{.what = "the key '" + value.get<std::string>() + "' is given twice",
                                  .where = where,
                                  .advice = "remove one of them"});
    }
    return true;
  };
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") ||
      text.substr(0, 2).find('\0') != std::string_view::npos) {
    throw FormatError(ErrorText{
        .what = "this is UTF-16 text, not JSON", .where = where, .expected = "UTF-8", .advice = "save it as UTF-8"});
  }
  try {
    return Json::parse(text.begin(), text.end(), callback);
  } catch (const Json::exception& failure) {
    const bool other_encoding = !is_utf8(text);
    throw FormatError(ErrorText{.what = "this is not JSON",
                                .where = where,
                                .found = failure.what(),
                                .advice = other_encoding ? "save it as UTF-8" : ""});
  }
}

/// parse_json of a regular file of at most 16 MiB. Throws IoError too.
inline nlohmann::json load_json(const std::filesystem::path& path) {
  return parse_json(read_file(path, std::size_t{16} << 20), path.string());
}

/// Checked access to an object of a configuration. Everything that is wrong with it is a ConfigError that names the
/// place and the key: not an object, an unknown key (with a suggestion), a missing one, a wrong type or range.
class JsonObject {
 public:
  /// Keeps a reference to `object`. Only the keys `known` may occur; `where` is its place in messages.
  JsonObject(const nlohmann::json& object, std::string where, const std::vector<std::string>& known)
      : object_(object), where_(std::move(where)) {
    if (!object.is_object()) {
      throw ConfigError(
          ErrorText{.what = "wrong type", .where = where_, .expected = "an object {...}", .found = object.type_name()});
    }
    for (const auto& [key, value] : object.items()) {
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        throw ConfigError(
            ErrorText{.what = "unknown key '" + key + "'", .where = where_, .advice = suggest_name(key, known)});
      }
    }
  }

  /// Whether there is a key `key`.
  bool has(const std::string& key) const { return object_.contains(key); }

  /// The value of `key`, of any type.
  const nlohmann::json& at(const std::string& key) const {
    const auto found = object_.find(key);
    if (found == object_.end()) {
      throw ConfigError(ErrorText{.what = "the key '" + key + "' is missing", .where = where_});
    }
    return *found;
  }

  /// The value of `key`, a whole number in [low, high].
  std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high) const {
    return integer(at(key), key, low, high);
  }

  /// The value of `key`, a list of whole numbers in [low, high].
  std::vector<std::int64_t> integers(const std::string& key, std::int64_t low, std::int64_t high) const {
    if (!at(key).is_array()) wrong(key, "a list of whole numbers", at(key));
    std::vector<std::int64_t> values;
    for (const nlohmann::json& value : at(key)) values.push_back(integer(value, key, low, high));
    return values;
  }

  /// The value of `key`, a finite number; null stands for NaN where `may_be_null` allows it.
  double number(const std::string& key, bool may_be_null = false) const {
    const nlohmann::json& value = at(key);
    if (may_be_null && value.is_null()) return std::numeric_limits<double>::quiet_NaN();
    if (!value.is_number() || !std::isfinite(value.get<double>())) wrong(key, "a number", value);
    return value.get<double>();
  }

  /// The value of `key`, true or false.
  bool boolean(const std::string& key) const {
    if (!at(key).is_boolean()) wrong(key, "true or false", at(key));
    return at(key).get<bool>();
  }

  /// The value of `key`, a text.
  std::string text(const std::string& key) const {
    if (!at(key).is_string()) wrong(key, "a text", at(key));
    return at(key).get<std::string>();
  }

  /// The value of `key`, a list of texts.
  std::vector<std::string> texts(const std::string& key) const {
    if (!at(key).is_array()) wrong(key, "a list of texts", at(key));
    std::vector<std::string> values;
    for (const nlohmann::json& value : at(key)) {
      if (!value.is_string()) wrong(key, "a list of texts", value);
      values.push_back(value.get<std::string>());
    }
    return values;
  }

 private:
  [[noreturn]] void wrong(const std::string& key, const std::string& expected, const nlohmann::json& found) const {
    std::string shown = found.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    if (shown.size() > 60) shown = shown.substr(0, 60) + "...";
    throw ConfigError(ErrorText{
        .what = "wrong value", .where = where_ + ", key '" + key + "'", .expected = expected, .found = shown});
  }

  std::int64_t integer(const nlohmann::json& value, const std::string& key, std::int64_t low, std::int64_t high) const {
    const bool fits =
        value.is_number_integer() &&
        (!value.is_number_unsigned() ||
         value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) &&
        value.get<std::int64_t>() >= low && value.get<std::int64_t>() <= high;
    if (!fits) wrong(key, "a whole number in " + std::to_string(low) + ".." + std::to_string(high), value);
    return value.get<std::int64_t>();
  }

  const nlohmann::json& object_;
  std::string where_;
};

}  // namespace ssam::inline SSAM_ABI
