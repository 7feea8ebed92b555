#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ssam/core/version.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI::detail {

/// "0.4744"; "-" for NaN.
inline std::string four_digits(double value) {
  if (std::isnan(value)) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

/// Characters of a UTF-8 text.
inline std::size_t letters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
}

/// Lines of cells in aligned columns, the first one to the left, the others to the right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) { add(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  std::string text() const {
    std::vector<std::size_t> widths(rows_[0].size());
    for (const auto& row : rows_) {
      for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], letters(row[c]));
    }
    std::string text;
    for (const auto& row : rows_) {
      for (std::size_t c = 0; c < row.size(); ++c) {
        const std::string padding(widths[c] - letters(row[c]), ' ');
        text += c == 0 ? row[c] + padding : "  " + padding + row[c];
      }
      text += "\n";
    }
    return text;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace ssam::inline SSAM_ABI::detail
