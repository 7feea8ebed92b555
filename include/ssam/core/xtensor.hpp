#pragma once

#include <cstddef>
#include <ssam/core/tensor.hpp>
#include <vector>
#include <xtensor/xadapt.hpp>

namespace ssam::inline SSAM_ABI {

/// The elements of a tensor on the host (`view`) as an xtensor expression, without a copy: what is assigned to it lands
/// in the tensor. It is valid as long as the tensor's memory is. The one header that includes xtensor; `ssam.hpp`
/// includes it where SSAM_WITH_XTENSOR is defined.
template <class Scalar>
auto as_xtensor(TensorView<Scalar, Cpu> view) {
  std::vector<std::size_t> shape;
  for (int axis = 0; axis < view.shape().rank(); ++axis) shape.push_back(static_cast<std::size_t>(view.dim(axis)));
  return xt::adapt(view.data(), static_cast<std::size_t>(view.size()), xt::no_ownership(), shape);
}
/// The same of a whole tensor.
template <class Scalar>
auto as_xtensor(Tensor<Scalar, Cpu>& tensor) {
  return as_xtensor(tensor.view());
}
/// The same of a whole tensor, to read.
template <class Scalar>
auto as_xtensor(const Tensor<Scalar, Cpu>& tensor) {
  return as_xtensor(tensor.view());
}
template <class Scalar>
void as_xtensor(Tensor<Scalar, Cpu>&&) = delete;  // its memory would be gone

}  // namespace ssam::inline SSAM_ABI
