#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <ssam/core/error.hpp>
#include <ssam/core/random.hpp>
#include <ssam/data/manifest.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// What stays together: the items' places in the manifest, by group. An item without a group is one of its own.
inline std::vector<std::vector<std::size_t>> items_by_group(const Manifest& manifest) {
  std::map<std::string, std::vector<std::size_t>> groups;
  std::vector<std::vector<std::size_t>> all;
  for (std::size_t i = 0; i < manifest.items.size(); ++i) {
    const ManifestItem& item = manifest.items[i];
    if (item.split == Split::test) continue;
    if (item.group.empty()) {
      all.push_back({i});
    } else {
      groups[item.group].push_back(i);
    }
  }
  for (auto& [name, items] : groups) all.push_back(std::move(items));
  return all;
}

}  // namespace detail

/// Divides the training and validation images of `manifest` anew for a cross-validation of `folds` folds: those of fold
/// `fold`, counted from 1, validate, the others train. Images of one group stay together; one without a group stands
/// alone. Test images stay what they are. Folds are made as equal as the groups allow, by chance as `seed` says, the
/// same on every machine; the folds of one seed hold each image once. Throws ConfigError for fewer than 2 folds, a fold
/// that is none of them, fewer groups than folds, and for a group that stands in the test split as well.
inline Manifest split_by_group(Manifest manifest, Index folds, Index fold, std::uint64_t seed = 0) {
  const auto refuse = [&](const std::string& what, const std::string& expected, const std::string& found,
                          const std::string& advice) {
    throw ConfigError(ErrorText{
        .what = what, .where = manifest.file.string(), .expected = expected, .found = found, .advice = advice});
  };
  if (folds < 2) refuse("a data set is divided into folds", "2 at least", std::to_string(folds), "");
  if (fold < 1 || fold > folds)
    refuse("there is no such fold", "1.." + std::to_string(folds), std::to_string(fold), "");
  std::vector<std::vector<std::size_t>> groups = detail::items_by_group(manifest);
  if (static_cast<Index>(groups.size()) < folds) {
    refuse("fewer groups than folds", std::to_string(folds) + " groups at least", std::to_string(groups.size()),
           groups.size() < 2 ? "images of the split test are not divided" : "choose fewer folds");
  }
  std::set<std::string> tested;
  for (const ManifestItem& item : manifest.items) {
    if (item.split == Split::test) tested.insert(item.group);
  }
  for (const auto& items : groups) {
    const std::string& group = manifest.items[items[0]].group;
    if (group.empty() || tested.count(group) == 0) continue;
    refuse("a group stands in the split test and in another one", "", group, "give all of it to one split");
  }
  Random random(seed);
  for (std::size_t i = groups.size(); i > 1; --i) {
    std::swap(groups[i - 1], groups[static_cast<std::size_t>(random.below(static_cast<Index>(i)))]);
  }
  // The largest first, each to the smallest fold: what comes last evens out.
  std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  std::vector<std::size_t> sizes(static_cast<std::size_t>(folds));
  for (const auto& items : groups) {
    const auto smallest = std::min_element(sizes.begin(), sizes.end());
    *smallest += items.size();
    const bool validates = smallest - sizes.begin() == fold - 1;
    for (const std::size_t i : items) manifest.items[i].split = validates ? Split::val : Split::train;
  }
  manifest.notes.push_back("fold " + std::to_string(fold) + " of " + std::to_string(folds) +
                           " validates: " + std::to_string(sizes[static_cast<std::size_t>(fold - 1)]) + " images; " +
                           std::to_string(groups.size()) + " groups are divided");
  return manifest;
}

}  // namespace ssam::inline SSAM_ABI
