#pragma once

#include <cuda_runtime.h>

/// The emulation's cuSOLVER: the singular value decomposition by polar decomposition, in double precision.

enum cusolverStatus_t {
  CUSOLVER_STATUS_SUCCESS = 0,
  CUSOLVER_STATUS_NOT_INITIALIZED = 1,
  CUSOLVER_STATUS_ALLOC_FAILED = 2,
  CUSOLVER_STATUS_INVALID_VALUE = 3,
  CUSOLVER_STATUS_EXECUTION_FAILED = 6,
  CUSOLVER_STATUS_INTERNAL_ERROR = 7,
  CUSOLVER_STATUS_NOT_SUPPORTED = 9,
};
enum cusolverEigMode_t { CUSOLVER_EIG_MODE_NOVECTOR = 0, CUSOLVER_EIG_MODE_VECTOR = 1 };

struct cusolverDnContext;
using cusolverDnHandle_t = cusolverDnContext*;
struct cusolverDnParams;
using cusolverDnParams_t = cusolverDnParams*;

cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle);
cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle);
cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream);
cusolverStatus_t cusolverDnCreateParams(cusolverDnParams_t* params);
cusolverStatus_t cusolverDnDestroyParams(cusolverDnParams_t params);

cusolverStatus_t cusolverDnXgesvdp_bufferSize(
    cusolverDnHandle_t handle, cusolverDnParams_t params, cusolverEigMode_t jobz, int econ, std::int64_t m,
    std::int64_t n, cudaDataType dataTypeA, const void* A, std::int64_t lda, cudaDataType dataTypeS, const void* S,
    cudaDataType dataTypeU, const void* U, std::int64_t ldu, cudaDataType dataTypeV, const void* V, std::int64_t ldv,
    cudaDataType computeType, std::size_t* workspaceInBytesOnDevice, std::size_t* workspaceInBytesOnHost);

/// A (m x n, column-major, destroyed) = U diag(S) V^T; U is m x min(m, n) and V n x min(m, n) where `econ` is 1.
cusolverStatus_t cusolverDnXgesvdp(cusolverDnHandle_t handle, cusolverDnParams_t params, cusolverEigMode_t jobz,
                                   int econ, std::int64_t m, std::int64_t n, cudaDataType dataTypeA, void* A,
                                   std::int64_t lda, cudaDataType dataTypeS, void* S, cudaDataType dataTypeU, void* U,
                                   std::int64_t ldu, cudaDataType dataTypeV, void* V, std::int64_t ldv,
                                   cudaDataType computeType, void* bufferOnDevice, std::size_t workspaceInBytesOnDevice,
                                   void* bufferOnHost, std::size_t workspaceInBytesOnHost, int* d_info,
                                   double* h_err_sigma);
