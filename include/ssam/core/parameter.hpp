#pragma once

#include <ssam/core/tensor.hpp>

namespace ssam::inline SSAM_ABI {

/// Trainability is a type: a Frozen parameter has no gradient, a Trained one has, an Absent one does not exist at all.
struct Frozen {
  static constexpr bool trained = false;  ///< no gradient
  static constexpr bool present = true;   ///< it has a value
};
/// With a gradient: the optimiser changes it.
struct Trained {
  static constexpr bool trained = true;  ///< it has a gradient
  static constexpr bool present = true;  ///< it has a value
};
/// No tensor at all, as a bias that a layer does not have.
struct Absent {
  static constexpr bool trained = false;  ///< no gradient
  static constexpr bool present = false;  ///< no value
};

/// What a parameter is, for counting and for optimiser groups.
enum class Group {
  weights,          ///< of linear layers, convolutions, embeddings
  biases,           ///< of linear layers and convolutions
  norms,            ///< scale and shift of layer and batch norms
  positional,       ///< position embeddings and relative position tables
  singular_values,  ///< an adapter's scale and shift of singular values
  low_rank,         ///< an adapter's two factors of LoRA
  text_affine,      ///< S-SAM's text affine layer
  buffer,           ///< no parameter: a constant or a running statistic
  counter,          ///< no parameter: a whole number
};

/// How a parameter lies in a checkpoint, where that differs from ours (ours is channels last).
enum class Layout {
  same,               ///< as ours
  conv,               ///< checkpoint [out, in, kh, kw], ours [out, kh, kw, in]
  conv_transpose_2x2  ///< checkpoint [in, out, 2, 2], ours [4 * out, in], rows in the order (kh, kw, out)
};

/// A tensor of a model whose `Training` (Frozen, Trained or Absent) says whether it has a gradient.
template <class Scalar, class Device, class Training>
struct Parameter;

/// A value that training leaves alone.
template <class Scalar, class Device>
struct Parameter<Scalar, Device, Frozen> : Frozen {
  Tensor<Scalar, Device> value;  ///< row-major, channels last

  constexpr Parameter() = default;  ///< of no elements, to be assigned
  /// A value of zeros of this shape.
  constexpr explicit Parameter(const Shape& shape) : value(shape) {}
  /// A frozen parameter wants no gradient: always the empty view.
  TensorView<Scalar, Device> grad_accumulator() { return {}; }
};

/// A value that training changes.
template <class Scalar, class Device>
struct Parameter<Scalar, Device, Trained> : Trained {
  Tensor<Scalar, Device> value;  ///< row-major, channels last
  Tensor<Scalar, Device> grad;   ///< the sum of gradients since the last step; empty before the first
  /// Whether a backward pass reached this parameter since the last optimiser step. One that was never reached is left
  /// alone by the optimiser (not even decayed), as in PyTorch.
  bool reached = false;

  constexpr Parameter() = default;  ///< of no elements, to be assigned
  /// A value of zeros of this shape.
  constexpr explicit Parameter(const Shape& shape) : value(shape) {}

  /// The gradient to add to; allocated (zero) at its first use.
  TensorView<Scalar, Device> grad_accumulator() {
    if (grad.empty()) grad = Tensor<Scalar, Device>(value.shape());
    reached = true;
    return grad.view();
  }
};

/// Nothing.
template <class Scalar, class Device>
struct Parameter<Scalar, Device, Absent> : Absent {
  constexpr Parameter() = default;  ///< nothing
  /// Nothing: the shape is not looked at.
  constexpr explicit Parameter(const Shape&) {}
  /// Always the empty view.
  TensorView<Scalar, Device> grad_accumulator() { return {}; }
};

}  // namespace ssam::inline SSAM_ABI
