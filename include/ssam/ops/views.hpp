#pragma once

#include <initializer_list>
#include <ssam/core/context.hpp>
#include <ssam/core/tensor.hpp>
#include <string>
#include <type_traits>
#include <vector>

/// Operations on tensors of a device, the same names and arguments on each; described for Cpu in `ops/cpu/`. What is
/// called dx is the gradient of x.
namespace ssam::inline SSAM_ABI::ops {

/// Arguments of ops. `S` is deduced from the (mutable) result only, so that any view converts to an input.
template <class S, class Device>
using In = std::type_identity_t<TensorView<const S, Device>>;
template <class S, class Device>
using InMatrix = std::type_identity_t<MatrixView<const S, Device>>;  ///< a matrix to read
/// A result that may be left out: pass an empty view and it is not computed.
template <class S, class Device>
using MaybeOut = std::type_identity_t<TensorView<S, Device>>;

/// Results where `S` is given, not deduced (all ops of a GPU, whose tag is deduced from the context only).
template <class S, class Device>
using Out = std::type_identity_t<TensorView<S, Device>>;
template <class S, class Device>
using OutMatrix = std::type_identity_t<MatrixView<S, Device>>;  ///< a matrix to write

/// Whether a GEMM operand is used as it lies or transposed.
enum class Transpose {
  no,   ///< as it lies
  yes,  ///< transposed
};

namespace detail {

/// An argument of an op, as its errors show it.
struct Found {
  std::string text;              ///< its shape or value
  const void* tensor = nullptr;  ///< where its elements are; null: a shape or a number
};
inline Found found(const Shape& shape) { return {shape.str()}; }
inline Found found(Index number) { return {std::to_string(number)}; }
template <class S, class Device>
Found found(const TensorView<S, Device>& view) {
  return {view.shape().str(), view.data()};
}
template <class S, class Device>
Found found(const MatrixView<S, Device>& matrix) {
  return {Shape{matrix.rows, matrix.cols}.str(), matrix.data};
}

[[noreturn]] inline void throw_shape_error(const char* op, const char* expectation,
                                           std::initializer_list<Found> arguments) {
  std::string texts;
  std::vector<const void*> tensors;
  for (const Found& argument : arguments) {
    texts += (texts.empty() ? "" : ", ") + argument.text;
    if (argument.tensor != nullptr) tensors.push_back(argument.tensor);
  }
  throw ShapeError(
      ErrorText{.what = "shapes do not fit", .where = op, .expected = expectation, .found = std::move(texts)},
      std::move(tensors));
}

}  // namespace detail

/// Throws ShapeError of the op named `op`, which expects `expectation`, unless `condition` holds. `arguments`: what the
/// op was given of it, views where there are some (they tell the layer, see naming_layers), shapes or numbers.
template <class... Arguments>
void require(bool condition, const char* op, const char* expectation, const Arguments&... arguments) {
  static_assert(sizeof...(arguments) > 0, "ssam: an error of shapes says what was found");
  if (!condition) detail::throw_shape_error(op, expectation, {detail::found(arguments)...});
}

}  // namespace ssam::inline SSAM_ABI::ops
