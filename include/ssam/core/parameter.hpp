#pragma once

#include <ssam/core/tensor.hpp>

namespace ssam::inline SSAM_ABI {

/// Trainability is a type: a Frozen parameter has no gradient, a Trained one has, an Absent one does not exist at all.
struct Frozen {
  static constexpr bool trained = false;
  static constexpr bool present = true;
};
struct Trained {
  static constexpr bool trained = true;
  static constexpr bool present = true;
};
struct Absent {
  static constexpr bool trained = false;
  static constexpr bool present = false;
};

/// What a parameter is, for counting and for optimiser groups.
enum class Group { weights, biases, norms, positional, singular_values, low_rank, text_affine, buffer, counter };

/// How a parameter lies in a checkpoint, where that differs from ours (ours is channels last).
enum class Layout {
  same,
  conv,               ///< checkpoint [out, in, kh, kw], ours [out, kh, kw, in]
  conv_transpose_2x2  ///< checkpoint [in, out, 2, 2], ours [4 * out, in], rows in the order (kh, kw, out)
};

template <class Scalar, class Device, class Training>
struct Parameter;

template <class Scalar, class Device>
struct Parameter<Scalar, Device, Frozen> : Frozen {
  Tensor<Scalar, Device> value;

  constexpr Parameter() = default;
  constexpr explicit Parameter(const Shape& shape) : value(shape) {}
  /// A frozen parameter wants no gradient: always the empty view.
  TensorView<Scalar, Device> grad_accumulator() { return {}; }
};

template <class Scalar, class Device>
struct Parameter<Scalar, Device, Trained> : Trained {
  Tensor<Scalar, Device> value;
  Tensor<Scalar, Device> grad;
  /// Whether a backward pass reached this parameter since the last optimiser step. One that was never reached is left
  /// alone by the optimiser (not even decayed), as in PyTorch.
  bool reached = false;

  constexpr Parameter() = default;
  constexpr explicit Parameter(const Shape& shape) : value(shape) {}

  /// The gradient to add to; allocated (zero) at its first use.
  TensorView<Scalar, Device> grad_accumulator() {
    if (grad.empty()) grad = Tensor<Scalar, Device>(value.shape());
    reached = true;
    return grad.view();
  }
};

template <class Scalar, class Device>
struct Parameter<Scalar, Device, Absent> : Absent {
  constexpr Parameter() = default;
  constexpr explicit Parameter(const Shape&) {}
  TensorView<Scalar, Device> grad_accumulator() { return {}; }
};

}  // namespace ssam::inline SSAM_ABI
