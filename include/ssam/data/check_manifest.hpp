#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <ssam/core/error.hpp>
#include <ssam/data/load_item.hpp>
#include <ssam/io/content_hash.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// What a data set is checked for.
struct CheckOptions {
  std::optional<Split> split = {};  ///< that one only; none: all
  Index image_size = 0;             ///< the model's: says which labels vanish on the way to it; 0: not asked
  Preparation preparation = {};     ///< how pictures get there
  bool training = true;             ///< a training split without any label is an error
};

/// Masks of one label that hold pixels on disk and none at the model's size.
struct VanishedLabel {
  Index masks = 0;         ///< how many
  std::string first = {};  ///< one of their images
};

/// What a complete pass over a data set found.
struct ManifestReport {
  std::array<Index, 3> items{};                  ///< per split
  std::vector<std::array<Index, 3>> present{};   ///< per label and split: images on which the label is
  std::vector<Index> full{};                     ///< per label: images that it covers to the last pixel
  Index far_off_pixels = 0;                      ///< of colour masks: blends at edges, given to the nearest label
  std::vector<VanishedLabel> vanished{};         ///< per label
  Index size_that_keeps = 0;                     ///< an image size at which nothing vanishes; 0: none was found
  Index mapped = 0;                              ///< pictures whose stored values were mapped to 0..255
  std::string mapped_example = {};               ///< one of these pictures and its range
  std::vector<std::array<double, 3>> covered{};  ///< per label and split: shares of the images that have it, added up
  std::map<std::pair<Index, Index>, Index> sizes{};  ///< (height, width) in pixels -> images
  std::vector<std::string> problems = {};            ///< what makes the data set unusable, each with its file
  std::vector<std::string> suspects = {};  ///< files that may not be what they should, a line each: copies, odd masks
  std::vector<std::string> warnings = {};  ///< what a reader should know before training, a line each
};

namespace detail {

/// Goes through a data set once.
class ManifestChecker {
 public:
  ManifestChecker(const Manifest& manifest, const CheckOptions& options) : manifest_(manifest), options_(options) {
    report_.present.resize(manifest.labels.size());
    report_.covered.resize(manifest.labels.size());
    report_.full.resize(manifest.labels.size());
    report_.vanished.resize(manifest.labels.size());
    for (const Index eighths : {12, 16, 24, 32, 48, 64, 96, 128}) {
      const Index size = (options.image_size * eighths / 8 + 15) / 16 * 16;
      if (size > 0 && size <= 4096) larger_.emplace_back(size, 0);
    }
  }

  ManifestReport run(const std::function<void(Index, Index)>& progress) {
    Index done = 0;
    for (const ManifestItem& item : manifest_.items) {
      ++done;
      if (options_.split && item.split != *options_.split) continue;
      ++report_.items[static_cast<std::size_t>(item.split)];
      check(item);
      if (progress) progress(done, static_cast<Index>(manifest_.items.size()));
    }
    check_labels();
    warn();
    return std::move(report_);
  }

