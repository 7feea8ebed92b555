#pragma once

#include <doctest/doctest.h>

#include <ssam/testing/gradient_check.hpp>

/// The library's gradient checker under doctest.
namespace ssam::gradient_test {

using testing::randomize_parameters;

inline Tensor<double, Cpu> random_tensor(const Shape& shape, std::uint64_t seed) {
  return testing::random_tensor<double>(shape, seed);
}

inline void require_gradients(const testing::GradientReport& report, int at_least) {
  CAPTURE(report.where);
  CAPTURE(report.error);
  CHECK(report.passed());
  CHECK(report.tensors >= at_least);
}

/// Every trained parameter of a model whose backward pass has run (from zero gradients).
template <class Model, class Loss>
void check_parameters(Model& model, const Loss& loss, int at_least = 1) {
  testing::GradientReport report;
  testing::compare_parameters(report, model, loss, 6, 1e-5);
  require_gradients(report, at_least);
}

/// A layer's input and its trained parameters.
template <class Layer>
void check_layer(Layer& layer, const Shape& in, const Shape& out, int trained_parameters) {
  require_gradients(testing::check_layer(layer, in, out), trained_parameters + 1);
}

}  // namespace ssam::gradient_test
