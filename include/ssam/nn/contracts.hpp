#pragma once

#include <concepts>
#include <ssam/core/visit.hpp>
#include <ssam/ops/ops.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {
/// A visitor that looks at nothing: for asking whether a type can be visited.
struct NoVisitor {
  template <class P>
  constexpr void parameter(const char*, P&, Group, Layout = Layout::same) {}
  template <class Layer>
  constexpr void child(const char*, Layer&) {}
  template <class Layers>
  constexpr void children(const char*, Layers&) {}
  template <class Layer>
  constexpr void inlined(Layer&) {}
};
}  // namespace detail

/// What a walk sees: parameters and layers of its own, named by a static `visit(self, visitor)`.
template <class Layer>
concept Visitable = requires(std::remove_cvref_t<Layer>& layer, detail::NoVisitor& visitor) {
  std::remove_cvref_t<Layer>::visit(layer, visitor);
};

namespace detail {
/// A layer whose answer to a row of zeros is a parameter of its own.
template <class Layer, class Scalar, class Device>
concept AnswersBias = requires(Layer& layer, const Layer& same) {
  { same.bias_view() } -> std::convertible_to<TensorView<const Scalar, Device>>;
  { layer.bias_grad() } -> std::convertible_to<TensorView<Scalar, Device>>;
};
/// A layer that computes its answer to a row of zeros.
template <class Layer, class Scalar, class Device>
concept AnswersZero = requires(Layer& layer, const Layer& same, Context<Device>& context,
                               TensorView<const Scalar, Device> gradient) {
  { same.zero_answer(context) } -> std::convertible_to<TensorView<const Scalar, Device>>;
  layer.zero_backward(context, gradient);
};
}  // namespace detail

/// What stands at the site of a linear layer, y = x W^T + b over rows, or an adapter's form of it:
/// - made from the weight's shape, [out, in] or, over a convolution's patches, [out, kh, kw, in];
/// - forward(context, x [N, in], y [N, out], record) const, which keeps in `Record` what the backward pass needs;
/// - backward(context, record, dy, dx) adds to the gradients of what is trained and overwrites dx, unless it is empty;
/// - `bias_view()`, its answer to a row of zeros (empty: zeros), and `bias_grad()`, where to add that row's gradient;
/// or,
///   where that answer has to be computed, `zero_answer(context)` [out] and `zero_backward(context, gradient [out])`.
template <class Layer, class Scalar, class Device>
concept LinearLayer = Visitable<Layer> && std::constructible_from<Layer, const Shape&> &&
    std::default_initializable<Layer> &&
    requires(Layer& layer, const Layer& same, Context<Device>& context, typename Layer::Record& record,
             MatrixView<const Scalar, Device> in, MatrixView<Scalar, Device> out) {
  same.forward(context, in, out, record);
  layer.backward(context, record, in, out);
} &&(detail::AnswersBias<Layer, Scalar, Device> || detail::AnswersZero<Layer, Scalar, Device>);

/// What stands in place of a layer norm over C channels: made from C and the epsilon; forward(context, x [..., C], y,
/// record) const; backward(context, record, dy, dx) adds to the gradients of what is trained and overwrites dx.
template <class Layer, class Scalar, class Device>
concept NormLayer = Visitable<Layer> && std::constructible_from<Layer, Index, double> &&
    std::default_initializable<Layer> &&
    requires(Layer& layer, const Layer& same, Context<Device>& context, typename Layer::Record& record,
             TensorView<const Scalar, Device> in, TensorView<Scalar, Device> out) {
  same.forward(context, in, out, record);
  layer.backward(context, record, in, out);
};

/// What stands beside or behind other layers and adds to their answer:
/// - made from the number of channels C;
/// - forward(context, x [N, C], y [N, C], record) const does y += f(x); x and y are apart, and x is kept;
/// - backward(context, record, dy, dx) adds to the gradients of what is trained, and to dx, apart from dy.
template <class Layer, class Scalar, class Device>
concept BranchLayer = Visitable<Layer> && std::constructible_from<Layer, Index> && std::default_initializable<Layer> &&
    requires(Layer& layer, const Layer& same, Context<Device>& context, typename Layer::Record& record,
             MatrixView<const Scalar, Device> in, MatrixView<Scalar, Device> out) {
  same.forward(context, in, out, record);
  layer.backward(context, record, in, out);
};

/// A layer that no plain checkpoint knows: `initialize` brings it to its start.
template <class Layer>
concept InitializedLayer = requires(std::remove_cvref_t<Layer>& layer, Random& random) {
  layer.initialize(random);
};

/// A layer that is to be prepared once its weights are there (SVDLinear factors them): `preparation_cost()` says how
/// much there is to do, 0 for nothing.
template <class Layer, class Device>
concept PreparedLayer = requires(std::remove_cvref_t<Layer>& layer, Context<Device>& context) {
  { layer.preparation_cost() } -> std::convertible_to<Index>;
  layer.prepare(context);
};

/// A layer that can become a plain one with the same answers.
template <class Layer, class Device>
concept MergedLayer = requires(std::remove_cvref_t<Layer>& layer, Context<Device>& context) {
  layer.merge(context);
};

}  // namespace ssam::inline SSAM_ABI
