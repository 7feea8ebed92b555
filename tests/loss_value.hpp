#pragma once

#include <ssam/ops/ops.hpp>

namespace ssam::inline SSAM_ABI::testing {

/// ops::mask_loss with its loss brought to the host.
template <class S>
double loss_value(Context<Cpu>& context, ops::In<S, Cpu> p, ops::In<S, Cpu> t, const ops::MaskLossOptions& options,
                  ops::MaybeOut<S, Cpu> dp = {}, double scale = 1) {
  Tensor<double, Cpu> loss(Shape{1});
  ops::mask_loss<S>(context, p, t, options, dp, scale, loss.view());
  return loss.to_host()[0];
}

}  // namespace ssam::inline SSAM_ABI::testing
