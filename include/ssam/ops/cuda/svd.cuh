#pragma once

#include <algorithm>
#include <cmath>
#include <ssam/ops/cuda/convolution.cuh>
#include <ssam/ops/cuda/elementwise.cuh>
#include <ssam/ops/cuda/transfer.cuh>
#include <vector>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

/// out[i] = x[i] in another type.
template <class From, class To>
__global__ void __launch_bounds__(map_threads) convert_kernel(const From* x, Index count, To* out) {
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = detail::global_thread(); i < count; i += step) out[i] = static_cast<To>(x[i]);
}

}  // namespace cuda_kernels

namespace detail {

/// Device memory of one call, beside the workspace: factorisations need gigabytes once.
template <class D>
class DeviceBytes {
 public:
  explicit DeviceBytes(std::size_t bytes) : data_(Memory<D>::allocate(std::max<std::size_t>(bytes, 1))) {}
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;
  ~DeviceBytes() { Memory<D>::release(data_); }
  void* data() const { return data_; }

 private:
  void* data_;
};

struct SolverParams {
  SolverParams() { ssam::detail::check_cusolver(cusolverDnCreateParams(&params), "cusolverDnCreateParams"); }
  SolverParams(const SolverParams&) = delete;
  SolverParams& operator=(const SolverParams&) = delete;
  ~SolverParams() { cusolverDnDestroyParams(params); }
  cusolverDnParams_t params = nullptr;
};

/// The economy SVD of the column-major `a` [rows, cols], destroyed: a = left diag(s) right^T. All in double. gesvdp, by
/// polar decomposition, takes any shape and is many times faster than gesvd (which wants rows >= cols; the batched
/// Jacobi ends at 32 x 32). It shifts singular values near zero by a perturbation far below a float's rounding.
template <CudaDevice D>
void polar_svd(Context<D>& context, Index rows, Index cols, double* a, double* s, double* left, double* right) {
  const SolverParams solver;
  std::size_t device_bytes = 0, host_bytes = 0;
  ssam::detail::check_cusolver(
      cusolverDnXgesvdp_bufferSize(context.solver(), solver.params, CUSOLVER_EIG_MODE_VECTOR, 1, rows, cols, CUDA_R_64F,
                                   a, rows, CUDA_R_64F, s, CUDA_R_64F, left, rows, CUDA_R_64F, right, cols, CUDA_R_64F,
                                   &device_bytes, &host_bytes),
      "a query of cuSOLVER's workspace");
  const DeviceBytes<D> scratch(device_bytes), status(sizeof(int));
  std::vector<char> host_scratch(host_bytes);
  double perturbation = 0;
  ssam::detail::check_cusolver(
      cusolverDnXgesvdp(context.solver(), solver.params, CUSOLVER_EIG_MODE_VECTOR, 1, rows, cols, CUDA_R_64F, a, rows,
                        CUDA_R_64F, s, CUDA_R_64F, left, rows, CUDA_R_64F, right, cols, CUDA_R_64F, scratch.data(),
                        device_bytes, host_scratch.data(), host_bytes, static_cast<int*>(status.data()), &perturbation),
      "a singular value decomposition");
  int info = 0;
  context.synchronize();
  Memory<D>::copy_to_host(&info, status.data(), sizeof(int));
  if (info != 0) throw Error("the singular value decomposition did not converge");
}

}  // namespace detail

/// The thin singular value decomposition a = u diag(s) vt, see ops/cpu/svd.hpp; by cuSOLVER, in double. Takes device
/// memory for the call and waits for its end. Throws ShapeError, ConfigError for elements that are not finite,
/// DeviceError.
template <class S, CudaDevice D>
void svd(Context<D>& context, In<S, D> a, TensorView<S, D> u, TensorView<S, D> s, TensorView<S, D> vt) {
  const Index r = detail::require_svd<S, D>(a, u, s, vt);
  if (r == 0) return;
  const Index m = a.dim(0), n = a.dim(1);
  WorkspaceScope scope(context);
  const auto matrix = allocate<double>(context, {m, n}), values = allocate<double>(context, {r}),
             v = allocate<double>(context, {r, n}), ut = allocate<double>(context, {r, m});
  const auto squares = allocate<double>(context, {n});
  const auto convert = [&](const auto* from, Index count, auto* to) {
    using From = std::remove_cvref_t<decltype(*from)>;
    using To = std::remove_cvref_t<decltype(*to)>;
    detail::launch(context, "convert", cuda_kernels::convert_kernel<From, To>,
                   detail::block_count(count, cuda_kernels::map_threads), cuda_kernels::map_threads, 0, from, count,
                   to);
  };
  convert(a.data(), m * n, matrix.data());
  ops::fill<double>(context, squares, 0);
  ops::dot_rows<double>(context, matrix.matrix(m), matrix.matrix(m), squares);
  std::vector<double> columns(static_cast<std::size_t>(n));
  ops::download<double>(context, squares, columns.data());
  if (!std::all_of(columns.begin(), columns.end(), [](double square) { return std::isfinite(square); })) {
    throw ConfigError(ErrorText{.what = "a matrix to factor holds values that are not finite", .where = "svd"});
  }
  // Row-major a [m, n] is column-major a^T [n, m] = v diag(s) u^T, and column-major v [n, r] is row-major vt [r, n].
  detail::polar_svd(context, n, m, matrix.data(), values.data(), v.data(), ut.data());
  convert(values.data(), r, s.data());
  convert(v.data(), r * n, vt.data());
  const auto wide_u = allocate<double>(context, {m, r});
  detail::transpose_batch<double>(context, "svd", 1, r, m, ut.data(), wide_u.data());
  convert(wide_u.data(), m * r, u.data());
}

}  // namespace ssam::inline SSAM_ABI::ops
