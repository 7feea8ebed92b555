# `cmake --build BUILD --target docs`: the API reference, in BUILD/docs/index.html. It fails where something is
# undocumented.
find_package(Doxygen QUIET)
if(DOXYGEN_FOUND)
  set(ROOT ${PROJECT_SOURCE_DIR})
  set(OUTPUT ${PROJECT_BINARY_DIR}/docs)
  set(VERSION ${PROJECT_VERSION})
  configure_file(cmake/Doxyfile.in Doxyfile @ONLY)
  add_custom_target(
    docs
    COMMAND ${CMAKE_COMMAND} -E make_directory ${OUTPUT}
    COMMAND ${DOXYGEN_EXECUTABLE} ${PROJECT_BINARY_DIR}/Doxyfile
    COMMENT "The API reference: ${OUTPUT}/index.html"
    VERBATIM)
else()
  add_custom_target(
    docs
    COMMAND ${CMAKE_COMMAND} -E echo "docs: the API reference needs doxygen: install it and configure again"
    COMMAND ${CMAKE_COMMAND} -E false
    VERBATIM)
endif()
