#pragma once

#include <ssam/nn/linear.hpp>

namespace ssam::inline SSAM_ABI {

/// LoRA: y = x W^T + b + dropout(x D^T U^T) with D [Rank, in] and U [out, Rank] trained, W frozen. D starts as
/// N(0, (1/Rank)^2), U as 0. A convolution's D has its kernel, its U is 1x1 (both on im2col patches here). The dropout
/// (0.1, after the up-projection) and the scale of 1 are those of S-SAM's published baseline. A LinearLayer.
template <class Scalar, class Device, int Rank, class BiasTraining = Frozen>
class LoRALinear {
 public:
  using Matrix = MatrixView<Scalar, Device>;             ///< a matrix to write
  using ConstMatrix = MatrixView<const Scalar, Device>;  ///< a matrix to read
  static constexpr double dropout_rate = 0.1;            ///< share of the branch's answers that training drops
  /// What forward leaves for backward.
  struct Record {
    ConstMatrix x;                               ///< [N, in]
    TensorView<const Scalar, Device> projected;  ///< x D^T, [N, Rank]
    std::uint64_t dropout_key = 0;               ///< 0: no dropout
  };

  constexpr LoRALinear() = default;  ///< empty, to be assigned
  /// `weight_shape`: [out, in] or [out, kh, kw, in].
  constexpr explicit LoRALinear(const Shape& weight_shape)
      : weight(weight_shape),
        bias(Shape{weight_shape[0]}),
        down(down_shape(weight_shape)),
        up(up_shape(weight_shape)) {}

  /// x [N, in] -> y [N, out]. Dropout where the context is in training and has not switched it off.
  void forward(Context<Device>& context, ConstMatrix x, Matrix y, Record& record) const {
    record.x = x;
    record.dropout_key = context.training && context.dropout ? context.random.next() | 1 : 0;
    const TensorView<Scalar, Device> projected = allocate<Scalar>(context, {x.rows, Rank});
    record.projected = projected;
    ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::yes, x, down.value.view().matrix(Rank),
                        projected.matrix());
    ops::linear<Scalar>(context, x, weight.value.view().matrix(y.cols), bias_view(), y);
    const ConstMatrix u = up.value.view().matrix(y.cols);
    if (record.dropout_key == 0) {
      ops::gemm<Scalar>(context, ops::Transpose::no, ops::Transpose::yes, Scalar(1), projected.matrix(), u, Scalar(1),
                        y);
      return;
    }
    WorkspaceScope<Device> scope(context);
    const TensorView<Scalar, Device> branch = allocate<Scalar>(context, {y.rows, y.cols});
    ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::yes, projected.matrix(), u, branch.matrix());
    ops::dropout<Scalar>(context, branch, dropout_rate, record.dropout_key, branch);
    ops::accumulate_matrix<Scalar>(context, branch.matrix(), y);
  }

  /// dy [N, out]. Adds to the gradients of D, U and a trained bias; overwrites dx [N, in] unless it is empty.
  void backward(Context<Device>& context, const Record& record, ConstMatrix dy, Matrix dx) {
    WorkspaceScope<Device> scope(context);
    ConstMatrix dbranch = dy;
    if (record.dropout_key != 0) {
      const TensorView<Scalar, Device> dropped = allocate<Scalar>(context, {dy.rows, dy.cols});
      ops::copy_matrix<Scalar>(context, dy, dropped.matrix());
      ops::dropout<Scalar>(context, dropped, dropout_rate, record.dropout_key, dropped);
      dbranch = dropped.matrix();
    }
    const TensorView<Scalar, Device> dprojected = allocate<Scalar>(context, {dy.rows, Rank});
    ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, dbranch,
                        std::as_const(up.value).view().matrix(dy.cols), dprojected.matrix());
    ops::gemm<Scalar>(context, ops::Transpose::yes, ops::Transpose::no, Scalar(1), dbranch, record.projected.matrix(),
                      Scalar(1), up.ensure_grad().matrix(dy.cols));
    ops::gemm<Scalar>(context, ops::Transpose::yes, ops::Transpose::no, Scalar(1), dprojected.matrix(), record.x,
                      Scalar(1), down.ensure_grad().matrix(Rank));
    if constexpr (BiasTraining::trained) ops::sum_rows<Scalar>(context, dy, bias.ensure_grad());
    if (dx.empty()) return;
    ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, dy,
                        std::as_const(weight.value).view().matrix(dy.cols), dx);
    ops::gemm<Scalar>(context, ops::Transpose::no, ops::Transpose::no, Scalar(1), dprojected.matrix(),
                      std::as_const(down.value).view().matrix(Rank), Scalar(1), dx);
  }

  /// The layer's answer [out] to a row of zeros; empty without a bias.
  TensorView<const Scalar, Device> bias_view() const {
    if constexpr (BiasTraining::present) return bias.value;
    return {};
  }
  /// Where to add the gradient of bias_view(); empty where it is not trained.
  TensorView<Scalar, Device> bias_grad() { return bias.ensure_grad(); }

  /// W += U D, then U = 0: the layer answers as before without its branch.
  void merge(Context<Device>& context) {
    const Index out = weight.value.dim(0);
    ops::gemm<Scalar>(context, ops::Transpose::no, ops::Transpose::no, Scalar(1),
                      std::as_const(up.value).view().matrix(out), std::as_const(down.value).view().matrix(Rank),
                      Scalar(1), weight.value.view().matrix(out));
    ops::fill<Scalar>(context, up.value.view(), Scalar(0));
  }

  /// D = N(0, (1/Rank)^2), U = 0: the branch adds nothing yet.
  void initialize(Random& random) {
    std::vector<Scalar> values(static_cast<std::size_t>(down.value.size()));
    for (Scalar& value : values) value = static_cast<Scalar>(random.normal() / Rank);
    down.value = Tensor<Scalar, Device>(down.value.shape(), values);
    up.value = Tensor<Scalar, Device>(up.value.shape());
  }

  /// weight and bias by the layer's own names, D and U as trainable_lora_down.weight and trainable_lora_up.weight
  /// (S-SAM's published code).
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    const Layout layout = self.weight.value.shape().rank() == 4 ? Layout::conv : Layout::same;
    visitor.parameter("weight", self.weight, Group::weights, layout);
    visitor.parameter("bias", self.bias, Group::biases);
    visitor.parameter("trainable_lora_down.weight", self.down, Group::low_rank, layout);
    visitor.parameter("trainable_lora_up.weight", self.up, Group::low_rank, layout);
  }

  Parameter<Scalar, Device, Frozen> weight;      ///< W [out, in] or [out, kh, kw, in]
  Parameter<Scalar, Device, BiasTraining> bias;  ///< [out]
  Parameter<Scalar, Device, Trained> down;       ///< D [Rank, in] or [Rank, kh, kw, in]
  Parameter<Scalar, Device, Trained> up;         ///< U [out, Rank] or [out, 1, 1, Rank]

 private:
  static constexpr Shape down_shape(const Shape& w) {
    return w.rank() == 4 ? Shape{Rank, w[1], w[2], w[3]} : Shape{Rank, w[1]};
  }
  static constexpr Shape up_shape(const Shape& w) {
    return w.rank() == 4 ? Shape{w[0], 1, 1, Rank} : Shape{w[0], Rank};
  }
};

}  // namespace ssam::inline SSAM_ABI
