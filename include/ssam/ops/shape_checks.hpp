#pragma once

#include <initializer_list>
#include <ssam/ops/views.hpp>

/// Checks that the ops of every device make; all throw ShapeError.
namespace ssam::ops::detail {

/// The size of a result that may be left out; as if it had `wanted` elements where it is.
template <class View>
Index optional_size(const View& view, Index wanted) {
  return view.empty() ? wanted : view.size();
}

/// As many elements in `rest` as in `first`.
template <class View, class... Views>
void require_one_size(const char* op, const View& first, const Views&... rest) {
  require(((rest.size() == first.size()) && ...), op, "tensors of one size");
}

template <class A, class B>
void require_same_extents(const char* op, const A& a, const B& b) {
  require(a.rows == b.rows && a.cols == b.cols, op, "equal rows and columns");
}

template <class Row>
void require_row(const char* op, const Row& row, Index cols) {
  require(row.size() == cols, op, "as many elements in the row as columns");
}

/// A norm of a rows x cols matrix: the sizes of what there is one of per column and per row.
inline void require_norm(const char* op, Index rows, Index cols, std::initializer_list<Index> per_column,
                         std::initializer_list<Index> per_row = {}) {
  for (const Index size : per_column) require(size == cols, op, "one value per column");
  for (const Index size : per_row) require(size == rows, op, "one value per row");
}

inline void require_batch_norm(const char* op, Index batch, Index channels, std::initializer_list<Index> per_channel) {
  require(batch > 0 && channels > 0, op, "a non-empty matrix");
  require_norm(op, batch, channels, per_channel);
}

/// A batch of one has no variance. Throws ConfigError.
inline void require_batch_statistics(const char* op, Index batch) {
  if (batch == 1) {
    throw ConfigError(ErrorText{.what = "batch norm cannot train on a batch of one",
                                .where = op,
                                .advice = "use a batch of at least two samples"});
  }
}

}  // namespace ssam::ops::detail
