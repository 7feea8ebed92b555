#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <ssam/core/context.hpp>
#include <ssam/core/random.hpp>
#include <ssam/core/visit.hpp>
#include <string>
#include <vector>

namespace ssam::test {

inline std::vector<double> random_values(Index count, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = random.normal();
  return values;
}

inline Tensor<double, Cpu> random_tensor(const Shape& shape, std::uint64_t seed) {
  return Tensor<double, Cpu>(shape, random_values(shape.elements(), seed));
}

/// Fills every parameter with normal values (norm weights around 1).
template <class Model>
void randomize_parameters(Model& model, std::uint64_t seed) {
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout) {
    parameter.value = random_tensor(parameter.value.shape(), seed++);
    for (Index i = 0; i < parameter.value.size(); ++i) {
      double& value = parameter.value.data()[i];
      value *= 0.4;
      if (group == Group::norms && path.str().ends_with("weight")) value += 1;
      if (path.str().ends_with("running_var")) value = 0.5 + value * value;
      if (group == Group::counter) value = 0;
    }
  });
}

/// `loss()` runs the forward pass and returns a scalar. Compares `gradient` with central differences at a handful of
/// the elements of `values`.
template <class Loss>
void check_gradient(const std::string& name, double* values, const double* gradient, Index count, const Loss& loss) {
  Random random(static_cast<std::uint64_t>(count));
  for (int sample = 0; sample < 6; ++sample) {
    const Index i = random.below(count);
    const double kept = values[i], h = 1e-5;
    values[i] = kept + h;
    const double above = loss();
    values[i] = kept - h;
    const double below = loss();
    values[i] = kept;
    const double numeric = (above - below) / (2 * h);
    CAPTURE(name);
    CAPTURE(i);
    CHECK(gradient[i] == doctest::Approx(numeric).epsilon(2e-5).scale(std::max(1e-3, std::abs(numeric))));
  }
}

/// check_gradient for every trained parameter of a model whose backward pass has run (from zero gradients).
template <class Model, class Loss>
void check_parameters(Model& model, const Loss& loss, int at_least = 1) {
  int checked = 0;
  walk(model, [&](const Path& path, auto& parameter, Group, Layout) {
    if constexpr (requires { parameter.grad; }) {
      if (!parameter.reached) return;
      ++checked;
      const std::vector<double> gradient = parameter.grad.to_host();
      check_gradient(path.str(), parameter.value.data(), gradient.data(), parameter.value.size(), loss);
    }
  });
  CHECK(checked >= at_least);
}

/// A layer with forward(context, x, y, record) and backward(context, record, dy, dx) over whole tensors: the gradients
/// of sum(y * r) for x and everything trained.
template <class Layer>
void check_layer(Layer& layer, const Shape& in, const Shape& out, int trained_parameters) {
  Context<Cpu> context(1);
  Tensor<double, Cpu> x = random_tensor(in, 11), dx(in);
  const Tensor<double, Cpu> r = random_tensor(out, 12);
  typename Layer::Record record;
  const auto run = [&](bool backward) {
    WorkspaceScope<Cpu> scope(context);
    const TensorView<double, Cpu> y = allocate<double>(context, out);
    if constexpr (requires { layer.forward(context, std::as_const(x).view().matrix(), y.matrix(), record); }) {
      layer.forward(context, std::as_const(x).view().matrix(), y.matrix(), record);
      if (backward) layer.backward(context, record, r.view().matrix(), dx.view().matrix());
    } else {
      layer.forward(context, std::as_const(x).view(), y, record);
      if (backward) layer.backward(context, record, r.view(), dx.view());
    }
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += y.data()[i] * r.data()[i];
    return sum;
  };
  run(true);
  const auto loss = [&] { return run(false); };
  check_gradient("x", x.data(), dx.data(), x.size(), loss);
  check_parameters(layer, loss, trained_parameters);
}

}  // namespace ssam::test
