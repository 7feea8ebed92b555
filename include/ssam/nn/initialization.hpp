#pragma once

#include <cmath>
#include <ssam/core/random.hpp>
#include <ssam/core/tensor.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// PyTorch's start of a linear layer's or a convolution's weight or bias: `tensor` becomes uniform in +-1/sqrt(fan_in).
template <class Scalar, class Device>
void initialize_uniform(Tensor<Scalar, Device>& tensor, Index fan_in, Random& random) {
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  std::vector<Scalar> values(static_cast<std::size_t>(tensor.size()));
  for (Scalar& value : values) value = static_cast<Scalar>(random.uniform(-bound, bound));
  tensor = Tensor<Scalar, Device>(tensor.shape(), values);
}

}  // namespace ssam::inline SSAM_ABI
