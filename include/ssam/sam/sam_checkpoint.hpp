#pragma once

#include <ssam/io/checkpoint_file.hpp>
#include <ssam/sam/checkpoint_names.hpp>
#include <ssam/sam/mistaken_file.hpp>
#include <ssam/sam/other_checkpoints.hpp>
#include <ssam/sam/trained_text.hpp>

namespace ssam::inline SSAM_ABI {

/// Reads a checkpoint of Segment Anything in any container, whoever wrote it, under SAM's own names; what was taken off
/// the names and left out stands in `notes` and `skipped`. `features`: receives those that a checkpoint brings along
/// which an adapter was merged into, if asked for. Throws IoError, FormatError, and MismatchError that says what the
/// file or folder is where it is something else.
inline StateDict load_sam_checkpoint(const std::filesystem::path& path,
                                     std::optional<TextFeatures>* features = nullptr) {
  detail::refuse_folder_as_checkpoint(path);
  StateDict state = load_checkpoint(path);
  std::optional<TextFeatures> found = detail::take_features(state, path.string());
  if (features != nullptr) *features = std::move(found);
  state = normalize_names(std::move(state));
  if (!is_whole_sam(state)) throw_not_sam(state, path.string());
  return state;
}

/// What a reader did to a checkpoint, in one line; "" where it took everything as it is.
inline std::string summary_of_changes(const StateDict& state) {
  std::string text;
  for (const std::string& note : state.notes) text += (text.empty() ? "" : "; ") + note;
  if (state.skipped.empty()) return text;
  std::vector<std::string> names;
  for (const std::string& entry : state.skipped) names.push_back(entry.substr(0, entry.find(": ")));
  return text + (text.empty() ? "" : "; ") + std::to_string(names.size()) +
         (names.size() == 1 ? " entry was left out: " : " entries were left out: ") + detail::listed(names);
}

}  // namespace ssam::inline SSAM_ABI
