# ssam::cuda, the same library on NVIDIA GPUs: for sources that nvcc compiles. It names the toolkit's libraries only, so an
# installed ssam offers it as find_package(ssam COMPONENTS cuda) whatever this build is for.
add_library(ssam_cuda INTERFACE)
set_target_properties(ssam_cuda PROPERTIES EXPORT_NAME cuda)
target_link_libraries(ssam_cuda INTERFACE ssam_headers CUDA::cudart CUDA::cublas CUDA::cublasLt CUDA::cusolver)
# Eigen is the host's only. CMake 3.25 does not know cuda_std_20. --expt-relaxed-constexpr: kernels use constexpr
# functions. OpenMP's own target knows no CUDA sources, but all objects of a program must have the same pool.
target_compile_definitions(ssam_cuda INTERFACE SSAM_WITH_CUDA EIGEN_NO_CUDA)
set(flags -std=c++20 --expt-relaxed-constexpr)
if(OpenMP_CXX_FOUND)
  list(APPEND flags -Xcompiler=-fopenmp)
endif()
target_compile_options(ssam_cuda INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:${flags}>")

if(SSAM_WITH_CUDA)
  add_library(ssam::cuda ALIAS ssam_cuda)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90)  # 90: its code, and PTX for what comes after
  endif()
  find_package(CUDAToolkit 12 REQUIRED)  # before the language: it also finds an nvcc that is not on the path
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
  endif()
  enable_language(CUDA)
  list(APPEND SSAM_FOUND_PARTS CUDA)
endif()
