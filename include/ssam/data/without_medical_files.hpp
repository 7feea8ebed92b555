#pragma once

// What reads NIfTI and DICOM, for programs that are compiled without their libraries: a sentence of the compiler in
// place of names that are not there. (load_volume() is always there and says so when it runs.)
#include <ssam/data/picture.hpp>
#include <ssam/data/volume.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {
template <class...>
inline constexpr bool with_medical_files = false;
}  // namespace detail

#define SSAM_NEEDS(name, library, package)                \
  static_assert(detail::with_medical_files<Arguments...>, \
                "ssam: " name " needs " library ": link ssam::ssam of a build that found it (Debian: " package ")")

#if !defined(SSAM_WITH_NIFTI)
/// Not in this build: needs nifti_clib.
template <class... Arguments>
Volume load_nifti(const Arguments&...) {
  SSAM_NEEDS("load_nifti", "nifti_clib", "libnifti2-dev");
  return {};
}
/// Not in this build: needs nifti_clib.
template <class... Arguments>
void save_nifti(const Arguments&...) {
  SSAM_NEEDS("save_nifti", "nifti_clib", "libnifti2-dev");
}
#endif
#if !defined(SSAM_WITH_DICOM)
/// Not in this build: needs GDCM.
template <class... Arguments>
Volume load_dicom(const Arguments&...) {
  SSAM_NEEDS("load_dicom", "GDCM", "libgdcm-dev");
  return {};
}
/// Not in this build: needs GDCM.
template <class... Arguments>
Image load_dicom_picture(const Arguments&...) {
  SSAM_NEEDS("load_dicom_picture", "GDCM", "libgdcm-dev");
  return {};
}
#endif

#undef SSAM_NEEDS

}  // namespace ssam::inline SSAM_ABI
