#pragma once

#include <ssam/ops/adamw_tensor.hpp>
#include <ssam/ops/cpu/kernel.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace detail {

/// f(tensor, first element, count, chunk) for every chunk of a table.
template <class S, class F>
void for_adamw_chunks(Context<Cpu>& context, TensorView<const AdamWTensor<S>, Cpu> tensors, Index chunks, const F& f) {
  context.parallel_for(chunks, [&](Index chunk) {
    const AdamWTensor<S>& tensor = tensors.data()[adamw_tensor_of(tensors.data(), tensors.size(), chunk)];
    const Index first = (chunk - tensor.first_chunk) * adamw_chunk;
    f(tensor, first, std::min(adamw_chunk, tensor.size - first), chunk);
  });
}

}  // namespace detail

/// sum[0] = sum of the squares of all gradients, in double. `chunks`: of all tensors.
template <class S>
void squared_norm(Context<Cpu>& context, std::type_identity_t<TensorView<const AdamWTensor<S>, Cpu>> tensors,
                  Index chunks, TensorView<double, Cpu> sum) {
  require(sum.size() == 1, "squared_norm", "one sum", sum);
  WorkspaceScope scope(context);
  const auto partial = allocate<double>(context, {chunks});
  detail::for_adamw_chunks<S>(context, tensors, chunks,
                              [&](const AdamWTensor<S>& tensor, Index first, Index count, Index chunk) {
                                const auto grad = detail::array(static_cast<const S*>(tensor.grad) + first, count);
                                partial.data()[chunk] = grad.template cast<double>().square().sum();
                              });
  sum.data()[0] = 0;
  for (Index chunk = 0; chunk < chunks; ++chunk) sum.data()[0] += partial.data()[chunk];
}

/// One AdamW step by `settings` over all tensors, which have `chunks` chunks together, in PyTorch's order: value is
/// decayed by lr * weight_decay, m and v take in the gradient, value moves by lr * m_hat / (sqrt(v_hat) + eps).
/// Gradients are first scaled to `clip_norm` where sqrt(squared_norm) is longer (0: never), and are zero afterwards.
/// Where the norm is not finite, nothing else changes. Throws ShapeError, ConfigError for a step below 1.
template <class S>
void adamw_step(Context<Cpu>& context, std::type_identity_t<TensorView<const AdamWTensor<S>, Cpu>> tensors,
                Index chunks, const AdamWStep& settings, double clip_norm,
                std::type_identity_t<TensorView<const double, Cpu>> squared_norm) {
  detail::require_adamw(settings, squared_norm);
  const double square = squared_norm.data()[0];
  const bool finite = std::isfinite(square);
  const S grad_scale = static_cast<S>(detail::clip_factor(square, clip_norm));
  detail::for_adamw_chunks<S>(context, tensors, chunks, [&](const AdamWTensor<S>& tensor, Index i, Index n, Index) {
    auto grad = detail::array(tensor.grad + i, n);
    if (finite) {
      const detail::AdamWFactors<S> at(settings, settings.step - tensor.skipped);
      const auto g = grad * grad_scale;
      auto first = detail::array(tensor.m + i, n), second = detail::array(tensor.v + i, n);
      auto x = detail::array(tensor.value + i, n);
      first += at.take1 * (g - first);
      second = at.keep2 * second + at.take2 * g * g;
      x = x * at.decay - at.step_size * first / (second.sqrt() / at.root2 + at.eps);
    }
    grad = S(0);
  });
}

}  // namespace ssam::inline SSAM_ABI::ops
