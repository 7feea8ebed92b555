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
  Scalar* data = nullptr;  ///< element (0, 0)
  Index rows = 0;          ///< number of them
  Index cols = 0;          ///< elements of a row
  Index stride = 0;        ///< elements from one row to the next; 0 repeats one row

  MatrixView() = default;  ///< empty
  /// `row_count` x `col_count` elements from `first` on, `row_stride` from one row to the next.
  MatrixView(Scalar* first, Index row_count, Index col_count, Index row_stride)
      : data(first), rows(row_count), cols(col_count), stride(row_stride) {}
  /// A view that may write is one that may read.
  template <class Other>
  requires(std::is_same_v<const Other, Scalar>) MatrixView(const MatrixView<Other, Device>& other)
      : MatrixView(other.data, other.rows, other.cols, other.stride) {}
  /// A view of host memory is one under each of the host's tags.
  template <class Other, class Host>
  requires(is_host<Device>&& is_host<Host> && !std::is_same_v<Host, Device> &&
           (std::is_same_v<Other, Scalar> || std::is_same_v<const Other, Scalar>))
      MatrixView(const MatrixView<Other, Host>& other)
      : MatrixView(other.data, other.rows, other.cols, other.stride) {}
  /// Whether there is no data.
  bool empty() const { return data == nullptr; }
  /// Columns [first, first + count) of every row.
  MatrixView columns(Index first, Index count) const { return {data + first, rows, count, stride}; }
};

/// A non-owning, contiguous, row-major tensor. An empty view (no data) stands for "not wanted" where an op says so.
template <class Scalar, class Device>
class TensorView {
 public:
  TensorView() = default;  ///< empty, of shape [0]
  /// The elements from `data` on, as many as `shape` has; they must outlive the view.
  TensorView(Scalar* data, const Shape& shape) : data_(data), shape_(shape) {}
  /// A view that may write is one that may read.
  template <class Other>
  requires(std::is_same_v<const Other, Scalar>) TensorView(const TensorView<Other, Device>& other)
      : TensorView(other.data(), other.shape()) {}

  /// A view of host memory is one under each of the host's tags.
  template <class Other, class Host>
  requires(is_host<Device>&& is_host<Host> && !std::is_same_v<Host, Device> &&
           (std::is_same_v<Other, Scalar> || std::is_same_v<const Other, Scalar>))
      TensorView(const TensorView<Other, Host>& other)
      : TensorView(other.data(), other.shape()) {}

  /// The first element.
  Scalar* data() const { return data_; }
  /// Extents, outermost first.
  const Shape& shape() const { return shape_; }
  /// Extent of `axis`; negative ones count from the innermost.
  Index dim(int axis) const { return shape_[axis]; }
  /// Number of elements.
  Index size() const { return shape_.elements(); }
  /// Whether there is no data: stands for "not wanted".
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
  Tensor() = default;  ///< empty, of shape [0]
  /// A tensor of zeros. Throws Error or DeviceError when memory is exhausted.
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
  /// A copy of the elements, on the device.
  Tensor(const Tensor& other) : Tensor(other.shape_) {
    if (data_ != nullptr) Memory<Device>::copy(data_, other.data_, bytes());
  }
  /// Takes the elements; `other` is empty afterwards.
  Tensor(Tensor&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), shape_(std::exchange(other.shape_, Shape{0})) {}
  /// Takes the elements of `other`.
  Tensor& operator=(Tensor other) noexcept {
    std::swap(data_, other.data_);
    std::swap(shape_, other.shape_);
    return *this;
  }
  /// Gives the memory back.
  ~Tensor() {
    if (data_ != nullptr) Memory<Device>::release(data_);
  }

  /// The first element, on the device.
  Scalar* data() { return data_; }
  /// The same to read.
  const Scalar* data() const { return data_; }
  /// Extents, outermost first.
  const Shape& shape() const { return shape_; }
  /// Extent of `axis`; negative ones count from the innermost.
  Index dim(int axis) const { return shape_[axis]; }
  /// Number of elements.
  Index size() const { return shape_.elements(); }
  /// Whether it has no memory: no elements, or never assigned.
  bool empty() const { return data_ == nullptr; }

  /// A view of all elements; valid until the tensor is assigned to, moved or destroyed.
  TensorView<Scalar, Device> view() { return {data_, shape_}; }
  /// The same to read.
  TensorView<const Scalar, Device> view() const { return {data_, shape_}; }
  /// view(), where an op asks for one.
  operator TensorView<Scalar, Device>() { return view(); }
  /// view(), where an op asks for one to read.
  operator TensorView<const Scalar, Device>() const { return view(); }

  /// view() under another tag of the host, where an op asks for one.
  template <class Host>
  requires(is_host<Device>&& is_host<Host> && !std::is_same_v<Host, Device>) operator TensorView<Scalar, Host>() {
    return view();
  }
  /// view() under another tag of the host, where an op asks for one to read.
  template <class Host>
  requires(is_host<Device>&& is_host<Host> && !std::is_same_v<Host, Device>) operator TensorView<const Scalar, Host>()
      const {
    return view();
  }

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
  constexpr Tensor() = default;  ///< of shape [0]
  /// Of `shape`.
  constexpr explicit Tensor(const Shape& shape) : shape_(shape) {}
  /// Extents, outermost first.
  constexpr const Shape& shape() const { return shape_; }
  /// Extent of `axis`; negative ones count from the innermost.
  constexpr Index dim(int axis) const { return shape_[axis]; }
  /// Number of elements that a real tensor would have.
  constexpr Index size() const { return shape_.elements(); }
  /// Always: there is no memory.
  constexpr bool empty() const { return true; }

 private:
  Shape shape_ = Shape{0};
};

}  // namespace ssam::inline SSAM_ABI
