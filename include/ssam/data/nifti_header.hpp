#pragma once

#include <nifti2_io.h>

#include <bit>
#include <cstddef>
#include <cstring>
#include <ssam/data/volume.hpp>
#include <ssam/io/names.hpp>
#include <string>
#include <string_view>

namespace ssam::inline SSAM_ABI::detail {

/// What a NIfTI header says, of either version and byte order. Everything in it was checked.
struct NiftiHeader {
  std::array<std::uint64_t, 3> extents{1, 1, 1};
  std::uint64_t volumes = 1;   ///< along the fourth axis
  int datatype = 0;            ///< NIfTI's code
  std::size_t bytes_each = 1;  ///< of a voxel
  bool swapped = false;        ///< the voxels' bytes are in the other order
  bool pair = false;           ///< the voxels are in a file of their own
  std::uint64_t offset = 0;    ///< of the first voxel in its file
  double slope = 1, inter = 0;
  NiftiPlacement placement;
};

/// Bytes at the start of a file that are enough for a header of either version.
inline constexpr std::size_t nifti_header_bytes = sizeof(nifti_2_header);

[[noreturn]] inline void refuse_nifti(const std::string& where, const std::string& expected, const std::string& found,
                                      const std::string& advice = "the file is damaged: use a whole copy of it") {
  throw FormatError(ErrorText{
      .what = "not a usable NIfTI file", .where = where, .expected = expected, .found = found, .advice = advice});
}

inline std::string nifti_type_name(int datatype) {
  switch (datatype) {
    case NIFTI_TYPE_COMPLEX64:
    case NIFTI_TYPE_COMPLEX128:
    case NIFTI_TYPE_COMPLEX256:
      return "complex numbers";
    case NIFTI_TYPE_RGB24:
    case NIFTI_TYPE_RGBA32:
      return "colours";
    case NIFTI_TYPE_FLOAT128:
      return "floating point numbers of 128 bits";
    case DT_BINARY:
      return "single bits";
    default:
      return "voxels of the unknown type " + std::to_string(datatype);
  }
}

/// Bytes of a voxel of a type that is read; 0 for the others.
inline std::size_t nifti_type_bytes(int datatype) {
  switch (datatype) {
    case NIFTI_TYPE_UINT8:
    case NIFTI_TYPE_INT8:
    case NIFTI_TYPE_INT16:
    case NIFTI_TYPE_UINT16:
    case NIFTI_TYPE_INT32:
    case NIFTI_TYPE_UINT32:
    case NIFTI_TYPE_INT64:
    case NIFTI_TYPE_UINT64:
    case NIFTI_TYPE_FLOAT32:
    case NIFTI_TYPE_FLOAT64:
      break;
    default:
      return 0;
  }
  int bytes = 0, swap = 0;
  nifti_datatype_sizes(datatype, &bytes, &swap);
  return static_cast<std::size_t>(bytes);
}

/// What both versions call by the same names; the header's bytes are in this machine's order.
template <class Stored>
NiftiHeader read_nifti_fields(const Stored& stored, const std::string& where) {
  NiftiHeader header;
  const auto rank = stored.dim[0];
  if (rank < 1 || rank > 7) refuse_nifti(where, "1 to 7 axes", std::to_string(rank));
  for (int axis = 1; axis <= rank; ++axis) {
    if (stored.dim[axis] < 1) {
      refuse_nifti(where, "at least 1 voxel along axis " + std::to_string(axis), std::to_string(stored.dim[axis]));
    }
    const auto extent = static_cast<std::uint64_t>(stored.dim[axis]);
    if (axis <= 3) header.extents[static_cast<std::size_t>(axis - 1)] = extent;
    if (axis == 4) header.volumes = extent;
    if (axis > 4 && extent > 1) {
      refuse_nifti(where, "one number per voxel", std::to_string(extent) + " along axis " + std::to_string(axis),
                   "store each component as a volume of its own");
    }
  }
  // The library's own bound comes with the voxels; the product with the fourth axis must fit as well.
  const std::uint64_t voxels = checked_voxels(header.extents, where);
  if (header.volumes > (std::uint64_t{1} << 40) / voxels) {
    refuse_nifti(where, "at most 2^40 voxels", std::to_string(header.volumes) + " volumes");
  }
  header.datatype = stored.datatype;
  header.bytes_each = nifti_type_bytes(header.datatype);
  if (header.bytes_each == 0) {
    refuse_nifti(where, "one integer or floating point number per voxel", nifti_type_name(header.datatype),
                 "store grey values as integers or as float32");
  }
  // The standard: a slope of 0 is none. Writers leave NaN there, too.
  const auto slope = static_cast<double>(stored.scl_slope), inter = static_cast<double>(stored.scl_inter);
  if (std::isfinite(slope) && slope != 0) {
    if (!std::isfinite(inter)) refuse_nifti(where, "a finite intercept beside the slope", std::to_string(inter));
    header.slope = slope;
    header.inter = inter;
  }
  NiftiPlacement& place = header.placement;
  place.qform_code = stored.qform_code;
  place.sform_code = stored.sform_code;
  place.units = stored.xyzt_units & 7;
  for (std::size_t i = 0; i < 4; ++i) {
    place.pixdim[i] = static_cast<double>(stored.pixdim[i]);
    place.sform[0][i] = static_cast<double>(stored.srow_x[i]);
    place.sform[1][i] = static_cast<double>(stored.srow_y[i]);
    place.sform[2][i] = static_cast<double>(stored.srow_z[i]);
  }
  place.quaternion = {static_cast<double>(stored.quatern_b), static_cast<double>(stored.quatern_c),
                      static_cast<double>(stored.quatern_d)};
  place.offset = {static_cast<double>(stored.qoffset_x), static_cast<double>(stored.qoffset_y),
                  static_cast<double>(stored.qoffset_z)};
  return header;
}

/// Where the voxels of a file begin: `stored` is the header's word, `least` what stands before them.
inline std::uint64_t nifti_offset(double stored, bool pair, std::uint64_t least, const std::string& where) {
  if (!pair && stored == 0) return least;  // writers that mean the usual place
  if (!(stored >= (pair ? 0 : static_cast<double>(least)) && stored < 9e15) || stored != std::floor(stored)) {
    refuse_nifti(where, "voxels behind the header", "voxels from byte " + std::to_string(stored) + " on");
  }
  return static_cast<std::uint64_t>(stored);
}

/// Reads the header that `bytes` begin with (nifti_header_bytes of them, or the whole file). Throws FormatError.
inline NiftiHeader parse_nifti_header(std::string_view bytes, const std::string& where) {
  std::int32_t size = 0;
  if (bytes.size() >= sizeof size) std::memcpy(&size, bytes.data(), sizeof size);
  const bool swapped = size != sizeof(nifti_1_header) && size != sizeof(nifti_2_header);
  if (swapped) size = static_cast<std::int32_t>(__builtin_bswap32(static_cast<std::uint32_t>(size)));
  if (size != sizeof(nifti_1_header) && size != sizeof(nifti_2_header)) {
    refuse_nifti(where, "a header that begins with its size, 348 or 540", "other content",
                 "is it really a NIfTI file?");
  }
  if (bytes.size() < static_cast<std::size_t>(size)) {
    refuse_nifti(where, "a header of " + std::to_string(size) + " bytes",
                 "a file of " + std::to_string(bytes.size()) + " bytes");
  }
  NiftiHeader header;
  if (size == sizeof(nifti_1_header)) {
    nifti_1_header stored;
    std::memcpy(&stored, bytes.data(), sizeof stored);
    const std::string_view magic(stored.magic, 4);
    if (magic != std::string_view("n+1\0", 4) && magic != std::string_view("ni1\0", 4)) {
      refuse_nifti(
          where, "NIfTI's mark n+1 or ni1", shown(magic),
          "an Analyze 7.5 header does not say which side is left: convert it to NIfTI with a program that knows");
    }
    if (swapped) nifti_swap_as_nifti1(&stored);
    header = read_nifti_fields(stored, where);
    header.pair = magic[1] == 'i';
    header.offset = nifti_offset(static_cast<double>(stored.vox_offset), header.pair, 352, where);
  } else {
    nifti_2_header stored;
    std::memcpy(&stored, bytes.data(), sizeof stored);
    const std::string_view magic(stored.magic, 8);
    if (magic != std::string_view("n+2\0\r\n\032\n", 8) && magic != std::string_view("ni2\0\r\n\032\n", 8)) {
      refuse_nifti(where, "the mark of NIfTI-2, n+2 or ni2 and the line ends behind it", shown(magic));
    }
    if (swapped) nifti_swap_as_nifti2(&stored);
    header = read_nifti_fields(stored, where);
    header.placement.version = 2;
    header.pair = magic[1] == 'i';
    header.offset = nifti_offset(static_cast<double>(stored.vox_offset), header.pair, 544, where);
  }
  header.swapped = swapped;
  return header;
}

/// From voxel numbers to millimetres: by the matrix, else by the quaternion (the standard's third and second method).
/// With neither, as Analyze's files are understood: x runs to the left, the middle of the volume is the origin.
inline Affine nifti_affine(const NiftiPlacement& place, const std::array<Index, 3>& extents) {
  const double to_mm = place.units == NIFTI_UNITS_METER ? 1e3 : place.units == NIFTI_UNITS_MICRON ? 1e-3 : 1;
  std::array<double, 3> steps{};
  for (std::size_t i = 0; i < 3; ++i) {  // a spacing has no sign; the header's unused ones are often 0
    const double step = std::abs(place.pixdim[i + 1]);
    steps[i] = std::isfinite(step) && step > 0 ? step : 1;
  }
  Affine affine{};
  if (place.sform_code > 0) {
    affine = place.sform;
  } else if (place.qform_code > 0) {
    const auto& [b, c, d] = place.quaternion;
    const nifti_dmat44 matrix = nifti_quatern_to_dmat44(b, c, d, place.offset[0], place.offset[1], place.offset[2],
                                                        steps[0], steps[1], steps[2], place.pixdim[0] < 0 ? -1 : 1);
    for (std::size_t r = 0; r < 3; ++r) {
      for (std::size_t i = 0; i < 4; ++i) affine[r][i] = matrix.m[r][i];
    }
  } else {
    for (std::size_t i = 0; i < 3; ++i) {
      affine[i][i] = i == 0 ? -steps[i] : steps[i];
      affine[i][3] = -affine[i][i] * static_cast<double>(extents[i] - 1) / 2;
    }
  }
  for (auto& row : affine) {
    for (double& number : row) number *= to_mm;
  }
  return affine;
}

/// Whether a header says how long a voxel is along every axis of more than one: in a unit, and, where the matrix does
/// not say it, by spacings. Without a unit (many programs leave it out) the place in a patient's space is in
/// millimetres.
inline bool says_millimetres(const NiftiPlacement& place, const std::array<Index, 3>& extents) {
  const bool placed = place.sform_code > 0 || place.qform_code > 0;
  bool said = place.units == NIFTI_UNITS_UNKNOWN ? placed : place.units <= NIFTI_UNITS_MICRON;
  for (std::size_t i = 0; i < 3 && place.sform_code <= 0; ++i) {
    const double step = std::abs(place.pixdim[i + 1]);
    said = said && (extents[i] == 1 || (std::isfinite(step) && step > 0));
  }
  return said;
}

/// The placement that save_nifti() writes: the one that was read, unless the grid was moved since.
inline NiftiPlacement placement_of(const VolumeGrid& grid) {
  if (grid.nifti && nifti_affine(*grid.nifti, grid.extents) == grid.affine) return *grid.nifti;
  NiftiPlacement place{.sform_code = NIFTI_XFORM_SCANNER_ANAT, .units = NIFTI_UNITS_MM, .sform = grid.affine};
  nifti_dmat44 matrix{};
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t i = 0; i < 4; ++i) matrix.m[r][i] = grid.affine[r][i];
  }
  nifti_dmat44_to_quatern(matrix, &place.quaternion[0], &place.quaternion[1], &place.quaternion[2], &place.offset[0],
                          &place.offset[1], &place.offset[2], &place.pixdim[1], &place.pixdim[2], &place.pixdim[3],
                          &place.pixdim[0]);
  // A quaternion knows no shear; where there is one, the matrix speaks alone.
  place.qform_code = NIFTI_XFORM_SCANNER_ANAT;
  NiftiPlacement turned = place;
  turned.sform_code = 0;
  const Affine back = nifti_affine(turned, grid.extents);
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t i = 0; i < 3; ++i) {
      if (std::abs(back[r][i] - grid.affine[r][i]) > 1e-4 * place.pixdim[i + 1]) place.qform_code = 0;
    }
  }
  return place;
}

