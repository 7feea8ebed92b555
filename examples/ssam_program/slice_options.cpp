#include "slice_options.hpp"

#include <cstdio>
#include <ssam/core/decimal.hpp>

#include "arguments.hpp"

namespace ssam::cli {

std::optional<std::pair<Index, Index>> SliceOptions::range() const {
  if (slice.empty()) return {};
  const std::size_t colon = std::min(slice.find(':'), slice.size());
  const auto first = parse_whole<Index>(std::string_view(slice).substr(0, colon));
  const auto end = colon == slice.size() ? first : parse_whole<Index>(std::string_view(slice).substr(colon + 1));
  if (!first || !end || *first < 0 || (colon < slice.size() && *end <= *first)) {
    throw UsageError("--slice '" + slice + "' is neither a number nor A:B with A < B, counted from 0");
  }
  return std::pair{*first, colon == slice.size() ? *first + 1 : *end};
}

PictureOptions SliceOptions::as_picture(const std::filesystem::path& file, const Intensity& intensity) const {
  if (any() && file_kind(file) == FileKind::picture) {
    throw UsageError("--axis, --slice, --volume and --series are for volumes (NIfTI, DICOM); " + file.string() +
                     " is a picture");
  }
  const auto chosen = range();
  if (chosen && chosen->second - chosen->first > 1) {
    throw UsageError("--slice '" + slice + "' names several slices, and a picture is one");
  }
  PictureOptions picture{.intensity = intensity, .axis = axis, .slice = {}, .volume = of_file()};
  if (chosen) picture.slice = chosen->first;
  return picture;
}

void add_slice_options(CLI::App& verb, SliceOptions& options) {
  verb.add_option(
          "--axis", options.axis,
          "A volume is cut into slices that are axial, coronal or sagittal, turned upright, or along its axis of "
          "voxels 0, 1 or 2, as stored; auto: axial")
      ->check(CLI::IsMember({"auto", "axial", "coronal", "sagittal", "0", "1", "2"}))
      ->capture_default_str()
      ->type_name("NAME");
  verb.add_option("--slice", options.slice, "One slice of a volume, or those from A to before B; counted from 0")
      ->type_name("N|A:B");
  add_whole(verb, "--volume", options.volume, "Which volume of a NIfTI file with a fourth axis, from 0", Index{0},
            Index{1} << 30)
      ->default_str("");
  verb.add_option("--series", options.series, "Which series of a folder of DICOM files: its SeriesInstanceUID")
      ->type_name("UID");
}

std::optional<Intensity> take_intensity(ModelOptions& model, const std::filesystem::path& image) {
  if (model.intensity.empty() || file_kind(image) == FileKind::picture) return {};
  return parse_intensity(std::exchange(model.intensity, ""));
}

void say_range(const std::filesystem::path& file, const IntensityRange& range) {
  std::fprintf(stderr, "ssam: note: %s: stored values %s became 0..255\n", file.c_str(), to_string(range).c_str());
}

void say_notes(const std::filesystem::path& file, const std::vector<std::string>& notes) {
  for (const std::string& note : notes) std::fprintf(stderr, "ssam: note: %s: %s\n", file.c_str(), note.c_str());
}

}  // namespace ssam::cli
