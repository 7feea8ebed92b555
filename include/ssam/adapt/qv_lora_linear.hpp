#pragma once

#include <ssam/nn/initialization.hpp>
#include <ssam/nn/linear.hpp>

namespace ssam::inline SSAM_ABI {

/// SAMed's LoRA: the fused qkv layer of an attention, W [3 C, C] frozen, with low-rank updates of its first and its
/// last third, q and v: q += x Aq^T Bq^T, v += x Av^T Bv^T, no scale, no dropout. A [Rank, C] starts as PyTorch's
/// linear layers, uniform in +-1/sqrt(C), B [C, Rank] as 0. A LinearLayer.
template <class Scalar, class Device, int Rank, class BiasTraining = Frozen>
class QvLoRALinear {
 public:
  using Matrix = MatrixView<Scalar, Device>;             ///< a matrix to write
  using ConstMatrix = MatrixView<const Scalar, Device>;  ///< a matrix to read
  using View = TensorView<Scalar, Device>;               ///< a tensor to write
  /// What forward leaves for backward.
  struct Record {
    ConstMatrix x;                               ///< [N, C]
    TensorView<const Scalar, Device> projected;  ///< x A^T of q and v, [N, 2 Rank]
  };

  constexpr QvLoRALinear() = default;  ///< empty, to be assigned
  /// `weight_shape`: [3 C, C].
  constexpr explicit QvLoRALinear(const Shape& weight_shape) : weight(weight_shape), bias(Shape{weight_shape[0]}) {
    for (auto& a : down) a = Parameter<Scalar, Device, Trained>(Shape{Rank, weight_shape[1]});
    for (auto& b : up) b = Parameter<Scalar, Device, Trained>(Shape{weight_shape[0] / 3, Rank});
  }

  /// x [N, C] -> y [N, 3 C], the columns of q, k and v.
  void forward(Context<Device>& context, ConstMatrix x, Matrix y, Record& record) const {
    const View projected = allocate<Scalar>(context, {x.rows, 2 * Rank});
    record = {x, projected};
    ops::linear<Scalar>(context, x, weight.value.view().matrix(y.cols), bias_view(), y);
    for (Index i = 0; i < 2; ++i) {
      const Matrix inner = projected.matrix().columns(i * Rank, Rank);
      ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::yes, x, down[i].value.view().matrix(), inner);
      ops::gemm<Scalar>(context, ops::Transpose::no, ops::Transpose::yes, Scalar(1), inner, up[i].value.view().matrix(),
                        Scalar(1), third(y, i));
    }
  }

  /// dy [N, 3 C]. Adds to the gradients of A, B and a trained bias; overwrites dx [N, C] unless it is empty.
  void backward(Context<Device>& context, const Record& record, ConstMatrix dy, Matrix dx) {
    WorkspaceScope<Device> scope(context);
    const View dprojected = allocate<Scalar>(context, {dy.rows, Rank});
    if (!dx.empty()) {
      ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, dy,
                          std::as_const(weight.value).view().matrix(dy.cols), dx);
    }
    for (Index i = 0; i < 2; ++i) {
      const ConstMatrix slice = third(dy, i), inner = record.projected.matrix().columns(i * Rank, Rank);
      ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, slice,
                          std::as_const(up[i].value).view().matrix(), dprojected.matrix());
      ops::gemm<Scalar>(context, ops::Transpose::yes, ops::Transpose::no, Scalar(1), slice, inner, Scalar(1),
                        up[i].ensure_grad().matrix());
      ops::gemm<Scalar>(context, ops::Transpose::yes, ops::Transpose::no, Scalar(1), dprojected.matrix(), record.x,
                        Scalar(1), down[i].ensure_grad().matrix());
      if (!dx.empty()) {
        ops::gemm<Scalar>(context, ops::Transpose::no, ops::Transpose::no, Scalar(1), dprojected.matrix(),
                          std::as_const(down[i].value).view().matrix(), Scalar(1), dx);
      }
    }
    if constexpr (BiasTraining::trained) ops::sum_rows<Scalar>(context, dy, bias.ensure_grad());
  }

  /// The layer's answer [out] to a row of zeros; empty without a bias.
  TensorView<const Scalar, Device> bias_view() const {
    if constexpr (BiasTraining::present) return bias.value;
    return {};
  }
  /// Where to add the gradient of bias_view(); empty where it is not trained.
  View bias_grad() { return bias.ensure_grad(); }

  /// W += B A in both thirds, then B = 0.
  void merge(Context<Device>& context) {
    const Matrix all = weight.value.view().matrix();
    for (Index i = 0; i < 2; ++i) {
      const Index rows = all.rows / 3;
      ops::gemm<Scalar>(context, ops::Transpose::no, ops::Transpose::no, Scalar(1),
                        std::as_const(up[i].value).view().matrix(), std::as_const(down[i].value).view().matrix(),
                        Scalar(1), Matrix{all.data + 2 * i * rows * all.stride, rows, all.cols, all.stride});
      ops::fill<Scalar>(context, up[i].value.view(), Scalar(0));
    }
  }

  /// A uniform in +-1/sqrt(C), B = 0: the updates add nothing yet.
  void initialize(Random& random) {
    for (int i = 0; i < 2; ++i) {
      initialize_uniform(down[i].value, down[i].value.dim(1), random);
      up[i].value = Tensor<Scalar, Device>(up[i].value.shape());
    }
  }

  /// weight and bias by the layer's own names; A and B by SAMed's: linear_a_q, linear_b_q, linear_a_v, linear_b_v.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.parameter("weight", self.weight, Group::weights);
    visitor.parameter("bias", self.bias, Group::biases);
    visitor.parameter("linear_a_q.weight", self.down[0], Group::low_rank);
    visitor.parameter("linear_b_q.weight", self.up[0], Group::low_rank);
    visitor.parameter("linear_a_v.weight", self.down[1], Group::low_rank);
    visitor.parameter("linear_b_v.weight", self.up[1], Group::low_rank);
  }

  Parameter<Scalar, Device, Frozen> weight;      ///< W [3 C, C]
  Parameter<Scalar, Device, BiasTraining> bias;  ///< [3 C]
  Parameter<Scalar, Device, Trained> down[2];    ///< A of q and of v, [Rank, C]
  Parameter<Scalar, Device, Trained> up[2];      ///< B of q and of v, [C, Rank]

 private:
  /// The columns of q (0) or v (1).
  template <class M>
  static M third(const M& y, Index i) {
    return y.columns(2 * i * (y.cols / 3), y.cols / 3);
  }
};

}  // namespace ssam::inline SSAM_ABI