/// The header of one 3D volume of uint8 labels, as bytes up to the first voxel.
template <class Stored>
std::string compose_nifti_header(const VolumeGrid& grid, const NiftiPlacement& place, std::string_view magic) {
  Stored stored{};
  const std::size_t offset = sizeof stored + 4;  // four bytes that say: no extension
  stored.sizeof_hdr = sizeof stored;
  stored.dim[0] = 3;
  for (std::size_t i = 1; i < 8; ++i) {
    stored.dim[i] = i <= 3 ? static_cast<std::remove_reference_t<decltype(stored.dim[0])>>(grid.extents[i - 1]) : 1;
  }
  using Real = std::remove_reference_t<decltype(stored.srow_x[0])>;
  stored.datatype = NIFTI_TYPE_UINT8;
  stored.bitpix = 8;
  stored.scl_slope = 1;
  stored.intent_code = NIFTI_INTENT_LABEL;
  stored.vox_offset = static_cast<decltype(stored.vox_offset)>(offset);
  stored.xyzt_units = static_cast<decltype(stored.xyzt_units)>(place.units);
  stored.qform_code = static_cast<decltype(stored.qform_code)>(place.qform_code);
  stored.sform_code = static_cast<decltype(stored.sform_code)>(place.sform_code);
  for (std::size_t i = 0; i < 4; ++i) {
    stored.pixdim[i] = static_cast<Real>(place.pixdim[i]);
    stored.srow_x[i] = static_cast<Real>(place.sform[0][i]);
    stored.srow_y[i] = static_cast<Real>(place.sform[1][i]);
    stored.srow_z[i] = static_cast<Real>(place.sform[2][i]);
  }
  stored.quatern_b = static_cast<Real>(place.quaternion[0]);
  stored.quatern_c = static_cast<Real>(place.quaternion[1]);
  stored.quatern_d = static_cast<Real>(place.quaternion[2]);
  stored.qoffset_x = static_cast<Real>(place.offset[0]);
  stored.qoffset_y = static_cast<Real>(place.offset[1]);
  stored.qoffset_z = static_cast<Real>(place.offset[2]);
  std::memcpy(stored.magic, magic.data(), magic.size());
  std::string bytes(offset, '\0');
  std::memcpy(bytes.data(), &stored, sizeof stored);
  return bytes;
}

}  // namespace ssam::inline SSAM_ABI::detail
