#include <cusolverDn.h>

#include <Eigen/SVD>
#include <cstring>
#include <set>

#include "memory.hpp"
#include "runtime.hpp"

struct cusolverDnContext {};
struct cusolverDnParams {};

namespace ssam_emulation {

namespace {

template <class Handle>
std::set<Handle>& live() {
  static std::set<Handle>& all = *new std::set<Handle>;
  return all;
}

using Matrix = Eigen::MatrixXd;
using View = Eigen::Map<Matrix, Eigen::Unaligned, Eigen::OuterStride<>>;

std::size_t column_major_bytes(std::int64_t rows, std::int64_t cols, std::int64_t ld) {
  return static_cast<std::size_t>((cols - 1) * ld + rows) * sizeof(double);
}

struct Sizes {
  std::int64_t m, n, rank, u_cols, v_cols;
};
Sizes sizes(int econ, std::int64_t m, std::int64_t n) {
  const std::int64_t rank = std::min(m, n);
  return {m, n, rank, econ != 0 ? rank : m, econ != 0 ? rank : n};
}

/// Not what the real one needs, but enough to notice who passes another buffer or another size.
std::size_t device_workspace(const Sizes& s) { return static_cast<std::size_t>(s.m * s.n + 64) * sizeof(double); }
std::size_t host_workspace(const Sizes& s) { return static_cast<std::size_t>(s.rank + 64) * sizeof(double); }

}  // namespace

}  // namespace ssam_emulation

using namespace ssam_emulation;

cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle) {
  const std::lock_guard lock(api_mutex());
  if (check_machine() != cudaSuccess) return CUSOLVER_STATUS_NOT_INITIALIZED;
  *handle = new cusolverDnContext;
  live<cusolverDnHandle_t>().insert(*handle);
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle) {
  const std::lock_guard lock(api_mutex());
  if (live<cusolverDnHandle_t>().erase(handle) == 0) return CUSOLVER_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream) {
  const std::lock_guard lock(api_mutex());
  if (!live<cusolverDnHandle_t>().contains(handle)) return CUSOLVER_STATUS_NOT_INITIALIZED;
  check_stream(stream);
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnCreateParams(cusolverDnParams_t* params) {
  const std::lock_guard lock(api_mutex());
  *params = new cusolverDnParams;
  live<cusolverDnParams_t>().insert(*params);
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDestroyParams(cusolverDnParams_t params) {
  const std::lock_guard lock(api_mutex());
  if (live<cusolverDnParams_t>().erase(params) == 0) return CUSOLVER_STATUS_INVALID_VALUE;
  delete params;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnXgesvdp_bufferSize(cusolverDnHandle_t handle, cusolverDnParams_t params,
                                              cusolverEigMode_t jobz, int econ, std::int64_t m, std::int64_t n,
                                              cudaDataType dataTypeA, const void*, std::int64_t lda,
                                              cudaDataType dataTypeS, const void*, cudaDataType dataTypeU, const void*,
                                              std::int64_t ldu, cudaDataType dataTypeV, const void*, std::int64_t ldv,
                                              cudaDataType computeType, std::size_t* workspaceInBytesOnDevice,
                                              std::size_t* workspaceInBytesOnHost) {
  const std::lock_guard lock(api_mutex());
  if (!live<cusolverDnHandle_t>().contains(handle)) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (!live<cusolverDnParams_t>().contains(params)) return CUSOLVER_STATUS_INVALID_VALUE;
  for (const cudaDataType type : {dataTypeA, dataTypeS, dataTypeU, dataTypeV, computeType}) {
    if (type != CUDA_R_64F) return CUSOLVER_STATUS_NOT_SUPPORTED;
  }
  if (m < 1 || n < 1 || lda < m) return CUSOLVER_STATUS_INVALID_VALUE;
  if (jobz == CUSOLVER_EIG_MODE_VECTOR && (ldu < m || ldv < n)) return CUSOLVER_STATUS_INVALID_VALUE;
  *workspaceInBytesOnDevice = device_workspace(sizes(econ, m, n));
  *workspaceInBytesOnHost = host_workspace(sizes(econ, m, n));
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnXgesvdp(cusolverDnHandle_t handle, cusolverDnParams_t params, cusolverEigMode_t jobz,
                                   int econ, std::int64_t m, std::int64_t n, cudaDataType dataTypeA, void* A,
                                   std::int64_t lda, cudaDataType dataTypeS, void* S, cudaDataType dataTypeU, void* U,
                                   std::int64_t ldu, cudaDataType dataTypeV, void* V, std::int64_t ldv,
                                   cudaDataType computeType, void* bufferOnDevice, std::size_t workspaceInBytesOnDevice,
                                   void* bufferOnHost, std::size_t workspaceInBytesOnHost, int* d_info,
                                   double* h_err_sigma) {
  const std::lock_guard lock(api_mutex());
  std::size_t on_device = 0, on_host = 0;
  const cusolverStatus_t status =
      cusolverDnXgesvdp_bufferSize(handle, params, jobz, econ, m, n, dataTypeA, A, lda, dataTypeS, S, dataTypeU, U, ldu,
                                   dataTypeV, V, ldv, computeType, &on_device, &on_host);
  if (status != CUSOLVER_STATUS_SUCCESS) return status;
  if (workspaceInBytesOnDevice < on_device || workspaceInBytesOnHost < on_host) return CUSOLVER_STATUS_INVALID_VALUE;
  if (bufferOnHost == nullptr || is_device(bufferOnHost)) fail("the host workspace of gesvdp is not on the host");
  if (h_err_sigma == nullptr || is_device(h_err_sigma)) fail("h_err_sigma of gesvdp is not on the host");
  const Sizes s = sizes(econ, m, n);
  const bool vectors = jobz == CUSOLVER_EIG_MODE_VECTOR;
  require_device(A, column_major_bytes(m, n, lda), "A of gesvdp");
  require_device(S, static_cast<std::size_t>(s.rank) * sizeof(double), "S of gesvdp");
  if (vectors) require_device(U, column_major_bytes(m, s.u_cols, ldu), "U of gesvdp");
  if (vectors) require_device(V, column_major_bytes(n, s.v_cols, ldv), "V of gesvdp");
  require_device(bufferOnDevice, workspaceInBytesOnDevice, "the device workspace of gesvdp");
  require_device(d_info, sizeof(int), "info of gesvdp");
  ++machine().counters.library_calls;

  DeviceAccess access;
  for (const void* data :
       {static_cast<const void*>(A), static_cast<const void*>(S), static_cast<const void*>(U),
        static_cast<const void*>(V), static_cast<const void*>(bufferOnDevice), static_cast<const void*>(d_info)}) {
    access.open(data);
  }
  View a(static_cast<double*>(A), m, n, Eigen::OuterStride<>(lda));
  unsigned options = 0;
  if (vectors)
    options = econ != 0 ? Eigen::ComputeThinU | Eigen::ComputeThinV : Eigen::ComputeFullU | Eigen::ComputeFullV;
  const Eigen::BDCSVD<Matrix> svd(a, options);
  a.setConstant(std::numeric_limits<double>::quiet_NaN());  // the real one destroys it, too
  std::memset(bufferOnDevice, 0xFF, workspaceInBytesOnDevice);
  std::memset(bufferOnHost, 0xFF, workspaceInBytesOnHost);
  Eigen::Map<Eigen::VectorXd>(static_cast<double*>(S), s.rank) = svd.singularValues();
  if (vectors) {
    View(static_cast<double*>(U), m, s.u_cols, Eigen::OuterStride<>(ldu)) = svd.matrixU();
    View(static_cast<double*>(V), n, s.v_cols, Eigen::OuterStride<>(ldv)) = svd.matrixV();
  }
  *d_info = svd.info() == Eigen::Success ? 0 : 1;
  *h_err_sigma = 0;
  return CUSOLVER_STATUS_SUCCESS;
}
