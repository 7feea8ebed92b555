#pragma once

#include <ssam/experiment/chart.hpp>
#include <ssam/experiment/gallery.hpp>
#include <ssam/experiment/report_style.hpp>
#include <ssam/experiment/table_files.hpp>
#include <ssam/io/byte_source.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

inline std::string base64(const std::string& bytes) {
  static constexpr const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t block = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      block = block << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k > bytes.size() ? '=' : digits[block >> (18 - 6 * k) & 63u];
    }
  }
  return text;
}

inline std::string grouped(Index number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

/// "3.2 s", "12 min", "4.5 h"
inline std::string time_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text,
                seconds < 120    ? "%.1f s"
                : seconds < 7200 ? "%.1f min"
                                 : "%.1f h",
                seconds < 120    ? seconds
                : seconds < 7200 ? seconds / 60
                                 : seconds / 3600);
  return text;
}

inline std::string megabytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text,
                bytes < 1e6   ? "%.1f kB"
                : bytes < 1e9 ? "%.1f MB"
                              : "%.2f GB",
                bytes < 1e6   ? bytes / 1e3
                : bytes < 1e9 ? bytes / 1e6
                              : bytes / 1e9);
  return text;
}

/// A table that can be sorted. Cells hold HTML.
class HtmlTable {
 public:
  /// With its heading, whose element is `id`.
  HtmlTable(const std::string& id, const std::string& heading) {
    html_ = "<h3 id=\"" + id + "\">" + html_text(heading) +
            "</h3>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" " + "aria-labelledby=\"" + id +
            "\"><table aria-labelledby=\"" + id + "\"><thead><tr>";
  }
  void head(const std::string& name, bool words = false) {
    html_ += std::string("<th scope=\"col\"") + (words ? " class=\"words\"" : "") + "><button type=\"button\">" +
             html_text(name) + "</button></th>";
  }
  void row(const std::string& name) {
    html_ += (rows_++ == 0 ? "</tr></thead><tbody>\n<tr>" : "</tr>\n<tr>") + ("<th scope=\"row\">" + html_text(name)) +
             "</th>";
  }
  /// A figure: `value` is what it is sorted by.
  void cell(double value, const std::string& html, bool best = false) {
    html_ += "<td data-value=\"" + shortest(value) + "\"" + (best ? " class=\"best\"" : "") + ">" + html + "</td>";
  }
  void words(const std::string& text) { html_ += "<td class=\"words\">" + html_text(text) + "</td>"; }
  std::string finish() { return html_ + "</tr></tbody></table></div>\n"; }

 private:
  std::string html_;
  int rows_ = 0;
};

/// Writes the page of a report, part by part.
class ReportPage {
 public:
  ReportPage(const ExperimentResults& results, const std::filesystem::path& folder, const std::string& against)
      : results_(results), folder_(folder), against_(against) {}

  std::string write() {
    head();
    unfinished();
    if (results_.data.size() > 1) overview();
    for (const DataResults& data : results_.data) {
      html_ += "<section><h2 id=\"" + section_ids_.at(&data - results_.data.data()) + "\">" + html_text(data.name) +
               "</h2>\n";
      tables(data);
      costs(data);
      html_ += "<div class=\"charts\">\n";
      against_parameters(data);
      against_cost(data);
      curves(data, "Training loss", "loss", &EpochFigures::train_loss);
      curves(data, "Validation loss", "loss", &EpochFigures::val_loss);
      curves(data, "DSC of the validation", "mean DSC", &EpochFigures::val_dice);
      html_ += "</div>\n";
      gallery(data);
      html_ += "</section>\n";
    }
    settings();
    html_ += "</main>\n<script>" + std::string(report_script) + "</script>\n</body>\n</html>\n";
    return html_;
  }

 private:
  std::string next_id() { return "e" + std::to_string(++ids_); }

  std::size_t series(const std::string& row) {
    const auto found = std::find(series_.begin(), series_.end(), row);
    if (found != series_.end()) return static_cast<std::size_t>(found - series_.begin());
    series_.push_back(row);
    return series_.size() - 1;
  }

