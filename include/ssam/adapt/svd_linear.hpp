#pragma once

#include <ssam/core/bfloat16.hpp>
#include <ssam/nn/linear.hpp>

namespace ssam::inline SSAM_ABI {

/// The factors of a frozen weight W = U diag(s) Vt; r = min(out, in). `Stored`: of the elements of U and Vt.
template <class Scalar, class Device, class Stored = Scalar>
struct SvdFactors {
  Tensor<Stored, Device> u;   ///< [out, r]
  Tensor<Scalar, Device> s;   ///< [r], descending
  Tensor<Stored, Device> vt;  ///< [r, in]
};

/// S-SAM's layer: y = x W'^T + b with W' = U diag(relu(scale * s + shift)) Vt, where only scale (1 at the start) and
/// shift (0) are trained. Source: S-SAM (MICCAI 2024). A LinearLayer. `ScaleTraining`, `ShiftTraining`: Trained or
/// Frozen. `Largest`: only that many singular values, the largest, have a scale and a shift; 0: all.
///
/// After `prepare` the layer holds the factors instead of the weight; `merge` turns it back into a plain weight.
template <class Scalar, class Device, class BiasTraining = Frozen, class ScaleTraining = Trained,
          class ShiftTraining = Trained, Index Largest = 0>
class SVDLinear {
 public:
  using Matrix = MatrixView<Scalar, Device>;             ///< a matrix to write
  using ConstMatrix = MatrixView<const Scalar, Device>;  ///< a matrix to read
  using View = TensorView<Scalar, Device>;               ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;    ///< a tensor to read
  using Factors = SvdFactors<Scalar, Device>;  ///< of the frozen weight, as they are computed and kept in files
  /// How W' is applied; see `cheaper_form`.
  enum class Form {
    automatic,  ///< the cheaper one for the input's number of rows
    factored,   ///< by its factors: ((x V) diag(s')) U^T
    merged      ///< W' is multiplied out first
  };
  /// What forward leaves for backward.
  struct Record {
    ConstMatrix x;        ///< merged form only, [N, in]
    ConstView projected;  ///< factored form only: x V, [N, r]
    ConstView weight;     ///< merged form only: W' [out, in]
    ConstView singular;   ///< s' = relu(scale * s + shift), [r]; empty where the layer holds a plain weight
  };

  constexpr SVDLinear() = default;  ///< empty, to be assigned
  /// `weight_shape`: [out, in] or [out, kh, kw, in].
  constexpr explicit SVDLinear(const Shape& weight_shape)
      : weight(weight_shape),
        bias(Shape{weight_shape[0]}),
        scale(Shape{scaled_of(weight_shape)}),
        shift(Shape{scaled_of(weight_shape)}) {}

  /// Both forms give the same result; per training step they cost (multiply-adds, `n` rows, W is `m` x `k`, r = min(m,
  /// k)): factored 2 n r (m + k), merged 3 n m k + 2 r m k. Factored wins for every clearly rectangular layer (qkv,
  /// MLP), and for square ones below about n = 2 m.
  static Form cheaper_form(Index n, Index m, Index k) {
    const Index r = std::min(m, k);
    return 2 * n * r * (m + k) <= 3 * n * m * k + 2 * r * m * k ? Form::factored : Form::merged;
  }

  /// x [N, in] -> y [N, out], by the factors where there are any, else by the plain weight.
  void forward(Context<Device>& context, ConstMatrix x, Matrix y, Record& record) const {
    record = {};
    if (!prepared()) {
      ops::linear<Scalar>(context, x, weight.value.view().matrix(y.cols), bias_view(), y);
    } else {
      const View singular = singular_values(context);
      record.singular = singular;
      const Form chosen = form != Form::automatic ? form : cheaper_form(x.rows, y.cols, x.cols);
      if (chosen == Form::factored) {
        forward_factored(context, x, y, record);
      } else {
        forward_merged(context, x, y, record);
      }
    }
  }

  /// dy [N, out]. Adds to the gradients of scale, shift and a trained bias; overwrites dx [N, in] unless it is empty.
  /// Throws Error when the layer was merged: a merged weight has no singular values to train.
  void backward(Context<Device>& context, const Record& record, ConstMatrix dy, Matrix dx) {
    if (!prepared()) throw Error("an SVD layer that was merged (or never prepared) cannot be trained");
    WorkspaceScope<Device> scope(context);
    const View dsingular = allocate<Scalar>(context, factors.s.shape());
    ops::fill<Scalar>(context, dsingular, Scalar(0));
    if (record.weight.empty()) {
      backward_factored(context, record, dy, dx, dsingular);
    } else {
      backward_merged(context, record, dy, dx, dsingular);
    }
    ops::singular_values_backward<Scalar>(context, scaled(factors.s.view()), scaled(record.singular),
                                          scaled(std::as_const(dsingular)), gradient(context, scale),
                                          gradient(context, shift));
    if constexpr (BiasTraining::trained) ops::sum_rows<Scalar>(context, dy, bias.ensure_grad());
  }

