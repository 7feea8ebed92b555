#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <ssam/core/error.hpp>
#include <ssam/eval/scores.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI::detail {

/// "'a', 'b', 'c' and 4 more"
inline std::string some_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 3); ++i) {
    text += (i == 0 ? "'" : ", '") + names[i] + "'";
  }
  return names.size() > 3 ? text + " and " + std::to_string(names.size() - 3) + " more" : text;
}

using RowNumbers = std::map<std::pair<std::string, std::string>, std::size_t>;  // (image, label) -> row

/// Throws MismatchError where an image has two scores for one label; `run` names the scores.
inline RowNumbers row_numbers(const Scores& scores, const std::string& run) {
  RowNumbers numbers;
  for (std::size_t i = 0; i < scores.rows.size(); ++i) {
    const ImageScore& row = scores.rows[i];
    if (numbers.emplace(std::pair{row.image, row.label}, i).second) continue;
    throw MismatchError(ErrorText{.what = "an image has two scores for one label",
                                  .where = run,
                                  .found = "'" + row.image + "', label '" + row.label + "'",
                                  .advice = "keep one of them"});
  }
  return numbers;
}

/// Throws MismatchError where the `kind` (images, labels) that `name(row)` gives are not the same in both runs.
template <class Name>
void require_same(const Scores& a, const Scores& b, const std::string& kind, const Name& name) {
  const auto names = [&](const Scores& scores) {
    std::set<std::string> all;
    for (const ImageScore& row : scores.rows) all.insert(name(row));
    return all;
  };
  const std::set<std::string> of_a = names(a), of_b = names(b);
  const auto lacks = [](const std::set<std::string>& has, const std::set<std::string>& wanted) {
    std::vector<std::string> missing;
    std::set_difference(wanted.begin(), wanted.end(), has.begin(), has.end(), std::back_inserter(missing));
    return missing;
  };
  const std::vector<std::string> b_lacks = lacks(of_b, of_a), a_lacks = lacks(of_a, of_b);
  if (b_lacks.empty() && a_lacks.empty()) return;
  std::string found = b_lacks.empty() ? "" : "run B lacks " + some_of(b_lacks);
  if (!a_lacks.empty()) found += (found.empty() ? "" : "; ") + ("run A lacks " + some_of(a_lacks));
  throw MismatchError(ErrorText{.what = "the two runs are not over the same " + kind,
                                .expected = "the same " + std::to_string(of_a.size()) + " " + kind + " in both",
                                .found = found,
                                .advice = "evaluate both models on the same split of the same data set"});
}

/// For every row of run `a`, the row of run `b` for the same image and label. Throws MismatchError where the runs are
/// not over the same images, labels, true masks and groups.
inline std::vector<std::size_t> paired_rows(const Scores& a, const Scores& b) {
  row_numbers(a, "run A");
  const RowNumbers in_b = row_numbers(b, "run B");
  require_same(a, b, "labels", [](const ImageScore& row) { return row.label; });
  require_same(a, b, "images", [](const ImageScore& row) { return row.image; });
  require_same(a, b, "images and labels", [](const ImageScore& row) { return row.image + ", " + row.label; });
  std::vector<std::size_t> rows;
  for (const ImageScore& row : a.rows) {
    rows.push_back(in_b.at({row.image, row.label}));
    const ImageScore& other = b.rows[rows.back()];
    const auto refuse = [&](const std::string& what, const std::string& first, const std::string& second) {
      throw MismatchError(ErrorText{.what = what,
                                    .where = row.image + ", label '" + row.label + "'",
                                    .expected = first + " as in run A",
                                    .found = second + " in run B",
                                    .advice = "evaluate both models on the same data set"});
    };
    if (row.score.counts.truth != other.score.counts.truth) {
      refuse("the two runs were scored against different true masks",
             whole(row.score.counts.truth) + " pixels of the label", whole(other.score.counts.truth));
    }
    if (row.group != other.group) {
      refuse("the two runs have an image in different groups", "'" + row.group + "'", "'" + other.group + "'");
    }
  }
  return rows;
}

}  // namespace ssam::inline SSAM_ABI::detail