 private:
  void check(const ManifestItem& item) {
    ImageNotes notes;
    Image image;
    if (!tried([&] { image = load_item_image(item, options_.preparation.intensity, store_, &notes); })) return;
    find_copies(item, image);
    for (const std::string& remark : notes.remarks) {
      if (remarks_.emplace(item.image.string(), remark).second) {
        report_.warnings.push_back(item.image.string() + ": " + remark);
      }
    }
    ++report_.sizes[{image.height, image.width}];
    if (notes.bits > 8 || options_.preparation.intensity.rule != Intensity::Rule::automatic) {
      if (report_.mapped++ == 0) {
        report_.mapped_example = item.image.filename().string() + ": " + to_string(notes.range);
      }
    }
    UnknownCodes unknown;
    const auto load = [&](const ManifestItem& part) {
      return load_label_masks(manifest_, part, {image.height, image.width}, notes.orientation, &unknown, store_);
    };
    const auto labels = static_cast<Index>(manifest_.labels.size());
    if (manifest_.coding == MaskCoding::files) {
      // Label by label: a damaged mask does not hide the next one.
      for (Index k = 0; k < labels; ++k) {
        ManifestItem part{.image = item.image, .split = item.split, .slice = item.slice, .axis = item.axis};
        part.masks.resize(manifest_.labels.size());
        part.masks[static_cast<std::size_t>(k)] = item.masks[static_cast<std::size_t>(k)];
        tried([&] {
          const LabelMasks masks = load(part);
          check_value(part.masks[static_cast<std::size_t>(k)], masks.stored_value(k));
          count(item, masks, k);
        });
      }
      return;
    }
    tried([&] {
      const LabelMasks masks = load(item);
      check_codes(item, unknown, image.height * image.width);
      for (Index k = 0; k < labels; ++k) count(item, masks, k);
    });
  }

  /// Calls `step`; what it throws is a problem of the data set. Whether it threw nothing.
  template <class Step>
  bool tried(const Step& step) {
    try {
      step();
      return true;
    } catch (const Error& error) {
      report_.problems.push_back(error.what());
      return false;
    }
  }

  void count(const ManifestItem& item, const LabelMasks& masks, Index label) {
    if (!masks.present(label)) return;
    const auto k = static_cast<std::size_t>(label), split = static_cast<std::size_t>(item.split);
    const Mask mask = masks.binary(label);
    const auto inside = std::count(mask.values.begin(), mask.values.end(), 1);
    const auto pixels = static_cast<std::ptrdiff_t>(mask.values.size());
    ++report_.present[k][split];
    report_.covered[k][split] += static_cast<double>(inside) / static_cast<double>(pixels);
    if (inside == pixels) ++report_.full[k];
    if (options_.image_size > 0) check_size(item, k, mask);
  }

  /// A mask of one label is usually 0 and 255, or 0 and 1. Another value may be a class among others.
  void check_value(const std::filesystem::path& file, std::uint8_t value) {
    if (manifest_.instances || value == 0 || value == 1 || value == 255) return;
    if (odd_values_++ == 0) odd_value_ = file.string() + ": " + std::to_string(value);
    report_.suspects.push_back(file.string() + ": a mask of the values 0 and " + std::to_string(value) +
                               ", where 0 and 255 or 0 and 1 are usual");
  }

  void check_codes(const ManifestItem& item, const UnknownCodes& unknown, Index pixels) {
    const bool colors = manifest_.coding == MaskCoding::colors;
    if (colors) report_.far_off_pixels += unknown.pixels;
    if (colors && unknown.pixels > pixels / 1000) {
      report_.suspects.push_back(item.mask.string() + ": " + std::to_string(unknown.pixels) +
                                 " pixels far from every colour, given to the nearest");
    }
    const std::string file = item.mask.string() + ": ";
    if (unknown.most > (colors ? pixels / 100 : 0)) {
      report_.problems.push_back(file + std::to_string(unknown.most) + " pixels of " + (colors ? "colour " : "value ") +
                                 unknown.most_of + ", which is neither a label nor in \"background\"");
    } else if (unknown.solid > 0) {
      report_.problems.push_back(file + "an area of colour " + unknown.solid_of +
                                 ", which is neither a label nor in \"background\" (" + std::to_string(unknown.solid) +
                                 " pixels that are no blend at an edge)");
    }
  }

  void check_size(const ManifestItem& item, std::size_t label, const Mask& mask) {
    const auto cells = [&](Index size) {
      const Mask prepared = prepare_mask(mask, size, options_.preparation);
      return std::count_if(prepared.values.begin(), prepared.values.end(), [](std::uint8_t v) { return v != 0; });
    };
    const auto left = cells(options_.image_size);
    if (left == 0 && report_.vanished[label].masks++ == 0) report_.vanished[label].first = item_text(item);
    if (left > 4) return;  // what is large here does not vanish at a larger size
    for (auto& [size, vanished] : larger_) vanished += cells(size) == 0;
  }

