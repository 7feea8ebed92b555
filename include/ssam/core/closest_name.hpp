#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <span>
#include <ssam/core/version.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// The one of `names` that `name` was most likely meant to be (Levenshtein distance, letter case ignored), or "" when
/// none is near: more than a third of the letters would have to change. For "did you mean" in error messages.
inline std::string closest_name(std::string_view name, std::span<const std::string> names) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : names) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 0; i < name.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i + 1;
      for (std::size_t j = 0; j < candidate.size(); ++j) {
        const std::size_t replaced = diagonal + (lower(name[i]) == lower(candidate[j]) ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
      }
    }
    if (row.back() < best_distance && row.back() < candidate.size()) {
      best = candidate;
      best_distance = row.back();
    }
  }
  return best;
}

/// "did you mean 'x'?" or, with nothing near, "known are: a, b, c" of `names`. The advice of an error about an unknown
/// `name`.
inline std::string suggest_name(std::string_view name, std::span<const std::string> names) {
  const std::string best = closest_name(name, names);
  if (!best.empty()) return "did you mean '" + best + "'?";
  std::string text = "known are:";
  for (std::size_t i = 0; i < names.size(); ++i) text += (i ? ", " : " ") + names[i];
  return text;
}

}  // namespace ssam::inline SSAM_ABI
