#pragma once

#include <Eigen/SVD>
#include <ssam/ops/cpu/kernel.hpp>
#include <ssam/ops/shape_checks.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// The thin singular value decomposition a = u diag(s) vt: a [m, n], u [m, r], s [r] in descending order, vt [r, n]
/// with r = min(m, n). Computed in double (0.2 to 0.5 s for a weight of ViT-B, twice the time of float, where float
/// loses a factor of 1e-5 of the largest element) on the calling thread: factor several matrices in parallel. Takes its
/// memory from the heap, weights are factored once. Throws ShapeError, ConfigError for elements that are not finite.
template <class S>
void svd(Context<Cpu>&, In<S, Cpu> a, TensorView<S, Cpu> u, TensorView<S, Cpu> s, TensorView<S, Cpu> vt) {
  const Index r = detail::require_svd<S, Cpu>(a, u, s, vt);
  if (r == 0) return;
  const Index m = a.dim(0), n = a.dim(1);
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;
  using RowMajor = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Matrix matrix = Eigen::Map<const RowMajor>(a.data(), m, n).template cast<double>();
  if (!matrix.allFinite()) {
    throw ConfigError(ErrorText{.what = "a matrix to factor holds values that are not finite", .where = "svd"});
  }
  [[maybe_unused]] const detail::SingleThread guard;
  const Eigen::BDCSVD<Matrix> factors(matrix, Eigen::ComputeThinU | Eigen::ComputeThinV);
  if (factors.info() != Eigen::Success) throw Error("the singular value decomposition did not converge");
  Eigen::Map<RowMajor>(u.data(), m, r) = factors.matrixU().template cast<S>();
  detail::array(s.data(), r) = factors.singularValues().array().template cast<S>();
  Eigen::Map<RowMajor>(vt.data(), r, n) = factors.matrixV().transpose().template cast<S>();
}

}  // namespace ssam::inline SSAM_ABI::ops