  /// The same picture in two splits makes the scores of one of them worthless: refused where it is one file, said where
  /// it is a copy. One colour throughout is no picture.
  void find_copies(const ManifestItem& item, const Image& image) {
    const bool plain = std::equal(image.rgb.begin() + 3, image.rgb.end(), image.rgb.begin());
    if (plain) return;
    ContentHash hash;
    hash.number(static_cast<std::uint64_t>(image.width));
    hash.text({reinterpret_cast<const char*>(image.rgb.data()), image.rgb.size()});
    const auto [known, added] = seen_.emplace(hash.hex(), &item);
    if (added) return;
    const ManifestItem& other = *known->second;
    const std::string both = item_text(item) + " (" + to_string(item.split) + ") is the same picture as " +
                             item_text(other) + " (" + to_string(other.split) + ")";
    std::error_code failure;
    const bool same_slice = other.slice == item.slice && other.axis == item.axis;
    if (other.split != item.split && same_slice && std::filesystem::equivalent(item.image, other.image, failure)) {
      report_.problems.push_back(both + ": remove one of them");
      return;
    }
    report_.suspects.push_back(both);
    if (other.split == item.split) {
      ++copies_;
    } else if (leaks_++ == 0) {
      leak_ = both;
    }
  }

  void check_labels() {
    const auto train = static_cast<std::size_t>(Split::train);
    Index present = 0;
    for (const auto& counts : report_.present) present += counts[train];
    if (options_.training && report_.problems.empty() && report_.items[train] > 0 && present == 0) {
      report_.problems.push_back("no label is on any of the " + std::to_string(report_.items[train]) +
                                 " training images: every mask is blank, there is nothing to learn");
    }
  }

  void warn() {
    const auto say = [&](const std::string& line) { report_.warnings.push_back(line); };
    if (report_.mapped > 0) {
      say(std::to_string(report_.mapped) + " pictures are mapped to 0..255, each by its file's own range (" +
          report_.mapped_example + ")");
    }
    if (leaks_ > 0) {
      say(std::to_string(leaks_) +
          " pictures stand in two splits, under two names: what is learnt from one is scored on "
          "the other (" +
          leak_ + (leaks_ > 1 ? ", ...)" : ")"));
    }
    warn_of_groups();
    if (odd_values_ > 0) {
      say(std::to_string(odd_values_) + " masks of one label have another value than 1 or 255 (" + odd_value_ +
          (odd_values_ > 1 ? ", ...)" : ")"));
    }
    if (copies_ > 0) say(std::to_string(copies_) + " pictures are copies of others of their split");
    for (const Split split : {Split::train, Split::val, Split::test}) warn_of_absent(split);
    for (std::size_t k = 0; k < manifest_.labels.size(); ++k) {
      if (report_.full[k] == 0) continue;
      say("label \"" + manifest_.labels[k] + "\" covers " + std::to_string(report_.full[k]) + " images completely");
    }
    warn_of_vanished();
  }

  void warn_of_absent(Split split) {
    const auto s = static_cast<std::size_t>(split);
    std::string names;
    Index absent = 0;
    for (std::size_t k = 0; k < manifest_.labels.size(); ++k) {
      if (report_.items[s] == 0 || report_.present[k][s] > 0) continue;
      if (++absent <= 5) names += (absent > 1 ? ", \"" : "\"") + manifest_.labels[k] + "\"";
    }
    if (absent == 0) return;
    report_.warnings.push_back((absent == 1 ? "label " : std::to_string(absent) + " labels (") + names +
                               (absent == 1  ? ""
                                : absent > 5 ? ", ...)"
                                             : ")") +
                               (absent == 1 ? " is" : " are") + " on none of the " + std::to_string(report_.items[s]) +
                               " " + to_string(split) + " images");
  }

