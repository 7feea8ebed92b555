#pragma once

#include <ssam/nn/contracts.hpp>

namespace ssam::inline SSAM_ABI {

/// Nothing stands at the site of a branch.
template <class Scalar, class Device>
class NoBranch {
 public:
  static constexpr bool present = false;  ///< see is_branch
  /// Nothing is left for backward.
  struct Record {};

  constexpr NoBranch() = default;        ///< empty, to be assigned
  constexpr explicit NoBranch(Index) {}  ///< any number of channels
  /// Adds nothing.
  void forward(Context<Device>&, MatrixView<const Scalar, Device>, MatrixView<Scalar, Device>, Record&) const {}
  /// Adds no gradient.
  void backward(Context<Device>&, const Record&, MatrixView<const Scalar, Device>, MatrixView<Scalar, Device>) {}
  /// No parameters.
  template <class Self, class Visitor>
  static constexpr void visit(Self&, Visitor&) {}
};

/// Whether anything stands at a branch's site.
template <class Branch>
inline constexpr bool is_branch = [] {
  if constexpr (requires { Branch::present; }) return Branch::present;
  return true;
}();

}  // namespace ssam::inline SSAM_ABI
