#pragma once

#include <ssam/core/visit.hpp>
#include <ssam/ops/ops.hpp>

namespace ssam::inline SSAM_ABI {

/// A layer y = x W^T + b over rows. What every rival of it offers too (SVDLinear, LoRALinear, a user's own):
/// - constructed from the weight's shape, [out, in] or, for a convolution's patches, [out, kh, kw, in];
/// - `Record`, what the backward pass needs; forward(x, y, record), backward(record, dy, dx);
/// - `bias_view()`, its answer to a zero row, and `bias_grad()`;
/// - `prepare` (once, after loading), `merge` (into the plain weight, for inference), `initialize`, `visit`.
///
/// `WeightTraining`, `BiasTraining`: Frozen, Trained or (bias) Absent.
template <class Scalar, class Device, class WeightTraining = Frozen, class BiasTraining = Frozen>
class Linear {
 public:
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
    ops::linear<Scalar>(context, x, weight.value.view().matrix(y.cols), bias_view(), y);
  }

  /// dy [N, out]. Adds to the gradients of what is trained; overwrites dx [N, in] unless it is empty.
  void backward(Context<Device>& context, const Record& record, ConstMatrix dy, Matrix dx) {
    if (!dx.empty()) {
      ops::multiply<Scalar>(context, ops::Op::none, ops::Op::none, dy,
                            std::as_const(weight.value).view().matrix(dy.cols), dx);
    }
    if constexpr (WeightTraining::trained) {
      ops::gemm<Scalar>(context, ops::Op::transpose, ops::Op::none, Scalar(1), dy, record.x, Scalar(1),
                        weight.grad_accumulator().matrix(dy.cols));
    }
    if constexpr (BiasTraining::trained) ops::sum_rows<Scalar>(context, dy, bias.grad_accumulator());
  }

  /// The layer's answer [out] to a row of zeros; empty without a bias.
  TensorView<const Scalar, Device> bias_view() const {
    if constexpr (BiasTraining::present) return bias.value;
    return {};
  }
  /// Where to add the gradient of bias_view(); empty where it is not trained.
  TensorView<Scalar, Device> bias_grad() { return bias.grad_accumulator(); }

  /// Nothing: there is nothing to factor.
  void prepare(Context<Device>&) {}
  /// Nothing: the weight is plain already.
  void merge(Context<Device>&) {}
  /// Nothing: every value comes from a checkpoint.
  void initialize(Random&) {}

  /// Weight and bias, by PyTorch's names.
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
