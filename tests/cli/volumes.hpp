#pragma once

// Volumes for the command line's tests, see cli_files.cpp.

#include <filesystem>
#include <fstream>
#include <ssam/data/image.hpp>
#include <ssam/data/load_volume.hpp>
#include <ssam/data/volume_slice.hpp>

#include "../data/volume_files.hpp"

namespace volumes {

inline void write(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// 14 x 10 x 3 voxels of 0 to 419, lying askew; packed where the name says so.
inline void write_nifti(const std::filesystem::path& path) {
  std::vector<double> values;
  for (int v = 0; v < 420; ++v) values.push_back(v);
  test::NiftiFile file{.big = true,
                       .dim = {3, 14, 10, 3},
                       .pixdim = {-1, 2, 2.5, 4},
                       .units = 10,
                       .qform_code = 1,
                       .sform_code = 2,
                       .data = test::voxels<std::int16_t>(values, true)};
  file.quaternion = {0.1, -0.2, 0.3};
  file.sform = {{{0.1, 2, 0.3, -10}, {-2, 0.1, 0.2, 20}, {0.2, -0.1, 4, 30}}};
  write(path, path.extension() == ".gz" ? ssam::to_gzip(file.bytes()) : file.bytes());
}

/// A slice of 10 x 14 pixels at `height` mm.
inline void write_dicom(const std::filesystem::path& path, int height, const std::string& series) {
  test::DicomFile file;
  file.add(0x0008, 0x0060, "CS", "CT").add(0x0020, 0x000e, "UI", series);
  file.add(0x0020, 0x0032, "DS", "-10\\-20\\" + std::to_string(height)).add(0x0020, 0x0037, "DS", "1\\0\\0\\0\\1\\0");
  file.picture(10, 14).add(0x0028, 0x0030, "DS", "0.5\\0.75");
  std::vector<double> values;
  for (int v = 0; v < 140; ++v) values.push_back(v + height);
  write(path, file.pixels(test::voxels<std::uint16_t>(values)).bytes());
}

/// Exit code 0 where both lie in the same place by the same numbers; the unit of time does not count.
inline int same_place(const std::filesystem::path& a, const std::filesystem::path& b) {
  ssam::Volume first = ssam::load_volume(a), second = ssam::load_volume(b);
  return first.extents == second.extents && first.affine == second.affine && first.nifti == second.nifti ? 0 : 1;
}

/// Exit code 0 where a slice of labels is `value` where the picture is not 0, and nowhere else.
inline int same_slice(const std::filesystem::path& labels, const std::string& axis, int slice, int value,
                      const std::filesystem::path& picture) {
  const ssam::LabelVolume volume = ssam::to_labels(ssam::load_volume(labels), labels.string());
  const ssam::Mask mask = ssam::slice_mask(volume, ssam::slice_plane(volume, axis), slice);
  const ssam::Image image = ssam::load_image(picture);
  if (image.height != mask.height || image.width != mask.width) return 1;
  for (std::size_t p = 0; p < mask.values.size(); ++p) {
    if ((mask.values[p] == value) != (image.rgb[3 * p] != 0)) return 1;
  }
  return 0;
}

}  // namespace volumes
