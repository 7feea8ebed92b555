#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <ssam/core/error.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

/// Signed index and extent type of every tensor.
using Index = std::int64_t;

/// Extents of a row-major tensor, outermost first. A fixed array, so that it works in constant expressions everywhere.
class Shape {
 public:
  static constexpr int max_rank = 8;  ///< most extents that a shape can have

  constexpr Shape() = default;  ///< rank 0: one element

  /// Throws ShapeError on more than `max_rank` extents or a negative one.
  constexpr Shape(std::initializer_list<Index> extents) {
    for (const Index extent : extents) push_back(extent);
  }

  /// Adds an innermost `extent`. Throws ShapeError when it is negative or one too many.
  constexpr void push_back(Index extent) {
    if (rank_ == max_rank) throw ShapeError("a tensor has at most 8 dimensions");
    if (extent < 0) throw ShapeError("a tensor extent is negative");
    extents_[rank_++] = extent;
  }

  /// Number of extents.
  constexpr int rank() const { return rank_; }
  /// Extent of `axis`; negative ones count from the innermost: -1 is the last.
  constexpr Index operator[](int axis) const { return extents_[axis < 0 ? axis + rank_ : axis]; }

  /// Number of elements: the product of all extents, 1 for rank 0. Throws ShapeError when it does not fit 63 bits.
  constexpr Index elements() const {
    Index product = 1;
    for (int axis = 0; axis < rank_; ++axis) {
      if (extents_[axis] == 0) return 0;
    }
    for (int axis = 0; axis < rank_; ++axis) {
      if (product > std::numeric_limits<Index>::max() / extents_[axis]) {
        throw ShapeError("the number of elements of a tensor does not fit 63 bits");
      }
      product *= extents_[axis];
    }
    return product;
  }

  /// The same extents in the same order.
  constexpr bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (int axis = 0; axis < rank_; ++axis) {
      if (extents_[axis] != other.extents_[axis]) return false;
    }
    return true;
  }

  /// "[2, 3, 4]"
  std::string str() const {
    std::string text = "[";
    for (int axis = 0; axis < rank_; ++axis) text += (axis ? ", " : "") + std::to_string(extents_[axis]);
    return text + "]";
  }

 private:
  Index extents_[max_rank] = {};
  int rank_ = 0;
};

}  // namespace ssam::inline SSAM_ABI
