#pragma once

#include <optional>
#include <ssam/data/load_picture.hpp>
#include <string>
#include <utility>

#include "model_options.hpp"
#include "program.hpp"

namespace ssam::cli {

/// What to take out of a volume.
struct SliceOptions {
  std::string axis = "auto", slice, series;
  Index volume = -1;

  /// Whether the user said anything about a volume.
  bool any() const { return axis != "auto" || !slice.empty() || !series.empty() || volume >= 0; }
  VolumeOptions of_file() const {
    return {.volume = volume >= 0 ? std::optional<Index>(volume) : std::nullopt, .series = series};
  }
  /// The first slice and the one behind the last; nothing where none is named. Throws UsageError.
  std::optional<std::pair<Index, Index>> range() const;
  /// One slice as a picture. Throws UsageError where more are named, and for a `file` that is no volume.
  PictureOptions as_picture(const std::filesystem::path& file, const Intensity& intensity) const;
};

/// --axis, --slice, --volume, --series.
void add_slice_options(CLI::App& verb, SliceOptions& options);

/// Of a volume or DICOM, --intensity says how its values are shown, and nothing about the model: takes it out of
/// `model`. Nothing where it was not given, and of an `image` of another kind.
std::optional<Intensity> take_intensity(ModelOptions& model, const std::filesystem::path& image);

/// Says on stderr which stored values became 0 and 255.
void say_range(const std::filesystem::path& file, const IntensityRange& range);
/// Says on stderr what is worth knowing about how a volume was read.
void say_notes(const std::filesystem::path& file, const std::vector<std::string>& notes);

}  // namespace ssam::cli
