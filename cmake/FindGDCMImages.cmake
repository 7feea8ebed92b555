# The parts of GDCM that decode compressed pictures, as GDCMImages::GDCMImages, by header and libraries. (Debian's own CMake
# package of it asks for VTK.)
find_path(GDCMImages_INCLUDE_DIR gdcmImage.h PATH_SUFFIXES gdcm-3.0 gdcm-3.1 gdcm-3.2)
set(GDCMImages_LIBRARIES)
foreach(part MSFF DSED Common)
  find_library(GDCMImages_${part}_LIBRARY gdcm${part})
  list(APPEND GDCMImages_LIBRARIES ${GDCMImages_${part}_LIBRARY})
  mark_as_advanced(GDCMImages_${part}_LIBRARY)
endforeach()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  GDCMImages REQUIRED_VARS GDCMImages_MSFF_LIBRARY GDCMImages_DSED_LIBRARY GDCMImages_Common_LIBRARY
                           GDCMImages_INCLUDE_DIR)
if(GDCMImages_FOUND AND NOT TARGET GDCMImages::GDCMImages)
  add_library(GDCMImages::GDCMImages INTERFACE IMPORTED)
  set_target_properties(GDCMImages::GDCMImages PROPERTIES INTERFACE_LINK_LIBRARIES "${GDCMImages_LIBRARIES}"
                                                          INTERFACE_INCLUDE_DIRECTORIES "${GDCMImages_INCLUDE_DIR}")
endif()
mark_as_advanced(GDCMImages_INCLUDE_DIR)
