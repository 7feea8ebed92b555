#pragma once

#include <cmath>
#include <ssam/ops/cpu/kernel.hpp>

namespace ssam::ops {

/// The numbers of one AdamW step (PyTorch's defaults); `step` counts from 1.
struct AdamWStep {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2;
  Index step = 1;
};

/// One AdamW step in PyTorch's order: value is decayed by lr * weight_decay, m and v take in grad_scale * grad, value
/// moves by lr * m_hat / (sqrt(v_hat) + eps). Throws ShapeError, ConfigError for a step below 1.
template <class S>
void adamw_step(Context<Cpu>& context, In<S, Cpu> grad, std::type_identity_t<S> grad_scale, const AdamWStep& settings,
                TensorView<S, Cpu> value, TensorView<S, Cpu> m, TensorView<S, Cpu> v) {
  require(grad.size() == value.size() && m.size() == value.size() && v.size() == value.size(), "adamw_step",
          "gradient, value and moments of one size");
  if (settings.step < 1) throw ConfigError("AdamW counts its steps from 1");
  const double count = static_cast<double>(settings.step);
  const S decay = static_cast<S>(1 - settings.lr * settings.weight_decay);
  const S take1 = static_cast<S>(1 - settings.beta1), take2 = static_cast<S>(1 - settings.beta2);
  const S keep2 = static_cast<S>(settings.beta2), eps = static_cast<S>(settings.eps);
  const S step_size = static_cast<S>(settings.lr / (1 - std::pow(settings.beta1, count)));
  const S root2 = static_cast<S>(std::sqrt(1 - std::pow(settings.beta2, count)));
  detail::for_elements(context, value.size(), [&](Index i, Index n) {
    const auto g = detail::array(grad.data() + i, n) * grad_scale;
    auto first = detail::array(m.data() + i, n), second = detail::array(v.data() + i, n);
    auto x = detail::array(value.data() + i, n);
    first += take1 * (g - first);
    second = keep2 * second + take2 * g * g;
    x = x * decay - step_size * first / (second.sqrt() / root2 + eps);
  });
}

/// Sum of squares, in double.
template <class S>
double squared_norm(Context<Cpu>& context, TensorView<S, Cpu> x) {
  const Index grain = std::max<Index>(4096, (x.size() + 255) / 256), pieces = (x.size() + grain - 1) / grain;
  WorkspaceScope scope(context);
  const auto partial = allocate<double>(context, {pieces});
  context.parallel_ranges(x.size(), grain, [&](Index begin, Index end) {
    partial.data()[begin / grain] = detail::array(x.data() + begin, end - begin).template cast<double>().square().sum();
  });
  double sum = 0;
  for (Index piece = 0; piece < pieces; ++piece) sum += partial.data()[piece];
  return sum;
}

}  // namespace ssam::ops
