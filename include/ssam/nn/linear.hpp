#pragma once

#include <ssam/core/bfloat16.hpp>
#include <ssam/nn/contracts.hpp>

namespace ssam::inline SSAM_ABI {

/// A layer y = x W^T + b over rows: the plain LinearLayer. `WeightTraining`, `BiasTraining`: Frozen, Trained or (bias)
/// Absent. On a device whose products round it, `prepare` stores a frozen weight rounded and lets go of the other copy;
/// `merge` brings the (rounded) weight back.
template <class Scalar, class Device, class WeightTraining = Frozen, class BiasTraining = Frozen>
class Linear {
 public:
  static constexpr bool trains_weight = WeightTraining::trained;  ///< its record is its input alone
  /// Whether `prepare` stores the weight as the device's products round it.
  static constexpr bool stores_rounded = has_frozen_scalar<Scalar, Device> && !trains_weight;
  using Matrix = MatrixView<Scalar, Device>;             ///< a matrix to write
  using ConstMatrix = MatrixView<const Scalar, Device>;  ///< a matrix to read
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
    with_weight(y.cols, [&](const auto& w) { ops::linear<Scalar>(context, x, w, bias_view(), y); });
  }

  /// dy [N, out]. Adds to the gradients of what is trained; overwrites dx [N, in] unless it is empty.
  void backward(Context<Device>& context, const Record& record, ConstMatrix dy, Matrix dx) {
    if (!dx.empty()) {
      with_weight(dy.cols, [&](const auto& w) {
        ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, dy, w, dx);
      });
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

  /// Elements of the weight that `prepare` is to round; 0 where it has nothing to do.
  Index preparation_cost() const requires stores_rounded { return weight.value.size(); }
  /// Rounds the weight and lets go of it.
  void prepare(Context<Device>& context) requires stores_rounded {
    if (weight.value.empty()) return;
    rounded_ = Tensor<FrozenScalar<Scalar, Device>, Device>(weight.value.shape());
    ops::round(context, weight.value, rounded_.view());
    weight.value = {};
  }
  /// Takes the rounded weight back.
  void merge(Context<Device>& context) requires stores_rounded {
    if (rounded_.empty()) return;
    weight.value = Tensor<Scalar, Device>(rounded_.shape());
    ops::widen(context, rounded_, weight.value.view());
    rounded_ = {};
  }

  /// weight and bias.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    const bool convolution = self.weight.value.shape().rank() == 4 || self.rounded_.shape().rank() == 4;
    visitor.parameter("weight", self.weight, Group::weights, convolution ? Layout::conv : Layout::same);
    visitor.parameter("bias", self.bias, Group::biases);
  }

  Parameter<Scalar, Device, WeightTraining> weight;  ///< [out, in] or [out, kh, kw, in]; empty while it is rounded
  Parameter<Scalar, Device, BiasTraining> bias;      ///< [out]

 private:
  /// f(the weight as a matrix of `rows` rows), as it is stored.
  template <class F>
  void with_weight(Index rows, const F& f) const {
    if constexpr (stores_rounded) {
      if (!rounded_.empty()) return f(rounded_.view().matrix(rows));
    }
    f(weight.value.view().matrix(rows));
  }

  Tensor<FrozenScalar<Scalar, Device>, Device> rounded_;
};

}  // namespace ssam::inline SSAM_ABI
