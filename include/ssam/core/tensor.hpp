#pragma once

#include <ssam/core/device.hpp>
#include <ssam/core/error.hpp>
#include <ssam/core/memory.hpp>
#include <ssam/core/shape.hpp>
#include <type_traits>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// A non-owning matrix with a row stride: element (r, c) lies at `data[r * stride + c]`. A stride of 0 repeats one row.
template <class Scalar, class Device>
struct MatrixView {
  Scalar* data = nullptr;
  Index rows = 0;
  Index cols = 0;
  Index stride = 0;

  MatrixView() = default;
  MatrixView(Scalar* first, Index row_count, Index col_count, Index row_stride)
      : data(first), rows(row_count), cols(col_count), stride(row_stride) {}
  /// A view that may write is one that may read.
  template <class Other>
  requires(std::is_same_v<const Other, Scalar>) MatrixView(const MatrixView<Other, Device>& other)
      : MatrixView(other.data, other.rows, other.cols, other.stride) {}
  bool empty() const { return data == nullptr; }
  /// Columns [first, first + count) of every row.
  MatrixView columns(Index first, Index count) const { return {data + first, rows, count, stride}; }
};

/// A non-owning, contiguous, row-major tensor. An empty view (no data) stands for "not wanted" where an op says so.
template <class Scalar, class Device>
class TensorView {
 public:
  TensorView() = default;
  TensorView(Scalar* data, const Shape& shape) : data_(data), shape_(shape) {}
  /// A view that may write is one that may read.
  template <class Other>
  requires(std::is_same_v<const Other, Scalar>) TensorView(const TensorView<Other, Device>& other)
      : TensorView(other.data(), other.shape()) {}

  Scalar* data() const { return data_; }
  const Shape& shape() const { return shape_; }
  Index dim(int axis) const { return shape_[axis]; }
  Index size() const { return shape_.elements(); }
  bool empty() const { return data_ == nullptr; }

  /// The same elements under another shape. Throws ShapeError when the counts differ.
  TensorView reshape(const Shape& shape) const {
    if (shape.elements() != size()) {
      throw ShapeError(ErrorText{.what = "cannot reshape", .expected = shape.str(), .found = shape_.str()});
    }
    return {data_, shape};
  }

  /// All leading axes as rows, the last axis as columns.
  MatrixView<Scalar, Device> matrix() const {
    const Index cols = shape_.rank() == 0 ? 1 : shape_[-1];
    return {data_, cols == 0 ? 0 : size() / cols, cols, cols};
  }
  /// The elements as a `rows` x (size / rows) matrix.
  MatrixView<Scalar, Device> matrix(Index rows) const {
    const Index cols = size() / rows;
    return {data_, rows, cols, cols};
  }
  /// Entry `i` of the outermost axis.
  TensorView slice(Index i) const {
    Shape inner;
    for (int axis = 1; axis < shape_.rank(); ++axis) inner.push_back(shape_[axis]);
    return {data_ + i * inner.elements(), inner};
  }

 private:
  Scalar* data_ = nullptr;
  Shape shape_ = Shape{0};
};

/// An owning, contiguous, row-major tensor on a device. New tensors are zero.
template <class Scalar, class Device>
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(const Shape& shape) : shape_(shape) {
    if (bytes() == 0) return;
    data_ = static_cast<Scalar*>(Memory<Device>::allocate(bytes()));
    Memory<Device>::zero(data_, bytes());
  }
  /// A tensor filled from host values in row-major order. Throws ShapeError when the count differs from the shape's.
  Tensor(const Shape& shape, const std::vector<Scalar>& values) : Tensor(shape) {
    if (static_cast<Index>(values.size()) != size()) {
      throw ShapeError(ErrorText{.what = "wrong number of values for a tensor",
                                 .expected = shape.str(),
                                 .found = std::to_string(values.size()) + " values"});
    }
    if (data_ != nullptr) Memory<Device>::copy_from_host(data_, values.data(), bytes());
  }
  Tensor(const Tensor& other) : Tensor(other.shape_) {
    if (data_ != nullptr) Memory<Device>::copy(data_, other.data_, bytes());
  }
  Tensor(Tensor&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), shape_(std::exchange(other.shape_, Shape{0})) {}
  Tensor& operator=(Tensor other) noexcept {
    std::swap(data_, other.data_);
    std::swap(shape_, other.shape_);
    return *this;
  }
  ~Tensor() {
    if (data_ != nullptr) Memory<Device>::release(data_);
  }

  Scalar* data() { return data_; }
  const Scalar* data() const { return data_; }
  const Shape& shape() const { return shape_; }
  Index dim(int axis) const { return shape_[axis]; }
  Index size() const { return shape_.elements(); }
  bool empty() const { return data_ == nullptr; }

  TensorView<Scalar, Device> view() { return {data_, shape_}; }
  TensorView<const Scalar, Device> view() const { return {data_, shape_}; }
  operator TensorView<Scalar, Device>() { return view(); }
  operator TensorView<const Scalar, Device>() const { return view(); }

  /// The elements on the host, row-major.
  std::vector<Scalar> to_host() const {
    std::vector<Scalar> values(static_cast<std::size_t>(size()));
    if (data_ != nullptr) Memory<Device>::copy_to_host(values.data(), data_, bytes());
    return values;
  }

 private:
  std::size_t bytes() const { return static_cast<std::size_t>(size()) * sizeof(Scalar); }

  Scalar* data_ = nullptr;
  Shape shape_ = Shape{0};
};

/// A tensor that is only its shape.
template <class Scalar>
class Tensor<Scalar, Meta> {
 public:
  constexpr Tensor() = default;
  constexpr explicit Tensor(const Shape& shape) : shape_(shape) {}
  constexpr const Shape& shape() const { return shape_; }
  constexpr Index dim(int axis) const { return shape_[axis]; }
  constexpr Index size() const { return shape_.elements(); }
  constexpr bool empty() const { return true; }

 private:
  Shape shape_ = Shape{0};
};

}  // namespace ssam::inline SSAM_ABI
