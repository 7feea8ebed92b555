#pragma once

#include <algorithm>
#include <map>
#include <ssam/io/content_hash.hpp>
#include <ssam/io/host_tensor.hpp>
#include <ssam/io/names.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// What a checkpoint reader may be asked for.
struct LoadOptions {
  bool strict_finite = false;  ///< refuse weights that are NaN or infinite (else they are only counted)
};

namespace detail {
/// Levenshtein distance: insertions, deletions and substitutions between two names.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, changed}));
    }
  }
  return row[b.size()];
}
}  // namespace detail

/// What a checkpoint holds: named tensors, free text about them, and what the reader left out.
struct StateDict {
  std::map<std::string, HostTensor> tensors;    ///< by name
  std::map<std::string, std::string> metadata;  ///< free text by key
  std::vector<std::string> skipped;             ///< entries that are not in `tensors`, each with the reason
  std::vector<std::string> notes;               ///< what was done to the names: "'module.' was taken off 202 names"

  /// Whether there is a tensor `name`.
  bool contains(const std::string& name) const { return tensors.contains(name); }

  /// The tensor `name`. Throws MismatchError that names the nearest names.
  const HostTensor& at(const std::string& name) const {
    const auto found = tensors.find(name);
    if (found != tensors.end()) return found->second;
    std::string near;
    for (const std::string& other : nearest(name)) near += (near.empty() ? "nearest are " : ", ") + shown(other);
    throw MismatchError(ErrorText{.what = "the checkpoint has no such tensor",
                                  .where = name,
                                  .found = std::to_string(tensors.size()) + " others",
                                  .advice = near});
  }

  /// Up to three names that resemble `name`, the nearest first.
  std::vector<std::string> nearest(const std::string& name) const {
    std::vector<std::pair<std::size_t, std::string>> ranked;
    for (const auto& [other, tensor] : tensors) ranked.emplace_back(detail::edit_distance(name, other), other);
    const std::size_t count = std::min<std::size_t>(3, ranked.size());
    std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(count), ranked.end());
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.push_back(ranked[i].second);
    return names;
  }

  /// Tensors that hold NaN or infinite values, with how many.
  std::map<std::string, std::size_t> nonfinite() const {
    std::map<std::string, std::size_t> counts;
    for (const auto& [name, tensor] : tensors) {
      if (const std::size_t count = tensor.count_nonfinite()) counts[name] = count;
    }
    return counts;
  }
};

/// Throws FormatError that names `file` when `options` asks for finite weights and a tensor of `state` holds others.
inline void check_finite(const StateDict& state, const LoadOptions& options, const std::string& file) {
  if (!options.strict_finite) return;
  const auto counts = state.nonfinite();
  if (counts.empty()) return;
  throw FormatError(ErrorText{
      .what = "weights are NaN or infinite",
      .where = at_tensor(file, counts.begin()->first),
      .expected = "finite values (strict_finite)",
      .found = std::to_string(counts.begin()->second) + " others, in " + std::to_string(counts.size()) + " tensor(s)"});
}

/// Throws FormatError where values of an array are NaN or infinite in single precision. `where` names its file.
inline void check_finite(const HostTensor& array, const std::string& where) {
  const std::vector<float> values = array.to<float>();
  const auto bad = [](float value) { return !std::isfinite(value); };
  const auto first = std::find_if(values.begin(), values.end(), bad);
  if (first == values.end()) return;
  throw FormatError(ErrorText{.what = "values are NaN or infinite",
                              .where = where,
                              .expected = "finite numbers in single precision",
                              .found = std::to_string(std::count_if(first, values.end(), bad)) + " of " +
                                       std::to_string(values.size()) + ", the first is element " +
                                       std::to_string(first - values.begin())});
}

/// ContentHash over the sorted names, types, shapes and bytes: the same for one checkpoint in any container. Metadata
/// and skipped entries do not count.
inline std::string content_hash(const StateDict& state) {
  ContentHash hash;
  hash.number(state.tensors.size());
  for (const auto& [name, tensor] : state.tensors) {
    hash.text(name);
    hash.text(dtype_name(tensor.dtype));
    hash.number(static_cast<std::uint64_t>(tensor.shape.rank()));
    for (int axis = 0; axis < tensor.shape.rank(); ++axis) hash.number(static_cast<std::uint64_t>(tensor.shape[axis]));
    hash.text({reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()});
  }
  return hash.hex();
}

namespace detail {
/// Renames every tensor of `state`; rename(name) gives the new name. Throws MismatchError when two tensors would have
/// one name.
template <class Rename>
void rename_tensors(StateDict& state, const Rename& rename) {
  std::map<std::string, HostTensor> renamed;
  while (!state.tensors.empty()) {
    auto node = state.tensors.extract(state.tensors.begin());
    const std::string before = node.key();
    node.key() = rename(before);
    const auto placed = renamed.insert(std::move(node));
    if (!placed.inserted) {
      throw MismatchError(ErrorText{.what = "two tensors of the checkpoint would have one name",
                                    .where = placed.position->first,
                                    .found = before});
    }
  }
  state.tensors = std::move(renamed);
}
}  // namespace detail

}  // namespace ssam::inline SSAM_ABI
