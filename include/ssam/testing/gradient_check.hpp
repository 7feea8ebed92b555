#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <ssam/core/context.hpp>
#include <ssam/core/visit.hpp>
#include <string>
#include <utility>
#include <vector>

/// What tests of layers, models and ops need, of this library's and of yours; no test framework is asked for.
namespace ssam::inline SSAM_ABI::testing {

/// Normal numbers in a tensor of `shape`; the same for the same `seed`, with the deviation `scale`.
template <class Scalar>
Tensor<Scalar, Cpu> random_tensor(const Shape& shape, std::uint64_t seed, double scale = 1) {
  Random random(seed);
  std::vector<Scalar> values(static_cast<std::size_t>(shape.elements()));
  for (Scalar& value : values) value = static_cast<Scalar>(scale * random.normal());
  return Tensor<Scalar, Cpu>(shape, values);
}

/// What a comparison of gradients with central differences found.
struct GradientReport {
  double error = 0;        ///< largest difference, relative to the largest value of its tensor (at least 1e-3)
  std::string where = "";  ///< the tensor and element of that difference
  int tensors = 0;         ///< tensors that were compared

  /// Whether something was compared and every difference is below `tolerance`.
  bool passed(double tolerance = 1e-6) const { return tensors > 0 && error < tolerance; }
};

/// Compares `gradient`, that of loss() with respect to x, with central differences of fourth order at up to `at_most`
/// elements spread over x, `delta` apart, and adds what it finds to `report` under `name`. loss() runs the forward pass
/// anew. Where it has kinks (ReLU), a smaller `delta` meets fewer of them. What is not finite counts as infinitely far
/// off. Throws ShapeError where `gradient` has another size than x.
template <class Loss>
void compare_gradient(GradientReport& report, const std::string& name, Tensor<double, Cpu>& x,
                      const Tensor<double, Cpu>& gradient, const Loss& loss, Index at_most = 48, double delta = 1e-4) {
  if (gradient.size() != x.size()) {
    throw ShapeError(ErrorText{.what = "a gradient has another size than its tensor",
                               .where = name,
                               .expected = x.shape().str(),
                               .found = gradient.shape().str()});
  }
  constexpr double smallest = 1e-3;
  const Index step = std::max<Index>(1, (x.size() + at_most - 1) / std::max<Index>(1, at_most));
  double magnitude = smallest, worst = 0;
  Index place = 0;
  for (Index i = 0; i < x.size(); i += step) {
    const double value = x.data()[i];
    const auto at = [&](double offset) {
      x.data()[i] = value + offset;
      return loss();
    };
    const double numeric = (8 * (at(delta) - at(-delta)) - (at(2 * delta) - at(-2 * delta))) / (12 * delta);
    x.data()[i] = value;
    const double difference = std::abs(gradient.data()[i] - numeric);
    const double off = std::isfinite(difference) ? difference : std::numeric_limits<double>::infinity();
    if (std::isfinite(numeric)) magnitude = std::max(magnitude, std::abs(numeric));
    if (off <= worst) continue;
    worst = off;
    place = i;
  }
  ++report.tensors;
  if (worst / magnitude <= report.error) return;
  report.error = worst / magnitude;
  report.where = name + "[" + std::to_string(place) + "]";
}

/// compare_gradient (`at_most`, `delta`) for every trained parameter of a model that a backward pass has reached (from
/// zero gradients).
template <class Model, class Loss>
void compare_parameters(GradientReport& report, Model& model, const Loss& loss, Index at_most = 48,
                        double delta = 1e-4) {
  walk(model, [&](const Path& path, auto& parameter, Group, Layout) {
    if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) {
      if (!parameter.reached) return;
      const Tensor<double, Cpu> gradient = parameter.grad;
      compare_gradient(report, path.str(), parameter.value, gradient, loss, at_most, delta);
    }
  });
}

/// Fills every parameter of a model with normal values (scales of norms around 1, variances positive), from `seed` on.
template <class Model>
void randomize_parameters(Model& model, std::uint64_t seed) {
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout) {
    parameter.value = random_tensor<double>(parameter.value.shape(), seed++, 0.4);
    const std::string name = path.str();
    for (Index i = 0; i < parameter.value.size(); ++i) {
      double& value = parameter.value.data()[i];
      if (group == Group::norms && name.ends_with("weight")) value += 1;
      if (name.ends_with("running_var")) value = 0.5 + value * value;
      if (group == Group::counter) value = 0;
    }
  });
}

/// Puts any layer in double on the host through the check: forward(context, x, y, record) and backward(context, record,
/// dy, dx), over tensors or over matrices, with x of shape `in` and y of shape `out`. Compared are the gradients of a
/// random combination of y, for x and for everything that is trained (a parameter that backward forgets has a gradient
/// of zero); a layer that adds to y and dx is understood.
template <class Layer>
GradientReport check_layer(Layer& layer, const Shape& in, const Shape& out) {
  Context<Cpu> context(1);
  Tensor<double, Cpu> x = random_tensor<double>(in, 11), dx(in);
  const Tensor<double, Cpu> r = random_tensor<double>(out, 12);
  typename Layer::Record record;
  const auto run = [&](bool backward) {
    WorkspaceScope<Cpu> scope(context);
    const TensorView<double, Cpu> y = allocate<double>(context, out);
    std::fill_n(y.data(), y.size(), 0.0);
    const TensorView<const double, Cpu> input = std::as_const(x).view();
    if constexpr (requires { layer.forward(context, input.matrix(), y.matrix(), record); }) {
      layer.forward(context, input.matrix(), y.matrix(), record);
      if (backward) layer.backward(context, record, r.view().matrix(), dx.view().matrix());
    } else {
      layer.forward(context, input, y, record);
      if (backward) layer.backward(context, record, r.view(), dx.view());
    }
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += y.data()[i] * r.data()[i];
    return sum;
  };
  walk(layer, [](const Path&, auto& parameter, Group, Layout) {
    if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) {
      parameter.grad = {};
      parameter.ensure_grad();
    }
  });
  run(true);
  GradientReport report;
  const auto loss = [&] { return run(false); };
  const Tensor<double, Cpu> of_x = dx;
  compare_gradient(report, "x", x, of_x, loss);
  compare_parameters(report, layer, loss);
  return report;
}

}  // namespace ssam::inline SSAM_ABI::testing
