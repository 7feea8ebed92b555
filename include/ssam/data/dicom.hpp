#pragma once

#include <ssam/data/dicom_series.hpp>
#include <ssam/data/picture.hpp>
#include <ssam/data/volume.hpp>
#include <ssam/data/volume_slice.hpp>

namespace ssam::inline SSAM_ABI {

/// What to take out of a folder of DICOM files.
struct DicomOptions {
  std::string series = {};  ///< SeriesInstanceUID of the one that is wanted; "": the only one there is
};

namespace detail {

/// A file that is to hold a picture. Throws FormatError where it holds none.
inline DicomFile require_dicom_file(const std::filesystem::path& path) {
  std::optional<DicomFile> file = read_dicom_file(path);
  if (!file) refuse_dicom(path, "a DICOM file", "other or damaged content");
  if (dicom_header_of(*file).frames.empty()) {
    refuse_dicom(path, "a picture", "a DICOM object without one (" + file->set.text(0x00080060) + ")",
                 "give the pictures that it belongs to");
  }
  return std::move(*file);
}

/// One pixel in colour, as 8 bits.
inline std::array<std::uint8_t, 3> dicom_color(const DicomPixels& pixels, std::size_t pixel, std::size_t count) {
  std::array<std::uint8_t, 3> rgb{};
  if (pixels.form.samples == 1) {
    const std::int64_t entry = pixels.value(pixel) - pixels.first_entry;
    for (std::size_t c = 0; c < 3; ++c) {
      const auto last = static_cast<std::int64_t>(pixels.palette[c].size()) - 1;
      rgb[c] = pixels.palette[c][static_cast<std::size_t>(std::clamp<std::int64_t>(entry, 0, last))];
    }
    return rgb;
  }
  std::array<double, 3> samples{};
  for (std::size_t c = 0; c < 3; ++c) {
    const std::int64_t value = pixels.value(pixels.form.planar ? c * count + pixel : 3 * pixel + c);
    samples[c] = static_cast<double>(pixels.form.stored > 8 ? value >> (pixels.form.stored - 8) : value);
  }
  if (pixels.form.photometric.starts_with("YBR_FULL")) {
    const auto [y, blue, red] = samples;
    samples = {y + 1.402 * (red - 128), y - 0.344136 * (blue - 128) - 0.714136 * (red - 128), y + 1.772 * (blue - 128)};
  }
  for (std::size_t c = 0; c < 3; ++c) rgb[c] = static_cast<std::uint8_t>(std::clamp(samples[c] + 0.5, 0.0, 255.0));
  return rgb;
}

/// The real values of a frame, into `to`.
inline void dicom_values(const DicomPixels& pixels, const DicomFrame& frame, std::size_t count, float* to) {
  for (std::size_t p = 0; p < count; ++p) {
    to[p] = static_cast<float>(static_cast<double>(pixels.value(p)) * frame.slope + frame.inter);
  }
}

/// The range that a frame is to be shown with, where the file says one.
inline std::optional<IntensityRange> dicom_display(const DicomPixels& pixels, const DicomFrame& frame) {
  if (frame.window) return frame.window;
  const int bits = pixels.form.stored;
  if (bits > 8 || pixels.form.is_signed || frame.slope != 1 || frame.inter != 0) return {};
  return IntensityRange{0, std::ldexp(1.0, bits) - 1, std::to_string(bits) + " bits"};
}

/// Puts the slices of a series into a volume. Throws FormatError.
inline Volume read_dicom_volume(const std::vector<DicomHeader>& files, std::vector<std::string> notes) {
  const std::array<double, 6> orientation = common_orientation(files);
  std::array<double, 3> step{};
  const std::vector<DicomSlice> slices = order_slices(files, orientation, step, notes);
  Volume volume;
  static_cast<VolumeGrid&>(volume) = dicom_grid(files, slices, orientation, step, notes);
  const auto count = static_cast<std::size_t>(volume.extents[0] * volume.extents[1]);
  std::optional<DicomFile> file;
  for (std::size_t s = 0; s < slices.size(); ++s) {
    const DicomHeader& header = files[slices[s].file];
    if (!file || file->path != header.path) file = require_dicom_file(header.path);
    const DicomPixels pixels = read_dicom_pixels(*file, slices[s].frame, header.frames.size());
    if (!pixels.grey()) {
      refuse_dicom(header.path, "grey values", "colours", "open it as a picture: a volume has one number for a voxel");
    }
    if (s == 0) {
      volume.inverted = pixels.inverted();
      volume.values.resize(count * slices.size());
    }
    if (pixels.inverted() != volume.inverted) {
      refuse_dicom(header.path, "slices of one kind", "both MONOCHROME1 and MONOCHROME2");
    }
    const DicomFrame& frame = header.frames[slices[s].frame];
    dicom_values(pixels, frame, count, volume.values.data() + s * count);
    if (s == slices.size() / 2) volume.display = dicom_display(pixels, frame);
  }
  volume.notes = std::move(notes);
  return volume;
}

}  // namespace detail

/// Reads DICOM as a volume: one file, of one frame or several, or a folder that holds the slices of a series (folders
/// in it are not searched). i runs along the pictures' rows, j down their columns, k from slice to slice, sorted by
/// position along their normal. Values are those of the rescale slope and intercept; `display` is the file's window (of
/// the slice in the middle), `inverted` says MONOCHROME1. Uncompressed and compressed syntaxes (RLE, JPEG, JPEG-LS,
/// JPEG 2000) are read. Throws IoError; ConfigError where several series leave a choice; FormatError for what is
/// damaged, holds no grey picture, or is no stack of even steps.
inline Volume load_dicom(const std::filesystem::path& path, const DicomOptions& options = {}) {
  std::vector<std::string> notes;
  if (std::filesystem::is_directory(path)) {
    const std::vector<detail::DicomHeader> files = detail::find_dicom_series(path, options.series, notes);
    return detail::read_dicom_volume(files, std::move(notes));
  }
  return detail::read_dicom_volume({detail::dicom_header_of(detail::require_dicom_file(path))}, std::move(notes));
}

/// Reads one frame of a DICOM file as a picture as it is stored, not turned: grey values by `intensity` (where that
/// asks for nothing, the file's window, else percentiles; MONOCHROME1 inverted), colours and palettes as RGB, which
/// `intensity` does not touch. `frame`: of a file with several, from 0. `range`: which values became 0 and 255, if
/// asked for. Throws as load_dicom; ConfigError for a frame that is not there, and where several leave a choice.
inline Image load_dicom_picture(const std::filesystem::path& path, const Intensity& intensity = {},
                                std::optional<Index> frame = {}, IntensityRange* range = nullptr) {
  const detail::DicomFile file = detail::require_dicom_file(path);
  const detail::DicomHeader header = detail::dicom_header_of(file);
  const auto frames = static_cast<Index>(header.frames.size());
  if (frame ? *frame < 0 || *frame >= frames : frames > 1) {
    throw ConfigError(
        ErrorText{.what = frame ? "the file has no such frame" : "the file holds " + std::to_string(frames) + " frames",
                  .where = path.string(),
                  .expected = "the number of one, 0.." + std::to_string(frames - 1),
                  .found = frame ? std::to_string(*frame) : "",
                  .advice = "choose one"});
  }
  const auto chosen = static_cast<std::size_t>(frame.value_or(0));
  const detail::DicomPixels pixels = detail::read_dicom_pixels(file, chosen, header.frames.size());
  Image image(header.rows, header.columns);
  const auto count = static_cast<std::size_t>(header.rows * header.columns);
  IntensityRange used{0, 255, "colours"};
  if (pixels.grey()) {
    std::vector<float> values(count);
    detail::dicom_values(pixels, header.frames[chosen], count, values.data());
    const auto display = detail::dicom_display(pixels, header.frames[chosen]);
    const bool own = intensity.rule == Intensity::Rule::automatic && display;
    used = own ? *display : intensity_range(std::span<const float>(values), intensity);
    for (std::size_t p = 0; p < count; ++p) {
      const std::uint8_t grey = map_intensity(static_cast<double>(values[p]), used);
      std::fill_n(image.rgb.data() + 3 * p, 3, pixels.inverted() ? static_cast<std::uint8_t>(255 - grey) : grey);
    }
  } else {
    for (std::size_t p = 0; p < count; ++p) {
      const std::array<std::uint8_t, 3> rgb = detail::dicom_color(pixels, p, count);
      std::copy_n(rgb.data(), 3, image.rgb.data() + 3 * p);
    }
  }
  if (range != nullptr) *range = used;
  return image;
}

}  // namespace ssam::inline SSAM_ABI
