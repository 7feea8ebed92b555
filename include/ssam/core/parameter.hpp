#pragma once

#include <ssam/core/tensor.hpp>
#include <type_traits>

namespace ssam::inline SSAM_ABI {

/// Trainability is a type: a Frozen parameter has no gradient, a Trained one has. Tracked is what training changes
/// without a gradient (the running statistics of a batch norm), an Absent parameter does not exist at all.
struct Frozen {
  static constexpr bool trained = false;  ///< no gradient
  static constexpr bool tracked = false;  ///< training does not change it
  static constexpr bool present = true;   ///< it has a value
};
/// With a gradient: the optimiser changes it.
struct Trained {
  static constexpr bool trained = true;   ///< it has a gradient
  static constexpr bool tracked = false;  ///< the optimiser changes it, nothing else
  static constexpr bool present = true;   ///< it has a value
};
/// Without a gradient, but changed in training.
struct Tracked {
  static constexpr bool trained = false;  ///< no gradient
  static constexpr bool tracked = true;   ///< a forward pass in training changes it
  static constexpr bool present = true;   ///< it has a value
};
/// No tensor at all, as a bias that a layer does not have.
struct Absent {
  static constexpr bool trained = false;  ///< no gradient
  static constexpr bool tracked = false;  ///< training does not change it
  static constexpr bool present = false;  ///< no value
};

/// Of a whole part of a model, in place of Trained: its biases (those of norms too) are trained, its weights are not.
struct BiasesTrained {
  static constexpr bool trained = true;   ///< the part is
  static constexpr bool tracked = false;  ///< the optimiser changes the biases, nothing else
  static constexpr bool present = true;   ///< it has values
};
/// What `Training` of a part says of its weights, scales, tokens and embeddings.
template <class Training>
using WeightsOf = std::conditional_t<std::is_same_v<Training, BiasesTrained>, Frozen, Training>;
/// What `Training` of a part says of its biases.
template <class Training>
using BiasesOf = std::conditional_t<std::is_same_v<Training, BiasesTrained>, Trained, Training>;

/// Whether training changes a parameter of type P: what an adapter's file and the state of a run hold.
template <class P>
inline constexpr bool changes_in_training = std::remove_cvref_t<P>::trained || std::remove_cvref_t<P>::tracked;

/// What a parameter is, for counting and for optimiser groups.
enum class Group {
  weights,          ///< of linear layers, convolutions, embeddings
  biases,           ///< of linear layers and convolutions
  norms,            ///< scale and shift of layer and batch norms
  positional,       ///< position embeddings and relative position tables
  singular_values,  ///< an adapter's: scale and shift of singular values
  low_rank,         ///< an adapter's: the two factors of LoRA
  bottleneck,       ///< an adapter's: a small network of its own
  scale_shift,      ///< an adapter's: scale and shift of a layer's answers
  buffer,           ///< no parameter: a constant or a running statistic
  counter           ///< no parameter: a whole number
};

/// Whether a parameter of this group was added by an adapter: a plain checkpoint does not have it.
constexpr bool is_adapter(Group group) {
  return group == Group::singular_values || group == Group::low_rank || group == Group::bottleneck ||
         group == Group::scale_shift;
}
/// Whether a tensor of this group is no parameter at all.
constexpr bool is_buffer(Group group) { return group == Group::buffer || group == Group::counter; }

/// The part of a model that a parameter belongs to, as far as counts and checkpoints tell parts apart. A layer that
/// declares a `static constexpr Part part` says it for itself and all that is inside it.
enum class Part {
  backbone,    ///< all that is none of the others
  decoder,     ///< SAM's mask decoder
  text_affine  ///< S-SAM's text affine layer
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
  TensorView<Scalar, Device> ensure_grad() { return {}; }
};

/// As a frozen one.
template <class Scalar, class Device>
struct Parameter<Scalar, Device, Tracked> : Tracked {
  Tensor<Scalar, Device> value;  ///< row-major, channels last

  constexpr Parameter() = default;  ///< of no elements, to be assigned
  /// A value of zeros of this shape.
  constexpr explicit Parameter(const Shape& shape) : value(shape) {}
  /// Always the empty view.
  TensorView<Scalar, Device> ensure_grad() { return {}; }
};

/// A value with a gradient.
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
  TensorView<Scalar, Device> ensure_grad() {
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
  TensorView<Scalar, Device> ensure_grad() { return {}; }
};

}  // namespace ssam::inline SSAM_ABI
