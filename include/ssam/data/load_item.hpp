#pragma once

#include <ssam/data/load_label_masks.hpp>
#include <ssam/data/load_picture.hpp>
#include <ssam/data/volume_store.hpp>

namespace ssam::inline SSAM_ABI {

/// Reads the picture of a manifest's `item`: a file of pictures, a DICOM file, or a slice of a volume, of which `store`
/// keeps the last. `notes`: what was done, if asked for. Throws as load_picture.
inline Image load_item_image(const ManifestItem& item, const Intensity& intensity, VolumeStore& store,
                             ImageNotes* notes = nullptr) {
  if (!item.slice) return load_picture(item.image, {.intensity = intensity}, notes);
  const auto shown = store.volume(item.image, intensity);
  const bool as_it_is = shown->range.low == 0 && shown->range.high == 255;
  if (notes != nullptr) *notes = {.bits = as_it_is ? 8 : 16, .range = shown->range, .remarks = shown->volume.notes};
  const SlicePlane plane = slice_plane(shown->volume, item.axis);
  return slice_image(shown->volume, plane, *item.slice, shown->range);
}

/// The distances between the pixels of the picture of `item` in millimetres: known of slices of volumes whose file says
/// so. Throws as load_volume.
inline std::optional<PixelSpacing> item_spacing(const ManifestItem& item, const Intensity& intensity,
                                                VolumeStore& store) {
  if (!item.slice) return std::nullopt;
  const auto shown = store.volume(item.image, intensity);
  if (!shown->volume.millimetres) return std::nullopt;  // nobody said how long a voxel is
  return detail::slice_spacing(shown->volume, slice_plane(shown->volume, item.axis));
}

}  // namespace ssam::inline SSAM_ABI
