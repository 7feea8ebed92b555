#pragma once

#include <nlohmann/json.hpp>
#include <ssam/data/preprocess.hpp>
#include <ssam/data/shapes.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

[[noreturn]] inline void refuse_shape(const std::string& expected, const nlohmann::json& found,
                                      const std::string& where) {
  std::string text = found.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 60) + "...";
  throw FormatError(ErrorText{.what = "wrong value", .where = where, .expected = expected, .found = text});
}

}  // namespace detail

/// A picture's size from the `json` [height, width], each in 1..2^20 pixels. Throws FormatError for anything else;
/// `where` is its place in messages.
inline ImageSize read_size(const nlohmann::json& json, const std::string& where) {
  const auto side = [&](const nlohmann::json& value) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() - 1 >= std::uint64_t{1} << 20) {
      detail::refuse_shape("[height, width] in pixels", json, where);
    }
    return value.get<Index>();
  };
  if (!json.is_array() || json.size() != 2) detail::refuse_shape("[height, width] in pixels", json, where);
  return {side(json[0]), side(json[1])};
}

/// A polygon from the `json` [x, y, x, y, ...]. Throws FormatError for anything else; `where` is its place in messages.
inline std::vector<double> read_polygon(const nlohmann::json& json, const std::string& where) {
  std::vector<double> polygon;
  if (!json.is_array()) detail::refuse_shape("a polygon [x, y, x, y, ...]", json, where);
  for (const nlohmann::json& value : json) {
    if (!value.is_number()) detail::refuse_shape("a number of a polygon [x, y, x, y, ...]", value, where);
    polygon.push_back(value.get<double>());
  }
  check_polygon(polygon, where);
  return polygon;
}

/// A polygon from the `json` [[x, y], [x, y], ...]. Throws as read_polygon(), with `where` as its place.
inline std::vector<double> read_points(const nlohmann::json& json, const std::string& where) {
  if (!json.is_array()) detail::refuse_shape("points [[x, y], ...]", json, where);
  nlohmann::json flat = nlohmann::json::array();
  for (const nlohmann::json& point : json) {
    if (!point.is_array() || point.size() != 2) detail::refuse_shape("a point [x, y]", point, where);
    flat.push_back(point[0]);
    flat.push_back(point[1]);
  }
  return read_polygon(flat, where);
}

/// Run lengths from the `json` {"size": [height, width], "counts": [...] or COCO's compressed text}. Throws FormatError
/// for anything else; `where` is its place in messages.
inline RunLengths read_run_lengths(const nlohmann::json& json, const std::string& where) {
  if (!json.is_object() || !json.contains("size") || !json.contains("counts")) {
    detail::refuse_shape("{\"size\": [height, width], \"counts\": ...}", json, where);
  }
  const ImageSize size = read_size(json["size"], where);
  RunLengths runs{size.height, size.width, {}};
  const nlohmann::json& counts = json["counts"];
  if (counts.is_string()) {
    runs.counts = expand_counts(counts.get_ref<const std::string&>(), where);
  } else if (counts.is_array()) {
    for (const nlohmann::json& count : counts) {
      if (!count.is_number_unsigned() || count.get<std::uint64_t>() > UINT32_MAX) {
        detail::refuse_shape("a length of a run", count, where);
      }
      runs.counts.push_back(count.get<std::uint32_t>());
    }
  } else {
    detail::refuse_shape("a list of run lengths, or their compressed text", counts, where);
  }
  check_runs(runs, where);
  return runs;
}

}  // namespace ssam::inline SSAM_ABI
