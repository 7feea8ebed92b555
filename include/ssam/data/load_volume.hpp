#pragma once

#include <ssam/data/dicom_set.hpp>
#include <ssam/data/volume.hpp>
#include <ssam/io/names.hpp>
#if defined(SSAM_WITH_NIFTI)
#include <ssam/data/nifti.hpp>
#endif
#if defined(SSAM_WITH_DICOM)
#include <ssam/data/dicom.hpp>
#endif

namespace ssam::inline SSAM_ABI {

/// What a file is read as.
enum class FileKind {
  picture,  ///< PNG, JPEG, BMP, or nothing that is known
  nifti,    ///< NIfTI-1 or NIfTI-2
  dicom,    ///< a DICOM file, or a folder
};

/// The kind of the file at `path`, by its content, else by its name. Throws IoError for what cannot be opened.
inline FileKind file_kind(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) return FileKind::dicom;
  const ByteSource source = ByteSource::file(path);
  const std::string start =
      source.read_string(0, static_cast<std::size_t>(std::min<std::uint64_t>(132, source.size())));
  constexpr std::array<std::string_view, 4> sizes{std::string_view("\x5c\1\0\0", 4), std::string_view("\0\0\1\x5c", 4),
                                                  std::string_view("\x1c\2\0\0", 4), std::string_view("\0\0\2\x1c", 4)};
  if (std::find(sizes.begin(), sizes.end(), std::string_view(start).substr(0, 4)) != sizes.end()) {
    return FileKind::nifti;
  }
  if (detail::may_be_dicom(start)) return FileKind::dicom;
  const std::string name = detail::lower_case(path.filename().string());
  for (const char* end : {".nii", ".nii.gz", ".img", ".img.gz", ".hdr", ".hdr.gz"}) {
    if (name.ends_with(end)) return FileKind::nifti;
  }
  return name.ends_with(".dcm") ? FileKind::dicom : FileKind::picture;
}

/// What to take out of a file, or a folder, that leaves a choice.
struct VolumeOptions {
  std::optional<Index> volume = {};  ///< NIfTI with a fourth axis: the number of a volume, from 0
  std::string series = {};           ///< a folder of DICOM: the SeriesInstanceUID; "": the only one
};

namespace detail {
[[noreturn]] inline void not_in_this_build(const std::filesystem::path& path, const std::string& format,
                                           const std::string& package) {
  throw ConfigError(ErrorText{.what = "this build of ssam does not read " + format,
                              .where = path.string(),
                              .advice = "build it anew where " + package + " is installed"});
}
}  // namespace detail

/// Reads a NIfTI file, a DICOM file or a folder of a DICOM series. Throws as load_nifti and load_dicom; FormatError for
/// another file; ConfigError where this build lacks the format.
inline Volume load_volume(const std::filesystem::path& path, const VolumeOptions& options = {}) {
  const FileKind kind = file_kind(path);
  if (kind == FileKind::nifti) {
#if defined(SSAM_WITH_NIFTI)
    return load_nifti(path, {.volume = options.volume});
#else
    detail::not_in_this_build(path, "NIfTI", "nifti_clib (Debian: libnifti2-dev)");
#endif
  }
  if (kind == FileKind::dicom) {
#if defined(SSAM_WITH_DICOM)
    return load_dicom(path, {.series = options.series});
#else
    detail::not_in_this_build(path, "DICOM", "GDCM (Debian: libgdcm-dev)");
#endif
  }
  static_cast<void>(options);
  throw FormatError(ErrorText{.what = "this file holds no volume",
                              .where = path.string(),
                              .expected = "NIfTI, DICOM, or a folder of a DICOM series"});
}

/// Where the voxels of a file are: of NIfTI without reading them, of DICOM as load_volume. Throws as load_volume.
inline VolumeGrid load_volume_grid(const std::filesystem::path& path) {
#if defined(SSAM_WITH_NIFTI)
  if (file_kind(path) == FileKind::nifti) return load_nifti_grid(path);
#endif
  return load_volume(path);
}

}  // namespace ssam::inline SSAM_ABI
