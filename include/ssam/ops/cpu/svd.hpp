#pragma once

#include <Eigen/QR>
#include <Eigen/SVD>
#include <ssam/ops/cpu/kernel.hpp>
#include <ssam/ops/shape_checks.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace detail {

using SvdMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;

/// a = left diag(values) right^T
struct ThinSvd {
  SvdMatrix left, right;
  Eigen::VectorXd values;
};

inline ThinSvd thin_svd_directly(const SvdMatrix& a) {
  const Eigen::BDCSVD<SvdMatrix> factors(a, Eigen::ComputeThinU | Eigen::ComputeThinV);
  if (factors.info() != Eigen::Success) throw Error("the singular value decomposition did not converge");
  return {factors.matrixU(), factors.matrixV(), factors.singularValues()};
}

/// Of a matrix that is not wide, which is used up. A clearly tall one is brought to a square one first, a = q r: that
/// takes two thirds of the time for the MLPs' weights.
inline ThinSvd thin_svd(SvdMatrix& a) {
  const Index rows = a.rows(), cols = a.cols();
  if (2 * rows < 3 * cols) return thin_svd_directly(a);
  const Eigen::HouseholderQR<Eigen::Ref<SvdMatrix>> qr(a);
  ThinSvd factors = thin_svd_directly(qr.matrixQR().topRows(cols).triangularView<Eigen::Upper>());
  SvdMatrix left = SvdMatrix::Zero(rows, cols);
  left.topRows(cols) = factors.left;
  left.applyOnTheLeft(qr.householderQ());
  factors.left = std::move(left);
  return factors;
}

}  // namespace detail

/// The thin singular value decomposition a = u diag(s) vt: a [m, n], u [m, r], s [r] in descending order, vt [r, n]
/// with r = min(m, n). Computed in double (0.2 to 0.5 s for a weight of ViT-B, twice the time of float, where float
/// loses a factor of 1e-5 of the largest element) on the calling thread: factor several matrices in parallel. Takes its
/// memory from the heap, weights are factored once. Throws ShapeError, ConfigError for elements that are not finite.
template <class S>
void svd(Context<Cpu>&, In<S, Cpu> a, TensorView<S, Cpu> u, TensorView<S, Cpu> s, TensorView<S, Cpu> vt) {
  const Index r = detail::require_svd<S, Cpu>(a, u, s, vt);
  if (r == 0) return;
  const Index m = a.dim(0), n = a.dim(1);
  using RowMajor = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const RowMajor> given(a.data(), m, n);
  detail::SvdMatrix matrix;
  if (m < n) {
    matrix = given.transpose().template cast<double>();
  } else {
    matrix = given.template cast<double>();
  }
  if (!matrix.allFinite()) {
    throw ConfigError(ErrorText{.what = "a matrix to factor holds values that are not finite", .where = "svd"});
  }
  [[maybe_unused]] const detail::SingleThread guard;
  detail::ThinSvd factors = detail::thin_svd(matrix);
  if (m < n) std::swap(factors.left, factors.right);
  Eigen::Map<RowMajor>(u.data(), m, r) = factors.left.template cast<S>();
  detail::array(s.data(), r) = factors.values.array().template cast<S>();
  Eigen::Map<RowMajor>(vt.data(), r, n) = factors.right.transpose().template cast<S>();
}

}  // namespace ssam::inline SSAM_ABI::ops