  void head() {
    for (std::size_t i = 0; i < results_.data.size(); ++i) section_ids_.push_back("data" + std::to_string(i + 1));
    std::string style = report_style;
    for (char n = '0'; n < '8'; ++n) {
      std::string rules = series_style;
      for (std::size_t at; (at = rules.find("sN")) != std::string::npos;) rules[at + 1] = n;
      style += rules;
    }
    html_ =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
        "'unsafe-inline'; script-src 'unsafe-inline'\">\n<title>" +
        html_text(results_.name) + ": report of an experiment</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>" +
        style + "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">To the results</a>\n<header><h1>" +
        html_text(results_.name) + "</h1>\n<p>" + summary() + "</p>\n<nav aria-label=\"Sections\"><ul>";
    for (std::size_t i = 0; i < results_.data.size(); ++i) {
      html_ += "<li><a href=\"#" + section_ids_[i] + "\">" + html_text(results_.data[i].name) + "</a></li>";
    }
    html_ += "<li><a href=\"#settings\">Settings</a></li></ul></nav></header>\n<main id=\"main\">\n";
  }

  std::string summary() const {
    const std::size_t finished = results_.cells - results_.unfinished.size();
    std::string text = std::to_string(finished) + " of " + std::to_string(results_.cells) +
                       " runs finished: data sets \u00d7 methods \u00d7 seeds. Written by ssam " + version + ".";
    if (finished == 0) text += " There is nothing to show yet.";
    return text;
  }

  void unfinished() {
    if (results_.unfinished.empty()) return;
    html_ += "<section><h2 id=\"unfinished\">Not finished</h2>\n";
    HtmlTable table(next_id(),
                    "Runs that failed, were interrupted or have not begun; the same command goes on with them");
    for (const char* name : {"run", "state", "error"}) table.head(name, true);
    for (const UnfinishedCell& cell : results_.unfinished) {
      table.row(cell.cell.name());
      table.words(to_string(cell.state));
      table.words(cell.error.empty() ? "-" : cell.error);
    }
    html_ += table.finish() + "</section>\n";
  }

  std::vector<std::string> row_names() const {
    std::vector<std::string> names;
    for (const DataResults& data : results_.data) {
      for (const RowResults& row : data.rows) {
        if (std::find(names.begin(), names.end(), row.name) == names.end()) names.push_back(row.name);
      }
    }
    return names;
  }

  /// Mean DSC of a row on a data set over the seeds.
  TableCell mean_of(const DataResults& data, const std::string& name, Cases cases = Cases::all) const {
    for (const RowResults& row : data.rows) {
      if (row.name == name) return table_row(row, data.labels, cases).cells.back();
    }
    return {};
  }

  void overview() {
    html_ += "<section><h2 id=\"overview\">All data sets</h2>\n";
    HtmlTable table(next_id(), "Mean DSC over the objects, all images");
    table.head("method", true);
    for (const DataResults& data : results_.data) table.head(data.name);
    for (const std::string& name : row_names()) {
      table.row(name);
      for (const DataResults& data : results_.data) {
        const TableCell cell = mean_of(data, name);
        table.cell(cell.mean, mean_text(cell, " \u00b1 "));
      }
    }
    html_ += table.finish() + "</section>\n";
  }

  void tables(const DataResults& data) {
    std::vector<std::string> groups;
    for (const RowResults& row : data.rows) {
      if (std::find(groups.begin(), groups.end(), row.group) == groups.end()) groups.push_back(row.group);
    }
    for (const std::string& group : groups) {
      for (const Cases cases : {Cases::all, Cases::nonblank}) score(score_table(data, cases, against_, group));
    }
  }

  void score(const ScoreTable& scores) {
    HtmlTable table(next_id(), (scores.group.empty() ? "DSC by object" : scores.group + ": DSC by object") +
                                   std::string(scores.cases == Cases::all ? "" : ", over the images that have it"));
    table.head("method", true);
    for (const std::string& column : scores.columns) table.head(column);
    for (const TableRow& row : scores.rows) {
      table.row(row.name);
      for (const TableCell& cell : row.cells) {
        const std::string p = p_text(cell.t_test_p);
        table.cell(cell.mean,
                   mean_text(cell, " \u00b1 ") + (p.empty() ? "" : "<span class=\"p\">" + html_text(p) + "</span>"),
                   cell.best);
      }
    }
    html_ += table.finish() + "<p class=\"faint\">";
    for (const std::string& note : table_notes(scores)) html_ += html_text(note) + ". ";
    html_ += "</p>\n";
  }

