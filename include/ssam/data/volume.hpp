#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <ssam/core/error.hpp>
#include <ssam/core/shape.hpp>
#include <ssam/data/intensity.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// The first three rows of a matrix [4, 4] whose last row is 0, 0, 0, 1: position = A * (i, j, k, 1).
using Affine = std::array<std::array<double, 4>, 3>;

/// What a NIfTI header says about the place of its voxels, number by number, so that a mask can say the same.
struct NiftiPlacement {
  int version = 1;     ///< of the format: 1 or 2
  int qform_code = 0;  ///< what the quaternion's space is; 0: no quaternion
  int sform_code = 0;  ///< what the matrix' space is; 0: no matrix
  int units = 0;       ///< NIfTI's code of the unit of lengths: 0 unknown, 1 m, 2 mm, 3 micrometres
  std::array<double, 4> pixdim{1, 1, 1, 1};  ///< the quaternion's handedness (-1 or 1), the spacings in `units`
  std::array<double, 3> quaternion{};        ///< b, c, d
  std::array<double, 3> offset{};            ///< of the quaternion's form, in `units`
  Affine sform{};                            ///< in `units`

  bool operator==(const NiftiPlacement&) const = default;  ///< number by number
};

/// Where voxels (i, j, k) are. Voxel numbers stand for centres.
struct VolumeGrid {
  std::array<Index, 3> extents{};  ///< voxels along i, j and k
  /// From voxel numbers to millimetres, x to the patient's right, y to the front, z to the head (RAS).
  Affine affine{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
  std::optional<NiftiPlacement> nifti{};  ///< of a volume that was read from NIfTI: what save_nifti() writes again
  /// Whether the file says how long a voxel is, along every axis of more than one; else 1 mm was assumed.
  bool millimetres = true;

  /// Number of voxels.
  Index voxels() const { return extents[0] * extents[1] * extents[2]; }
  /// Place of voxel (`i`, `j`, `k`) in `values`, i fastest.
  std::size_t at(Index i, Index j, Index k) const {
    return static_cast<std::size_t>(i + extents[0] * (j + extents[1] * k));
  }
  /// Millimetres from one voxel to the next along i, j and k.
  std::array<double, 3> spacing() const {
    std::array<double, 3> lengths{};
    for (std::size_t c = 0; c < 3; ++c) lengths[c] = std::hypot(affine[0][c], affine[1][c], affine[2][c]);
    return lengths;
  }
  bool operator==(const VolumeGrid&) const = default;  ///< number by number
};

/// A volume of grey values in their own unit (Hounsfield units of a CT).
struct Volume : VolumeGrid {
  std::vector<float> values;                ///< i fastest; NaN and infinities as they are stored
  std::optional<IntensityRange> display{};  ///< the range that the file says is to be shown, where it says one
  bool inverted = false;                    ///< the lowest value is shown white (DICOM's MONOCHROME1)
  std::vector<std::string> notes{};         ///< what is worth knowing about how it was read, a sentence each
};

/// A number per voxel: 0 is background, 1..255 are labels.
struct LabelVolume : VolumeGrid {
  std::vector<std::uint8_t> values;  ///< i fastest

  LabelVolume() = default;  ///< of no voxels
  /// Background everywhere, on the voxels of `grid`.
  explicit LabelVolume(const VolumeGrid& grid) : VolumeGrid(grid), values(static_cast<std::size_t>(grid.voxels())) {}
};

/// The labels that a volume of whole numbers holds. Throws FormatError, with `where` as the place, for a value that is
/// no whole number from 0 to 255.
inline LabelVolume to_labels(const Volume& volume, const std::string& where) {
  LabelVolume labels(volume);
  for (std::size_t v = 0; v < volume.values.size(); ++v) {
    const float value = volume.values[v];
    if (!(value >= 0 && value <= 255 && value == std::floor(value))) {
      const bool high = value > 255 && value == std::floor(value);
      throw FormatError(
          ErrorText{.what = high ? "this volume holds a label above 255" : "this volume holds no labels",
                    .where = where,
                    .expected = "whole numbers from 0 to 255",
                    .found = detail::shortest(static_cast<double>(value)),
                    .advice = high ? "number its labels anew from 1 to 255, or merge some; if it is the picture, give "
                                     "its mask"
                                   : "give the mask, not the picture"});
    }
    labels.values[v] = static_cast<std::uint8_t>(value);
  }
  return labels;
}

namespace detail {

/// Determinant of the matrix without its last column.
inline double determinant(const Affine& a) {
  return a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1]) - a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0]) +
         a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0]);
}

/// Throws FormatError unless the affine gives every voxel a place of its own.
inline void check_affine(const VolumeGrid& grid, const std::string& where, const std::string& name) {
  double product = 1;
  for (const double length : grid.spacing()) product *= length;
  const double volume = determinant(grid.affine);
  bool finite = std::isfinite(volume) && std::isfinite(product);
  for (const auto& row : grid.affine) finite = finite && std::isfinite(row[3]);
  if (finite && std::abs(volume) > 1e-6 * product && product > 0) return;
  throw FormatError(ErrorText{.what = "the place of the voxels makes no sense",
                              .where = where,
                              .expected = "three directions that span the space",
                              .found = name + (finite ? " that is flat" : " that is not finite"),
                              .advice = "write it anew with a valid orientation"});
}

/// The number of voxels of extents that are each at least 1. Throws FormatError where no memory can hold it.
inline std::uint64_t checked_voxels(const std::array<std::uint64_t, 3>& extents, const std::string& where) {
  std::uint64_t voxels = 1;
  for (const std::uint64_t extent : extents) {
    if (extent > (std::uint64_t{1} << 40) / voxels) {
      throw FormatError(ErrorText{
          .what = "the volume is larger than any",
          .where = where,
          .expected = "at most 2^40 voxels",
          .found = std::to_string(extents[0]) + " x " + std::to_string(extents[1]) + " x " + std::to_string(extents[2]),
          .advice = "the file is damaged: use a whole copy of it"});
    }
    voxels *= extent;
  }
  return voxels;
}

}  // namespace detail

}  // namespace ssam::inline SSAM_ABI
