#pragma once

#include <ssam/data/image.hpp>
#include <ssam/data/load_volume.hpp>
#include <ssam/data/volume_slice.hpp>

namespace ssam::inline SSAM_ABI {

/// How a picture is taken out of a file, of whatever kind.
struct PictureOptions {
  Intensity intensity = {};         ///< which stored values become 0 and 255
  std::string axis = "auto";        ///< of a volume: see slice_plane()
  std::optional<Index> slice = {};  ///< of a volume: the number of a slice, from 0; none: the only one there is
  VolumeOptions volume = {};        ///< what to take out of its file
};

namespace detail {

/// Slice `options.slice` of a volume; an error where there are several and none is chosen.
inline Image picture_of_volume(const std::filesystem::path& path, const PictureOptions& options, ImageNotes& notes) {
  const Volume volume = load_volume(path, options.volume);
  const SlicePlane plane = slice_plane(volume, options.axis);
  const Index slice = slice_of(volume, plane, options.slice, path);
  notes = {.bits = 16, .range = intensity_range(volume, options.intensity), .remarks = volume.notes};
  return slice_image(volume, plane, slice, notes.range);
}

}  // namespace detail

/// Reads a picture from a PNG, JPEG or BMP, from a DICOM file, or a slice from a volume (NIfTI, a DICOM series). A
/// DICOM file comes as it is stored, not turned, unless `options` name an axis; the slice is then its frame. `notes`:
/// what was done, if asked for. Throws as load_image, load_dicom_picture and load_volume; ConfigError where there are
/// several slices and none is chosen.
inline Image load_picture(const std::filesystem::path& path, const PictureOptions& options = {},
                          ImageNotes* notes = nullptr) {
  ImageNotes done;
  Image image;
  const FileKind kind = file_kind(path);
  if (kind == FileKind::picture) {
    image = load_image(path, options.intensity, &done);
#if defined(SSAM_WITH_DICOM)
  } else if (kind == FileKind::dicom && options.axis == "auto" && !std::filesystem::is_directory(path)) {
    done.bits = 16;
    image = load_dicom_picture(path, options.intensity, options.slice, &done.range);
#endif
  } else {
    image = detail::picture_of_volume(path, options, done);
  }
  if (notes != nullptr) *notes = done;
  return image;
}

}  // namespace ssam::inline SSAM_ABI
