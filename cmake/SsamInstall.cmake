# `cmake --install`: the headers, the package for find_package(ssam) and ssam.pc (component ssam_development), and where
# the examples are built the program with its small model (component ssam_program, see examples/ssam_program/CMakeLists.txt).
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ssam)

install(TARGETS ssam_headers EXPORT ssamTargets COMPONENT ssam_development
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS ssam_cuda EXPORT ssamCudaTargets COMPONENT ssam_development)
if(SSAM_BUILD_EXAMPLES OR SSAM_BUILD_TESTS)  # which use it: elsewhere nobody waits for its compilation
  set_target_properties(ssam_compiled PROPERTIES EXCLUDE_FROM_ALL FALSE)
  install(TARGETS ssam_compiled EXPORT ssamCompiledTargets DESTINATION ${CMAKE_INSTALL_LIBDIR}
          COMPONENT ssam_development)
  install(EXPORT ssamCompiledTargets NAMESPACE ssam:: DESTINATION ${package_dir} COMPONENT ssam_development)
endif()
install(DIRECTORY include/ssam DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT ssam_development)
install(EXPORT ssamTargets NAMESPACE ssam:: DESTINATION ${package_dir} COMPONENT ssam_development)
install(EXPORT ssamCudaTargets NAMESPACE ssam:: DESTINATION ${package_dir} COMPONENT ssam_development)
configure_package_config_file(cmake/ssamConfig.cmake.in ssamConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(ssamConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ssamConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/ssamConfigVersion.cmake
              cmake/FindGDCMImages.cmake cmake/Findnifti2.cmake cmake/FindoneDNN.cmake cmake/FindOpenCVImages.cmake
              cmake/Findxxhash.cmake
        DESTINATION ${package_dir} COMPONENT ssam_development)

# The same for pkg-config. eigen3 and nlohmann_json have .pc files of their own; the rest is named by its flags.
set(SSAM_PC_CFLAGS "")
set(SSAM_PC_LIBS "")
if("OpenMP" IN_LIST SSAM_FOUND_PARTS)
  string(APPEND SSAM_PC_CFLAGS " ${OpenMP_CXX_FLAGS}")
  string(APPEND SSAM_PC_LIBS " ${OpenMP_CXX_FLAGS}")
endif()
if("oneDNN" IN_LIST SSAM_FOUND_PARTS)
  string(APPEND SSAM_PC_CFLAGS " -DSSAM_WITH_ONEDNN")
  string(APPEND SSAM_PC_LIBS " -ldnnl")
  if(NOT oneDNN_INCLUDE_DIR IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
    string(APPEND SSAM_PC_CFLAGS " -I${oneDNN_INCLUDE_DIR}")
  endif()
  cmake_path(GET oneDNN_LIBRARY PARENT_PATH folder)
  if(NOT folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
    string(APPEND SSAM_PC_LIBS " -L${folder}")
  endif()
endif()
if("OpenCVImages" IN_LIST SSAM_FOUND_PARTS)
  find_path(OpenCVImages_INCLUDE_DIR opencv2/imgcodecs.hpp PATH_SUFFIXES opencv4 HINTS ${OpenCV_INCLUDE_DIRS})
  string(APPEND SSAM_PC_CFLAGS " -DSSAM_WITH_OPENCV -I${OpenCVImages_INCLUDE_DIR}")
  string(APPEND SSAM_PC_LIBS " -lopencv_imgcodecs -lopencv_imgproc -lopencv_core -ljpeg")
endif()
if("nifti2" IN_LIST SSAM_FOUND_PARTS)
  string(APPEND SSAM_PC_CFLAGS " -DSSAM_WITH_NIFTI -I${nifti2_INCLUDE_DIR}")
  string(APPEND SSAM_PC_LIBS " -lnifti2")
endif()
if("GDCMImages" IN_LIST SSAM_FOUND_PARTS)
  string(APPEND SSAM_PC_CFLAGS " -DSSAM_WITH_DICOM -I${GDCMImages_INCLUDE_DIR}")
  string(APPEND SSAM_PC_LIBS " -lgdcmMSFF -lgdcmDSED -lgdcmCommon")
endif()
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
           OUTPUT_VARIABLE SSAM_PC_PREFIX)
configure_file(cmake/ssam.pc.in ssam.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ssam.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT ssam_development)