  void costs(const DataResults& data) {
    HtmlTable table(next_id(), "What it costs");
    table.head("method", true);
    for (const char* name : {"trained", "of all", "adapter", "training", "peak memory", "mean DSC"}) table.head(name);
    for (const RowResults& row : data.rows) {
      const FinishedCell& first = row.cells.front();
      const double seconds = row.mean([](const FinishedCell& cell) { return cell.seconds(); });
      const double peak = row.mean([](const FinishedCell& cell) { return cell.record.peak_bytes; });
      const double none = std::nan("");
      const double share =
          first.total > 0 ? static_cast<double>(first.trained) / static_cast<double>(first.total) : none;
      char percent[32];
      std::snprintf(percent, sizeof percent, "%.2f %%", 100 * share);
      const bool trains = first.cell.settings.trains;
      table.row(row.name);
      table.cell(static_cast<double>(first.trained), grouped(first.trained));
      table.cell(share, std::isnan(share) ? "-" : percent);
      table.cell(trains ? static_cast<double>(first.adapter_bytes) : none,
                 trains ? megabytes(static_cast<double>(first.adapter_bytes)) : "-");
      table.cell(trains ? seconds : none, trains ? time_text(seconds) : "-");
      table.cell(peak > 0 ? peak : none, peak > 0 ? megabytes(peak) : "-");
      const TableCell mean = mean_of(data, row.name);
      table.cell(mean.mean, mean_text(mean, " \u00b1 "));
    }
    html_ += table.finish() +
             "<p class=\"faint\">Training: time of its epochs, validation included, mean over the seeds; it depends on "
             "the machine and on what else ran. Peak memory: of the process that trained, or of the one that evaluated "
             "where nothing is trained.</p>\n";
  }

  /// A point for each row with a positive `x(row)`; those without are named below the chart.
  template <class X>
  void scatter(const DataResults& data, const std::string& title, const std::string& x_name, const X& x) {
    std::vector<ChartPoint> points;
    std::string left_out, words;
    for (const RowResults& row : data.rows) {
      const std::size_t number = series(row.name);
      const TableCell mean = mean_of(data, row.name);
      if (std::isnan(mean.mean)) continue;
      const double at = x(row);
      if (at > 0) {
        points.push_back({row.name, number, at, mean.mean, mean.deviation});
        words += row.name + ": " + tick_text(at) + ", DSC " + mean_text(mean, " \u00b1 ") + "; ";
      } else {
        left_out += (left_out.empty() ? "" : "; ") + row.name + ": DSC " + mean_text(mean, " \u00b1 ");
      }
    }
    if (points.empty()) return;
    html_ += "<figure>" +
             scatter_chart({next_id(), data.name + ": " + title, words, x_name, "mean DSC"}, points, true) +
             "<figcaption>" + html_text(title) + ", mean over the objects, all images." +
             (left_out.empty() ? "" : " Trains nothing: " + html_text(left_out) + ".") + "</figcaption></figure>\n";
  }

  void against_parameters(const DataResults& data) {
    scatter(data, "Trained parameters against DSC", "trained parameters (logarithmic)",
            [](const RowResults& row) { return static_cast<double>(row.cells.front().trained); });
  }

  void against_cost(const DataResults& data) {
    scatter(data, "Seconds of training against DSC", "seconds of training (logarithmic)",
            [](const RowResults& row) { return row.mean([](const FinishedCell& cell) { return cell.seconds(); }); });
  }

  /// Mean of a row's seeds by epoch, with the range as a band.
  static ChartLine curve(const RowResults& row, std::size_t number, double EpochFigures::*figure) {
    ChartLine line{.series = number};
    std::map<double, std::vector<double>> by_epoch;
    for (const FinishedCell& cell : row.cells) {
      for (const EpochFigures& epoch : cell.epochs) {
        if (!std::isnan(epoch.*figure)) by_epoch[epoch.epoch].push_back(epoch.*figure);
      }
    }
    for (const auto& [epoch, values] : by_epoch) {
      line.x.push_back(epoch);
      line.y.push_back(cell_of(values).mean);
      if (row.cells.size() < 2) continue;
      line.low.push_back(*std::min_element(values.begin(), values.end()));
      line.high.push_back(*std::max_element(values.begin(), values.end()));
    }
    return line;
  }

