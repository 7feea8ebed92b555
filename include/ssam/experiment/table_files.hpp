#pragma once

#include <ssam/eval/comparison_report.hpp>
#include <ssam/eval/text_table.hpp>
#include <ssam/experiment/score_table.hpp>
#include <ssam/io/csv.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// "ultrasound: DSC by object, over the images that have it"
inline std::string table_title(const ScoreTable& table) {
  return table.data + (table.group.empty() ? "" : ", " + table.group) + ": DSC by object" +
         (table.cases == Cases::all ? ", all images" : ", over the images that have it");
}

/// "0.812 ± 0.010", by the sign `plus_minus`
inline std::string mean_text(const TableCell& cell, const std::string& plus_minus) {
  std::string text = table_digits(cell.mean);
  if (!std::isnan(cell.deviation)) text += plus_minus + table_digits(cell.deviation);
  return text;
}

/// "p < 0.001", "p = 0.031"; "" without one.
inline std::string p_text(const std::optional<double>& p) {
  if (!p) return {};
  if (*p < 0.001) return "p < 0.001";
  char text[32];
  std::snprintf(text, sizeof text, "p = %.3f", *p);
  return text;
}

/// What the signs of a table mean, a sentence each.
inline std::vector<std::string> table_notes(const ScoreTable& table) {
  std::vector<std::string> notes{metric_definition(Metric::dice, {}) + ". Means over the images, then over the seeds",
                                 "mean: of the objects' means. The best of a column is marked"};
  bool spread = false, tested = false;
  for (const TableRow& row : table.rows) {
    for (const TableCell& cell : row.cells) {
      spread = spread || !std::isnan(cell.deviation);
      tested = tested || cell.t_test_p.has_value();
    }
  }
  if (spread) notes.push_back("\u00b1: standard deviation over the seeds");
  if (tested) {
    notes.push_back("p: paired t test against " + table.against +
                    " over images, each with its mean over the seeds; objects by Holm's correction");
  }
  return notes;
}

inline std::string latex_text(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\') {
      escaped += "\\textbackslash{}";
    } else if (c == '~' || c == '^') {
      escaped += std::string("\\") + c + "{}";
    } else {
      if (std::string("&%$#_{}").find(c) != std::string::npos) escaped += '\\';
      escaped += c;
    }
  }
  return escaped;
}

/// Of a cell of a Markdown table.
inline std::string markdown_text(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string("\\`*_[]<>|").find(c) != std::string::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

inline std::string markdown_table(const ScoreTable& table) {
  std::string text = "### " + markdown_text(table_title(table)) + "\n\n| method | seeds |", rule = "|---|--:|";
  for (const std::string& column : table.columns) {
    text += " " + markdown_text(column) + " |";
    rule += "--:|";
  }
  text += "\n" + rule + "\n";
  for (const TableRow& row : table.rows) {
    text += "| " + markdown_text(row.name) + " | " + std::to_string(row.seeds) + " |";
    for (const TableCell& cell : row.cells) {
      const std::string mean = mean_text(cell, " \u00b1 "), p = p_text(cell.t_test_p);
      text += " " + (cell.best ? "**" + mean + "**" : mean) + (p.empty() ? "" : " (" + markdown_text(p) + ")") + " |";
    }
    text += "\n";
  }
  text += "\n";
  for (const std::string& note : table_notes(table)) text += markdown_text(note) + ".\n";
  return text;
}

inline std::string latex_table(const ScoreTable& table) {
  std::string text = "\\begin{table}\n\\centering\n\\begin{tabular}{l" + std::string(table.columns.size(), 'c') +
                     "}\n\\toprule\nMethod";
  for (const std::string& column : table.columns) text += " & " + latex_text(column);
  text += " \\\\\n\\midrule\n";
  for (const TableRow& row : table.rows) {
    text += latex_text(row.name);
    for (const TableCell& cell : row.cells) {
      std::string mean = table_digits(cell.mean);
      if (cell.best) mean = "\\mathbf{" + mean + "}";
      if (!std::isnan(cell.deviation)) mean += " \\pm " + table_digits(cell.deviation);
      const std::string p = p_text(cell.t_test_p);
      text += " & $" + mean + "$" + (p.empty() ? "" : " {\\scriptsize ($" + p + "$)}");
    }
    text += " \\\\\n";
  }
  std::string notes;
  for (const std::string& note : table_notes(table)) notes += " " + latex_text(note) + ".";
  for (std::size_t at; (at = notes.find("\u00b1")) != std::string::npos;) notes.replace(at, 2, "$\\pm$");
  return text + "\\bottomrule\n\\end{tabular}\n\\caption{" + latex_text(table_title(table)) + "." + notes +
         "}\n\\end{table}\n";
}

}  // namespace detail

