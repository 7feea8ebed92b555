#pragma once

#include <algorithm>
#include <functional>
#include <ssam/core/error.hpp>
#include <ssam/data/label_masks.hpp>
#include <string>
#include <vector>

namespace ssam {

/// What a complete pass over a data set found.
struct ManifestReport {
  std::array<Index, 3> items{};                 ///< per split
  std::vector<std::array<Index, 3>> present{};  ///< per label and split: images on which the label is
  Index far_off_pixels = 0;                     ///< of colour masks: blends at edges, given to the nearest label
};

/// Opens every image and mask once, so that a run of days does not end at a damaged file. `progress(done, total)` is
/// called after each item. Throws ConfigError that lists the first 20 problems and their number: files that do not
/// decode, masks of another size than their image, grey values in no table, a colour in no table on more than 1 % of a
/// mask.
inline ManifestReport check_manifest(const Manifest& manifest,
                                     const std::function<void(Index, Index)>& progress = nullptr) {
  ManifestReport report;
  report.present.resize(manifest.labels.size());
  std::vector<std::string> problems;
  Index done = 0;
  for (const ManifestItem& item : manifest.items) {
    const auto split = static_cast<std::size_t>(item.split);
    ++report.items[split];
    try {
      const Image image = load_image(item.image);
      UnknownCodes unknown;
      const LabelMasks masks = load_label_masks(manifest, item, {image.height, image.width}, &unknown);
      const bool colors = manifest.coding == MaskCoding::colors;
      if (colors) report.far_off_pixels += unknown.pixels;
      if (unknown.most > (colors ? image.height * image.width / 100 : 0)) {
        problems.push_back(item.mask.string() + ": " + std::to_string(unknown.most) + " pixels of " +
                           (colors ? "colour " : "value ") + unknown.most_of +
                           ", which is neither a label nor in \"background\"");
      }
      for (std::size_t k = 0; k < manifest.labels.size(); ++k) {
        const Mask mask = masks.binary(static_cast<Index>(k));
        const bool present = std::find(mask.values.begin(), mask.values.end(), 1) != mask.values.end();
        report.present[k][split] += present ? 1 : 0;
      }
    } catch (const Error& error) {
      problems.push_back(error.what());
    }
    if (progress) progress(++done, static_cast<Index>(manifest.items.size()));
  }
  if (problems.empty()) return report;
  std::string list;
  for (std::size_t i = 0; i < std::min<std::size_t>(problems.size(), 20); ++i) list += "\n  " + problems[i];
  if (problems.size() > 20) list += "\n  ...";
  throw ConfigError("the data set " + manifest.file.string() + " has " + std::to_string(problems.size()) +
                    (problems.size() == 1 ? " problem:" : " problems:") + list);
}

}  // namespace ssam