  /// The layer's answer [out] to a row of zeros; empty without a bias.
  ConstView bias_view() const {
    if constexpr (BiasTraining::present) return bias.value;
    return {};
  }
  /// Where to add the gradient of bias_view(); empty where it is not trained.
  View bias_grad() { return bias.ensure_grad(); }

  /// Whether the layer holds factors.
  bool prepared() const { return !factors.s.empty(); }
  /// Elements of the weight that `prepare` is to factor; 0 where it has nothing to do.
  Index preparation_cost() const { return prepared() ? 0 : weight.value.size(); }

  /// Factors the weight and lets go of it. Does nothing when factors are there already (from a cache).
  void prepare(Context<Device>& context) {
    if (!prepared()) set_factors(context, compute_factors(context));
  }

  /// The factors of the weight, for `set_factors`.
  Factors compute_factors(Context<Device>& context) const {
    const ConstMatrix matrix = weight.value.view().matrix(weight.value.dim(0));
    const Index r = std::min(matrix.rows, matrix.cols);
    Factors fresh{Tensor<Scalar, Device>(Shape{matrix.rows, r}), Tensor<Scalar, Device>(Shape{r}),
                  Tensor<Scalar, Device>(Shape{r, matrix.cols})};
    ops::svd<Scalar>(context, weight.value.view().reshape({matrix.rows, matrix.cols}), fresh.u.view(), fresh.s.view(),
                     fresh.vt.view());
    return fresh;
  }

  /// Takes the factors `ready`, computed for exactly this weight, and lets go of the weight. A device whose products
  /// round them stores them rounded.
  void set_factors([[maybe_unused]] Context<Device>& context, Factors&& ready) {
    weight_shape_ = weight.value.shape();
    if constexpr (rounds_factors) {
      factors.u = Tensor<FrozenScalar<Scalar, Device>, Device>(ready.u.shape());
      factors.vt = Tensor<FrozenScalar<Scalar, Device>, Device>(ready.vt.shape());
      ops::round(context, ready.u, factors.u.view());
      ops::round(context, ready.vt, factors.vt.view());
      factors.s = std::move(ready.s);
    } else {
      factors = std::move(ready);
    }
    weight.value = {};
  }

  /// Replaces the factors by the plain weight W'; the layer then is a Linear with the same answers.
  void merge(Context<Device>& context) {
    if (!prepared()) return;
    WorkspaceScope<Device> scope(context);
    const View singular = singular_values(context);
    weight.value = Tensor<Scalar, Device>(weight_shape_);
    form_weight(context, singular, weight.value.view());
    factors = {};
  }

  /// scale = 1, shift = 0: W' = W.
  void initialize(Random&) {
    const auto ones = std::vector<Scalar>(static_cast<std::size_t>(scale.value.size()), Scalar(1));
    scale.value = Tensor<Scalar, Device>(scale.value.shape(), ones);
    shift.value = Tensor<Scalar, Device>(shift.value.shape());
  }

  /// weight and bias by the layer's own names, trainable_scale and trainable_shift (S-SAM's published code). The
  /// factors are no parameters.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    const bool convolution = self.weight.value.shape().rank() == 4 || self.weight_shape_.rank() == 4;
    visitor.parameter("weight", self.weight, Group::weights, convolution ? Layout::conv : Layout::same);
    visitor.parameter("bias", self.bias, Group::biases);
    visitor.parameter("trainable_scale", self.scale, Group::singular_values);
    visitor.parameter("trainable_shift", self.shift, Group::singular_values);
  }

  Parameter<Scalar, Device, Frozen> weight;        ///< W [out, in] or [out, kh, kw, in]; empty while there are factors
  Parameter<Scalar, Device, BiasTraining> bias;    ///< [out]
  Parameter<Scalar, Device, ScaleTraining> scale;  ///< [r], or fewer (`Largest`); 1 at the start
  Parameter<Scalar, Device, ShiftTraining> shift;  ///< the same number; 0 at the start
  SvdFactors<Scalar, Device, FrozenScalar<Scalar, Device>> factors;  ///< of W; empty before `prepare`, after `merge`
  Form form = Form::automatic;                                       ///< how W' is applied

 private:
  static constexpr bool rounds_factors = has_frozen_scalar<Scalar, Device>;

  /// How many singular values have a scale and a shift.
  static constexpr Index scaled_of(const Shape& shape) {
    const Index rank = std::min(shape[0], shape.elements() / shape[0]);
    return Largest > 0 ? std::min(Largest, rank) : rank;
  }
  /// The part of `values` [r] that has them.
  template <class V>
  V scaled(const V& values) const {
    return V{values.data(), {scale.value.size()}};
  }

  /// s' of the trained scale and shift, [r].
  View singular_values(Context<Device>& context) const {
    const View singular = allocate<Scalar>(context, factors.s.shape());
    if constexpr (Largest > 0) ops::copy<Scalar>(context, factors.s, singular);
    ops::singular_values<Scalar>(context, scale.value, scaled(factors.s.view()), shift.value, scaled(singular));
    return singular;
  }