  void curves(const DataResults& data, const std::string& title, const std::string& y_name,
              double EpochFigures::*figure) {
    std::vector<ChartLine> lines;
    std::string legend, words;
    bool bands = false;
    for (const RowResults& row : data.rows) {
      const std::size_t number = series(row.name);
      const ChartLine line = curve(row, number, figure);
      if (line.x.empty()) continue;
      const std::string klass = series_class(number);
      legend += "<li><svg viewBox=\"0 0 26 10\" aria-hidden=\"true\" class=\"chart\"><line class=\"line " + klass +
                "\" x1=\"0\" x2=\"26\" y1=\"5\" y2=\"5\"" + chart_dash(number) + "/></svg>" + html_text(row.name) +
                "</li>";
      words += row.name + ": from " + tick_text(line.y.front()) + " to " + tick_text(line.y.back()) + " in " +
               tick_text(line.x.back()) + " epochs; ";
      bands = bands || !line.low.empty();
      lines.push_back(line);
    }
    if (lines.empty()) return;
    html_ += "<figure>" + line_chart({next_id(), data.name + ": " + title, words, "epoch", y_name}, lines) +
             "<ul class=\"legend\">" + legend + "</ul><figcaption>" + html_text(title) + " by epoch" +
             (bands ? ": mean and range over the seeds" : "") + ".</figcaption></figure>\n";
  }

  void picture(const std::filesystem::path& file, const std::string& alt, const std::string& caption) {
    html_ += "<figure><img alt=\"" + html_text(alt) + "\" src=\"data:image/png;base64," +
             base64(read_file(file, std::size_t{64} << 20)) + "\"><figcaption>" + html_text(caption) +
             "</figcaption></figure>\n";
  }

  void gallery(const DataResults& data) {
    const std::vector<GalleryLine> lines = load_gallery(folder_, data);
    if (lines.empty()) return;
    html_ +=
        "<h3>Answers</h3>\n<p class=\"faint\">The worst, the median and the best case, by the mean DSC of the "
        "methods, among the images that have the object. Of each method the first seed.</p>\n";
    for (const GalleryLine& line : lines) {
      const std::string& label = line.shown.label;
      std::string kind = line.shown.kind;
      kind[0] = static_cast<char>(kind[0] - 'a' + 'A');
      html_ +=
          "<h4>" +
          html_text(kind + ": " + label + " in " + line.shown.image + ", mean DSC " + table_digits(line.shown.dice)) +
          "</h4>\n<div class=\"gallery\">\n";
      picture(line.image, "the image " + line.shown.image, "image");
      picture(line.truth, "the true mask of " + label, "truth");
      for (const GalleryAnswer& answer : line.answers) {
        picture(answer.picture, label + " by " + answer.row + ", DSC " + table_digits(answer.dice),
                answer.row + ", DSC " + table_digits(answer.dice));
      }
      html_ += "</div>\n";
    }
  }

  void settings() {
    html_ += "<section><h2 id=\"settings\">Settings</h2>\n<h3>The plan</h3>\n<p>Relative paths begin in <code>" +
             html_text(results_.plan_folder) + "</code>.</p>\n<pre tabindex=\"0\">" +
             html_text(results_.plan.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)) + "</pre>\n";
    HtmlTable table(next_id(), "What ran");
    for (const char* name : {"run", "training", "evaluation", "versions"}) table.head(name, true);
    for (const DataResults& data : results_.data) {
      for (const RowResults& row : data.rows) {
        for (const FinishedCell& cell : row.cells) run(table, cell);
      }
    }
    html_ += table.finish() + "</section>\n";
  }

  static void run(HtmlTable& table, const FinishedCell& cell) {
    const CellSettings& settings = cell.record.settings;
    const auto joined = [](const std::vector<std::string>& words) {
      std::string text;
      for (const std::string& word : words) text += " " + word;
      return text;
    };
    std::string versions;
    for (const auto& [name, value] : cell.record.versions) {
      versions += (versions.empty() ? "" : ", ") + name + " " + value;
    }
    const std::string files = "--checkpoint " + settings.checkpoint + " --data " + settings.data;
    table.row(cell.cell.name());
    table.words(settings.trains ? files + " --recipe " + settings.recipe + " --seed " + std::to_string(settings.seed) +
                                      joined(settings.train)
                                : "-");
    table.words(files + joined(settings.eval));
    table.words(versions);
  }

  const ExperimentResults& results_;
  const std::filesystem::path& folder_;
  const std::string& against_;
  std::string html_;
  std::vector<std::string> section_ids_, series_;
  int ids_ = 0;
};

}  // namespace detail

/// The report of the experiment in `folder`: one page of HTML that needs nothing beside it, with tables, charts as SVG,
/// the gallery and the settings. `against`: the row of the tests. Throws as load_gallery() and score_table().
inline std::string report_page(const ExperimentResults& results, const std::filesystem::path& folder,
                               const std::string& against) {
  return detail::ReportPage(results, folder, against).write();
}

}  // namespace ssam::inline SSAM_ABI
