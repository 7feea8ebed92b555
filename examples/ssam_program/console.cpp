#include "console.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <ssam/eval/text_table.hpp>

namespace ssam::cli {

namespace {
std::string printed(const char* format, double value, const char* unit) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return std::string(text) + unit;
}
}  // namespace

std::string with_commas(Index number) {
  std::string text = std::to_string(number);
  for (Index at = static_cast<Index>(text.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3) {
    text.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return text;
}

std::string as_bytes(Index bytes) {
  const double value = static_cast<double>(bytes);
  if (value < 1e3) return std::to_string(bytes) + " B";
  if (value < 1e6) return printed("%.1f", value / 1e3, " kB");
  if (value < 1e9) return printed("%.2f", value / 1e6, " MB");
  return printed("%.2f", value / 1e9, " GB");
}

std::string as_decimal(double value, int digits) {
  if (std::isnan(value)) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string as_duration(double seconds) {
  if (seconds < 60) return printed(seconds < 10 ? "%.1f" : "%.0f", seconds, " s");
  const auto whole = static_cast<long long>(seconds + 0.5);
  char text[64];
  if (whole < 3600) {
    std::snprintf(text, sizeof text, "%lld min %02lld s", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld h %02lld min", whole / 3600, whole % 3600 / 60);
  }
  return text;
}

void print_json(const nlohmann::ordered_json& json) {
  std::puts(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], ssam::detail::letters(row[c]));
  }
  std::string text;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (std::size_t c = 0; c < rows_[r].size(); ++c) {
      const std::string& cell = rows_[r][c];
      const std::string padding(widths[c] - ssam::detail::letters(cell), ' ');
      const bool left = c == 0 || (last_is_text_ && c + 1 == widths.size());
      if (c > 0) line.append("  ");
      if (!left) line.append(padding);
      line.append(cell);
      if (left) line.append(padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
    if (r == 0) {
      std::size_t whole = 0;
      for (const std::size_t width : widths) whole += width + 2;
      text += std::string(std::min<std::size_t>(whole - 2, 120), '-') + "\n";
    }
  }
  return text;
}

Progress::Progress(std::string what) : what_(std::move(what)), terminal_(::isatty(STDERR_FILENO) == 1) {}

double Progress::seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

void Progress::update(Index done, Index total, const std::string& detail) {
  const Clock::time_point now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - start_).count();
  if (first_ < 0) {
    first_ = done;  // a resumed run does not start at 0
    start_ = now;
    return;
  }
  if (!terminal_ || seconds < 2 || now - drawn_ < std::chrono::milliseconds(200)) return;
  drawn_ = now;
  visible_ = true;
  std::string line = what_ + " " + with_commas(done) + "/" + with_commas(total);
  if (done > first_ && done <= total) {
    line +=
        ", " + as_duration(seconds * static_cast<double>(total - done) / static_cast<double>(done - first_)) + " left";
  }
  if (!detail.empty()) line += ", " + detail;
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
}

void Progress::clear() {
  if (!visible_) return;
  std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
  visible_ = false;
}

}  // namespace ssam::cli
