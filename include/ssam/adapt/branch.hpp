#pragma once

#include <ssam/nn/contracts.hpp>

namespace ssam::inline SSAM_ABI {

/// Nothing stands at the site of a branch.
template <class Scalar, class Device>
class NoBranch {
 public:
  static constexpr bool present = false;
  struct Record {};

  constexpr NoBranch() = default;
  constexpr explicit NoBranch(Index) {}
  void forward(Context<Device>&, MatrixView<const Scalar, Device>, MatrixView<Scalar, Device>, Record&) const {}
  void backward(Context<Device>&, const Record&, MatrixView<const Scalar, Device>, MatrixView<Scalar, Device>) {}
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
