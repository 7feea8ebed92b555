#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <ssam/core/shape.hpp>
#include <string>
#include <vector>

namespace ssam::cli {

/// "1,234,567"
std::string with_commas(Index number);
/// "1.78 MB" (powers of ten, as disks count)
std::string as_bytes(Index bytes);
/// "0.4744"
std::string as_decimal(double value, int digits = 4);
/// "1 min 05 s", "3.2 s"
std::string as_duration(double seconds);

/// Prints JSON to the standard output. Bytes that are not UTF-8 are replaced: see printable() for paths.
void print_json(const nlohmann::ordered_json& json);

/// Lines of cells, written in aligned columns: the first one to the left, the others to the right. `last_is_text`: the
/// last one to the left too.
class Table {
 public:
  explicit Table(std::vector<std::string> header, bool last_is_text = false) : last_is_text_(last_is_text) {
    add(std::move(header));
  }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// How many, without the header.
  std::size_t rows() const { return rows_.size() - 1; }
  /// The header, a rule below it, the rows.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  bool last_is_text_;
};

/// One line on a terminal's stderr, "training 120/400, 35 s left", rewritten in place once the work takes longer than
/// two seconds. Silent where stderr is no terminal.
class Progress {
 public:
  explicit Progress(std::string what);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { clear(); }

  void update(Index done, Index total, const std::string& detail = {});
  /// Takes the line away, so that something else can be printed.
  void clear();
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  std::string what_;
  Clock::time_point start_ = Clock::now(), drawn_{};
  Index first_ = -1;  ///< what was done already when the first update came
  bool terminal_ = false, visible_ = false;
};

}  // namespace ssam::cli
