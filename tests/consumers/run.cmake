# cmake -DWAY=... -DSSAM_DIR=... -DBUILD_DIR=... -DPREFIX=... -DLIBDIR=... -DCOMPILER=... -DGENERATOR=... -P run.cmake
# Builds one consumer project from nothing and runs its program.
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(here ${CMAKE_CURRENT_LIST_DIR})
set(build ${BUILD_DIR}/${WAY})
file(REMOVE_RECURSE ${build})
file(MAKE_DIRECTORY ${build})
if(WAY STREQUAL "pkg_config")
  set(ENV{PKG_CONFIG_PATH} ${PREFIX}/${LIBDIR}/pkgconfig)
  run(sh ${here}/pkg_config/build.sh ${COMPILER} ${here}/main.cpp ${build}/consumer)
else()
  # CMAKE_BUILD_TYPE stays empty: what ssam itself would choose must not reach a parent.
  run(${CMAKE_COMMAND} -S ${here}/${WAY} -B ${build} -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${COMPILER}
      -DCMAKE_PREFIX_PATH=${PREFIX} -DSSAM_DIR=${SSAM_DIR} ${OPTIONS})
  run(${CMAKE_COMMAND} --build ${build})
endif()
run(${build}/consumer)
