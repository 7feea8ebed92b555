#pragma once

#include <cmath>
#include <ssam/core/visit.hpp>
#include <ssam/ops/ops.hpp>
#include <vector>

namespace ssam {

/// AdamW as PyTorch has it (decoupled weight decay, bias correction). Defaults: S-SAM's.
struct AdamWOptions {
  double lr = 1e-4;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 1e-2;
};

/// The optimiser of one model: moments of every trained parameter, in the order of the walk. A parameter that no
/// backward pass reached is left alone, not even decayed.
template <class Scalar, class Device>
class AdamW {
 public:
  struct Slot {
    Tensor<Scalar, Device> m, v;
    Index step = 0;
  };

  explicit AdamW(const AdamWOptions& chosen = {}) : options(chosen) {}

  /// Length of the whole gradient (of what was reached).
  template <class Model>
  double gradient_norm(Context<Device>& context, Model& model) const {
    double sum = 0;
    each_reached(
        model, [&](auto& parameter, std::size_t) { sum += ops::squared_norm<Scalar>(context, parameter.grad.view()); });
    return std::sqrt(sum);
  }

  /// One step with every gradient times `grad_scale`, at `options.lr * lr_factor`; then the gradients are zero again.
  template <class Model>
  void step(Context<Device>& context, Model& model, double lr_factor = 1, double grad_scale = 1) {
    each_reached(model, [&](auto& parameter, std::size_t index) {
      if (slots.size() <= index) slots.resize(index + 1);
      Slot& slot = slots[index];
      if (slot.m.empty()) {
        slot.m = Tensor<Scalar, Device>(parameter.value.shape());
        slot.v = Tensor<Scalar, Device>(parameter.value.shape());
      }
      ++slot.step;
      const ops::AdamWStep at{.lr = options.lr * lr_factor,
                              .beta1 = options.beta1,
                              .beta2 = options.beta2,
                              .eps = options.eps,
                              .weight_decay = options.weight_decay,
                              .step = slot.step};
      ops::adamw_step<Scalar>(context, parameter.grad.view(), static_cast<Scalar>(grad_scale), at,
                              parameter.value.view(), slot.m.view(), slot.v.view());
      ops::fill<Scalar>(context, parameter.grad.view(), Scalar(0));
      parameter.reached = false;
    });
  }

  AdamWOptions options;
  std::vector<Slot> slots;  ///< by the place of the parameter among the trained ones

 private:
  template <class Model, class F>
  static void each_reached(Model& model, const F& f) {
    std::size_t index = 0;
    walk(model, [&](const Path&, auto& parameter, Group, Layout) {
      if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) {
        if (parameter.reached) f(parameter, index);
        ++index;
      }
    });
  }
};

}  // namespace ssam
