# nifti_clib's library for NIfTI-1 and NIfTI-2 by its header and library, as nifti2::nifti2. (Its own CMake package, where
# there is one, insists on the statistics library that comes with it.)
find_path(nifti2_INCLUDE_DIR nifti2_io.h PATH_SUFFIXES nifti)
find_library(nifti2_LIBRARY nifti2)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(nifti2 REQUIRED_VARS nifti2_LIBRARY nifti2_INCLUDE_DIR)
if(nifti2_FOUND AND NOT TARGET nifti2::nifti2)
  add_library(nifti2::nifti2 UNKNOWN IMPORTED)
  set_target_properties(nifti2::nifti2 PROPERTIES IMPORTED_LOCATION "${nifti2_LIBRARY}"
                                                  INTERFACE_INCLUDE_DIRECTORIES "${nifti2_INCLUDE_DIR}")
endif()
mark_as_advanced(nifti2_INCLUDE_DIR nifti2_LIBRARY)