  /// A patient or video in two splits makes the scores better than they are on the next one.
  void warn_of_groups() {
    std::map<std::string, std::set<Split>> splits;
    for (const ManifestItem& item : manifest_.items) {
      if (!item.group.empty()) splits[item.group].insert(item.split);
    }
    Index divided = 0;
    std::string first;
    for (const auto& [group, of_group] : splits) {
      if (of_group.size() > 1 && divided++ == 0) first = group;
    }
    if (divided == 0) return;
    report_.warnings.push_back((divided == 1 ? "the group \"" + first + "\" stands"
                                             : std::to_string(divided) + " groups (\"" + first + "\", ...) stand") +
                               " in more than one split: what is learnt from one image is scored on its neighbours");
  }

  void warn_of_vanished() {
    for (std::size_t i = 0; i < larger_.size() && report_.size_that_keeps == 0; ++i) {
      if (larger_[i].second == 0) report_.size_that_keeps = larger_[i].first;
    }
    for (std::size_t k = 0; k < manifest_.labels.size(); ++k) {
      const VanishedLabel& gone = report_.vanished[k];
      if (gone.masks == 0) continue;
      Index present = 0;
      for (const Index count : report_.present[k]) present += count;
      report_.warnings.push_back(
          "label \"" + manifest_.labels[k] + "\" vanishes from " + std::to_string(gone.masks) + " of " +
          std::to_string(present) + " masks at " + std::to_string(options_.image_size) + " px (" + gone.first +
          (gone.masks > 1 ? ", ...)" : ")") + " and would be trained there as absent; " +
          (report_.size_that_keeps > 0 ? "an image size of " + std::to_string(report_.size_that_keeps) + " keeps all"
                                       : "cut the pictures into smaller ones"));
    }
  }

  const Manifest& manifest_;
  const CheckOptions& options_;
  ManifestReport report_;
  VolumeStore store_;
  std::vector<std::pair<Index, Index>> larger_;            ///< image sizes, masks that vanish there
  std::set<std::pair<std::string, std::string>> remarks_;  ///< on files, each once
  std::map<std::string, const ManifestItem*> seen_;        ///< by the picture's hash
  Index copies_ = 0, leaks_ = 0;                           ///< pictures known from their own split, from another
  Index odd_values_ = 0;
  std::string leak_, odd_value_;
};

}  // namespace detail

/// Opens every image and mask once and says all that is wrong in `problems` of the report: files that do not decode,
/// masks of another size than their image, grey values in no table, a colour in no table on more than 1 % of a mask or
/// as an area, one file in two splits, nothing to train on. Throws nothing for what the data set holds. `progress(done,
/// total)` is called after each item.
inline ManifestReport inspect_manifest(const Manifest& manifest, const CheckOptions& options = {},
                                       const std::function<void(Index, Index)>& progress = nullptr) {
  return detail::ManifestChecker(manifest, options).run(progress);
}

/// inspect_manifest(), so that a run of days does not end at a damaged file. Throws ConfigError that lists the first 20
/// problems and their number. What may be meant is in `warnings`.
inline ManifestReport check_manifest(const Manifest& manifest, const CheckOptions& options = {},
                                     const std::function<void(Index, Index)>& progress = nullptr) {
  ManifestReport report = inspect_manifest(manifest, options, progress);
  if (report.problems.empty()) return report;
  const std::size_t count = report.problems.size();
  std::string list;
  for (std::size_t i = 0; i < std::min<std::size_t>(count, 20); ++i) list += "\n  " + report.problems[i];
  throw ConfigError("the data set " + manifest.file.string() + " has " + std::to_string(count) +
                    (count == 1 ? " problem:" : " problems:") + list + (count > 20 ? "\n  ..." : ""));
}

}  // namespace ssam::inline SSAM_ABI
