#pragma once

#include <ssam/core/context.hpp>
#include <ssam/core/tensor.hpp>
#include <type_traits>

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

/// Throws ShapeError of the op named `op`, which expects `expectation`, unless `condition` holds.
inline void require(bool condition, const char* op, const char* expectation) {
  if (!condition) throw ShapeError(ErrorText{.what = "shapes do not fit", .where = op, .expected = expectation});
}

}  // namespace ssam::inline SSAM_ABI::ops
