#pragma once

#include <ssam/nn/contracts.hpp>

namespace ssam::inline SSAM_ABI {

/// A layer y = x W^T + b over rows: the plain LinearLayer. `WeightTraining`, `BiasTraining`: Frozen, Trained or (bias)
/// Absent.
template <class Scalar, class Device, class WeightTraining = Frozen, class BiasTraining = Frozen>
class Linear {
 public:
  static constexpr bool trains_weight = WeightTraining::trained;  ///< its record is its input alone
  using Matrix = MatrixView<Scalar, Device>;                      ///< a matrix to write
  using ConstMatrix = MatrixView<const Scalar, Device>;           ///< a matrix to read
  /// What forward leaves for backward.
  struct Record {
    ConstMatrix x;  ///< [N, in]
  };

  constexpr Linear() = default;  ///< empty, to be assigned
  /// `weight_shape`: [out, in] or [out, kh, kw, in].
  constexpr explicit Linear(const Shape& weight_shape) : weight(weight_shape), bias(Shape{weight_shape[0]}) {}

  /// x [N, in] -> y [N, out]
  void forward(Context<Device>& context, ConstMatrix x, Matrix y, Record& record) const {
    record.x = x;
    ops::linear<Scalar>(context, x, weight.value.view().matrix(y.cols), bias_view(), y);
  }

  /// dy [N, out]. Adds to the gradients of what is trained; overwrites dx [N, in] unless it is empty.
  void backward(Context<Device>& context, const Record& record, ConstMatrix dy, Matrix dx) {
    if (!dx.empty()) {
      ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, dy,
                          std::as_const(weight.value).view().matrix(dy.cols), dx);
    }
    if constexpr (WeightTraining::trained) {
      ops::gemm<Scalar>(context, ops::Transpose::yes, ops::Transpose::no, Scalar(1), dy, record.x, Scalar(1),
                        weight.ensure_grad().matrix(dy.cols));
    }
    if constexpr (BiasTraining::trained) ops::sum_rows<Scalar>(context, dy, bias.ensure_grad());
  }

  /// The layer's answer [out] to a row of zeros; empty without a bias.
  TensorView<const Scalar, Device> bias_view() const {
    if constexpr (BiasTraining::present) return bias.value;
    return {};
  }
  /// Where to add the gradient of bias_view(); empty where it is not trained.
  TensorView<Scalar, Device> bias_grad() { return bias.ensure_grad(); }

  /// weight and bias.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.parameter("weight", self.weight, Group::weights,
                      self.weight.value.shape().rank() == 4 ? Layout::conv : Layout::same);
    visitor.parameter("bias", self.bias, Group::biases);
  }

  Parameter<Scalar, Device, WeightTraining> weight;  ///< [out, in] or [out, kh, kw, in]
  Parameter<Scalar, Device, BiasTraining> bias;      ///< [out]
};

}  // namespace ssam::inline SSAM_ABI