/// `tables` as aligned text; the best of a column has a star.
inline std::string tables_text(const std::vector<ScoreTable>& tables) {
  std::string text;
  for (const ScoreTable& table : tables) {
    std::vector<std::string> header{"method", "seeds"};
    header.insert(header.end(), table.columns.begin(), table.columns.end());
    header.push_back("p");
    detail::TextTable lines(header);
    for (const TableRow& row : table.rows) {
      std::vector<std::string> line{row.name, std::to_string(row.seeds)};
      for (const TableCell& cell : row.cells) {
        line.push_back(detail::mean_text(cell, " \u00b1 ") + (cell.best ? "*" : " "));
      }
      line.push_back(detail::p_value(row.cells.back().t_test_p));
      lines.add(line);
    }
    text += (text.empty() ? "" : "\n") + detail::table_title(table) + "\n" + lines.text();
  }
  for (const std::string& note : tables.empty() ? std::vector<std::string>{} : detail::table_notes(tables.front())) {
    text += note + ".\n";
  }
  return text;
}

/// `tables` as Markdown, one below the other.
inline std::string tables_markdown(const std::vector<ScoreTable>& tables) {
  std::string text;
  for (const ScoreTable& table : tables) text += (text.empty() ? "" : "\n") + detail::markdown_table(table);
  return text;
}

/// `tables` as LaTeX, for the package booktabs.
inline std::string tables_latex(const std::vector<ScoreTable>& tables) {
  std::string text = "% \\usepackage{booktabs}\n";
  for (const ScoreTable& table : tables) text += detail::latex_table(table);
  return text;
}

/// `tables` as CSV, a line per cell: "data", "group", "cases" (all or nonblank), "method", "object", "seeds", "mean",
/// "deviation", "t_p" and "wilcoxon_p" against the row "against", in full precision; empty where there is none.
inline std::string tables_csv(const std::vector<ScoreTable>& tables) {
  std::string text = "data,group,cases,method,object,seeds,mean,deviation,against,t_p,wilcoxon_p\n";
  const auto number = [](const std::optional<double>& value) { return value ? detail::shortest(*value) : ""; };
  for (const ScoreTable& table : tables) {
    for (const TableRow& row : table.rows) {
      for (std::size_t c = 0; c < row.cells.size(); ++c) {
        const TableCell& cell = row.cells[c];
        const std::vector<std::string> cells{table.data,
                                             table.group,
                                             table.cases == Cases::all ? "all" : "nonblank",
                                             row.name,
                                             table.columns[c],
                                             std::to_string(row.seeds),
                                             detail::shortest(cell.mean),
                                             detail::shortest(cell.deviation),
                                             table.against,
                                             number(cell.t_test_p),
                                             number(cell.wilcoxon_p)};
        for (std::size_t i = 0; i < cells.size(); ++i) text += (i == 0 ? "" : ",") + csv_cell(cells[i]);
        text += "\n";
      }
    }
  }
  return text;
}

/// {"name", "cells", "finished", "against", "tables": [...], "costs": [...], "unfinished": [...]}: the tables with
/// their cells in full precision, what each row trains and cost, and what is missing and why. A number that is none is
/// null.
inline nlohmann::ordered_json experiment_json(const ExperimentResults& results, const std::vector<ScoreTable>& tables) {
  using Json = nlohmann::ordered_json;
  Json json{
      {"name", results.name},    {"cells", results.cells}, {"finished", results.cells - results.unfinished.size()},
      {"tables", Json::array()}, {"costs", Json::array()}, {"unfinished", Json::array()}};
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  for (const ScoreTable& table : tables) {
    Json lines = Json::array();
    for (const TableRow& row : table.rows) {
      Json line{{"method", row.name}, {"seeds", row.seeds}, {"objects", Json::object()}};
      for (std::size_t c = 0; c < row.cells.size(); ++c) {
        const TableCell& cell = row.cells[c];
        Json entry{{"mean", cell.mean},
                   {"deviation", cell.deviation},
                   {"t_p", number(cell.t_test_p)},
                   {"wilcoxon_p", number(cell.wilcoxon_p)},
                   {"best", cell.best}};
        if (c + 1 < row.cells.size()) {
          line["objects"][table.columns[c]] = entry;
        } else {
          line["mean"] = entry;
        }
      }
      lines.push_back(line);
    }
    json["tables"].push_back({{"data", table.data},
                              {"group", table.group},
                              {"cases", table.cases == Cases::all ? "all" : "nonblank"},
                              {"against", table.against},
                              {"rows", lines}});
  }
  for (const DataResults& data : results.data) {
    for (const RowResults& row : data.rows) {
      json["costs"].push_back(
          {{"data", data.name},
           {"method", row.name},
           {"recipe", row.cells.front().cell.settings.recipe},
           {"trained", row.cells.front().trained},
           {"total", row.cells.front().total},
           {"adapter_bytes", row.cells.front().adapter_bytes},
           {"train_seconds", row.mean([](const FinishedCell& cell) { return cell.seconds(); })},
           {"peak_bytes", row.mean([](const FinishedCell& cell) { return cell.record.peak_bytes; })}});
    }
  }
  for (const UnfinishedCell& cell : results.unfinished) {
    json["unfinished"].push_back({{"data", cell.cell.data},
                                  {"method", cell.cell.row},
                                  {"seed", cell.cell.settings.seed},
                                  {"state", to_string(cell.state)},
                                  {"error", cell.error},
                                  {"folder", cell.cell.folder.string()}});
  }
  return json;
}

}  // namespace ssam::inline SSAM_ABI
