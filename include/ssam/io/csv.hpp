#pragma once

#include <algorithm>
#include <cstddef>
#include <ssam/core/error.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// `text` as a cell of a CSV file: in quotes where it has a comma, a quote or a line break (RFC 4180).
inline std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

/// One line of a CSV file.
struct CsvRow {
  std::size_t line = 0;                 ///< where it begins, counted from 1
  std::vector<std::string> cells = {};  ///< without their quotes
};

namespace detail {

/// Reads CSV cell by cell.
class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  std::vector<CsvRow> read() {
    check_encoding();
    std::vector<CsvRow> rows;
    while (at_ < text_.size()) {
      rows.push_back({.line = line_});
      do {
        rows.back().cells.push_back(text_.substr(at_, 1) == "\"" ? quoted(rows.back()) : plain(rows.back()));
      } while (next_is_comma(rows.back()));
      const bool empty_line = rows.back().cells == std::vector<std::string>{""};
      if (empty_line && rows.front().cells.size() > 1) {
        rows.pop_back();
        continue;
      }
      if (rows.back().cells.size() != rows.front().cells.size()) {
        fail("a line has another number of cells than the first one", rows.back().line,
             std::to_string(rows.front().cells.size()), std::to_string(rows.back().cells.size()));
      }
    }
    return rows;
  }

 private:
  [[noreturn]] void fail(const std::string& what, std::size_t line, const std::string& expected = {},
                         const std::string& found = {}, const std::string& advice = {}) const {
    throw FormatError(ErrorText{.what = what,
                                .where = where_ + ", line " + std::to_string(line),
                                .expected = expected,
                                .found = found,
                                .advice = advice});
  }

  void check_encoding() {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // the mark that spreadsheets put before UTF-8
    if (text_.starts_with("\xff\xfe") || text_.starts_with("\xfe\xff")) {
      fail("this is UTF-16 text, not CSV", 1, "UTF-8", "", "save it as UTF-8");
    }
    if (text_.find('\0') != std::string_view::npos) fail("a CSV file has a zero byte in it", 1);
  }

  std::string plain(const CsvRow& row) {
    const std::size_t end = std::min(text_.find_first_of(",\r\n", at_), text_.size());
    std::string cell(text_.substr(at_, end - at_));
    if (cell.find('"') != std::string::npos) {
      fail("a quote inside a cell that is not quoted", row.line, "", "",
           "put the cell in quotes, and double those in it");
    }
    at_ = end;
    return cell;
  }

  std::string quoted(const CsvRow& row) {
    std::string cell;
    for (++at_;; ++at_) {
      if (at_ >= text_.size()) fail("a quote that is never closed", row.line);
      if (text_[at_] == '"' && text_.substr(at_ + 1, 1) != "\"") break;
      if (text_[at_] == '"') ++at_;
      if (text_[at_] == '\n') ++line_;
      cell += text_[at_];
    }
    ++at_;
    if (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\r' && text_[at_] != '\n') {
      fail("text behind a closing quote", row.line, "a comma or the end of the line", std::string(1, text_[at_]));
    }
    return cell;
  }

  /// Passes the comma, or the end of the line.
  bool next_is_comma(const CsvRow& row) {
    if (at_ >= text_.size()) return false;
    const char c = text_[at_++];
    if (c == ',') return true;
    if (c == '\r' && text_.substr(at_, 1) != "\n") fail("a carriage return without a line feed", row.line);
    if (c == '\r') ++at_;
    ++line_;
    return false;
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0, line_ = 1;
};

}  // namespace detail

/// Reads `text` as CSV by RFC 4180: commas, cells in double quotes where need be; LF or CR LF ends a line, or nothing
/// the last one. A mark of UTF-8 before it and, where there are several columns, empty lines are passed over. `where`
/// stands for the file in messages. Throws FormatError, which names the line, for what is no CSV: a quote inside a
/// plain cell or never closed, lines of different numbers of cells, UTF-16, zero bytes.
inline std::vector<CsvRow> parse_csv(std::string_view text, const std::string& where) {
  return detail::CsvReader(text, where).read();
}

}  // namespace ssam::inline SSAM_ABI