  /// Where to add a parameter's gradient; of a frozen one, where it is not looked at.
  template <class P>
  static View gradient(Context<Device>& context, P& parameter) {
    if constexpr (P::trained) return parameter.ensure_grad();
    const View unused = allocate<Scalar>(context, parameter.value.shape());
    ops::fill<Scalar>(context, unused, Scalar(0));
    return unused;
  }

  void form_weight(Context<Device>& context, ConstView singular, View out) const {
    WorkspaceScope<Device> scope(context);
    const View scaled_u = allocate<Scalar>(context, factors.u.shape());
    if constexpr (rounds_factors) {
      ops::widen(context, factors.u, scaled_u);
      ops::multiply_row<Scalar>(context, scaled_u.matrix(), singular, scaled_u.matrix());
    } else {
      ops::multiply_row<Scalar>(context, factors.u.view().matrix(), singular, scaled_u.matrix());
    }
    ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, scaled_u.matrix(), factors.vt.view().matrix(),
                        out.matrix(factors.u.dim(0)));
  }

  void forward_factored(Context<Device>& context, ConstMatrix x, Matrix y, Record& record) const {
    const View projected = allocate<Scalar>(context, {x.rows, factors.s.dim(0)});
    record.projected = projected;
    ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::yes, x, factors.vt.view().matrix(),
                        projected.matrix());
    WorkspaceScope<Device> scope(context);
    if constexpr (!rounds_factors) {
      if (y.cols < x.rows) {  // the smaller matrix is scaled
        const View scaled_u = allocate<Scalar>(context, factors.u.shape());
        ops::multiply_row<Scalar>(context, factors.u.view().matrix(), record.singular, scaled_u.matrix());
        ops::linear<Scalar>(context, projected.matrix(), scaled_u.matrix(), bias_view(), y);
        return;
      }
    }
    const View scaled = allocate<Scalar>(context, projected.shape());
    ops::multiply_row<Scalar>(context, projected.matrix(), record.singular, scaled.matrix());
    ops::linear<Scalar>(context, scaled.matrix(), factors.u.view().matrix(), bias_view(), y);
  }

  void forward_merged(Context<Device>& context, ConstMatrix x, Matrix y, Record& record) const {
    const View merged = allocate<Scalar>(context, {y.cols, x.cols});
    form_weight(context, record.singular, merged);
    record.x = x;
    record.weight = merged;
    ops::linear<Scalar>(context, x, merged.matrix(), bias_view(), y);
  }

  // d singular[i] = sum over rows of (dy U)[., i] * (x V)[., i];  dx = ((dy U) * singular) Vt
  void backward_factored(Context<Device>& context, const Record& record, ConstMatrix dy, Matrix dx, View dsingular) {
    const View g = allocate<Scalar>(context, {dy.rows, factors.s.dim(0)});
    ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, dy, std::as_const(factors.u).view().matrix(),
                        g.matrix());
    ops::dot_rows<Scalar>(context, g.matrix(), record.projected.matrix(), dsingular);
    if (dx.empty()) return;
    ops::multiply_row<Scalar>(context, g.matrix(), record.singular, g.matrix());
    ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, g.matrix(),
                        std::as_const(factors.vt).view().matrix(), dx);
  }

  // dW' = dy^T x, d singular[i] = u_i^T dW' v_i;  dx = dy W'
  void backward_merged(Context<Device>& context, const Record& record, ConstMatrix dy, Matrix dx, View dsingular) {
    const View dweight = allocate<Scalar>(context, record.weight.shape());
    ops::matmul<Scalar>(context, ops::Transpose::yes, ops::Transpose::no, dy, record.x, dweight.matrix());
    const View dweight_v = allocate<Scalar>(context, factors.u.shape());
    ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::yes, dweight.matrix(),
                        std::as_const(factors.vt).view().matrix(), dweight_v.matrix());
    if constexpr (rounds_factors) {
      const View u = allocate<Scalar>(context, factors.u.shape());
      ops::widen(context, factors.u, u);
      ops::dot_rows<Scalar>(context, u.matrix(), dweight_v.matrix(), dsingular);
    } else {
      ops::dot_rows<Scalar>(context, std::as_const(factors.u).view().matrix(), dweight_v.matrix(), dsingular);
    }
    if (!dx.empty())
      ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, dy, record.weight.matrix(), dx);
  }

  Shape weight_shape_;
};

/// A layer that computes with factors of its weight, which can be kept beside a checkpoint.
template <class Layer>
concept FactoredLayer = requires(std::remove_cvref_t<Layer>& layer,
                                 typename std::remove_cvref_t<Layer>::Factors factors) {
  factors.s = layer.factors.s;
  { layer.preparation_cost() } -> std::convertible_to<Index>;
  { layer.prepared() } -> std::convertible_to<bool>;
};

}  // namespace ssam::inline SSAM_ABI
