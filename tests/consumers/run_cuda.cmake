# cmake -DSOURCE=... -DBUILD_DIR=... -DPREFIX=... -DCOMPILER=... -DNVCC=... -DGENERATOR=... -P run_cuda.cmake
# Builds the program for NVIDIA GPUs from nothing and runs it. It needs no GPU: where there is none, or no driver for one,
# the program has to say so and end with 1.
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

if(NOT NVCC)
  message("skipped: this test compiles with nvcc 12 or newer, and there is none here")
  return()
endif()
file(REMOVE_RECURSE ${BUILD_DIR})
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD_DIR} -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${COMPILER}
    -DCMAKE_CUDA_HOST_COMPILER=${COMPILER} -DNVCC=${NVCC} -DCMAKE_PREFIX_PATH=${PREFIX})
run(${CMAKE_COMMAND} --build ${BUILD_DIR})
execute_process(COMMAND ${BUILD_DIR}/consumer RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE error)
message("${output}${error}")
if(result EQUAL 0 AND output MATCHES "embedding in bfloat16")
  message("the GPU agrees with the host")
elseif(result EQUAL 1 AND error MATCHES "no NVIDIA (GPU|driver) on this machine")
  message("there is no GPU here; the program says so")
else()
  message(FATAL_ERROR "the program ended with ${result}")
endif()
