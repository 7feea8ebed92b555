#pragma once

#include <cmath>
#include <ssam/ops/views.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// Which cross entropy the focal loss uses.
enum class FocalForm {
  reference,  ///< as S-SAM's authors published it: BCE-with-logits of the probability itself, a second sigmoid
  corrected,  ///< the cross entropy of the probability
};

/// The numbers of mask_loss.
struct MaskLossOptions {
  double dice_weight = 1,                 ///< of the dice part
      focal_weight = 1;                   ///< of the focal part
  double alpha = 0.75,                    ///< weight of a mask's pixels, 1 - alpha of the others
      gamma = 3;                          ///< exponent of the focal part: how much less sure pixels count
  FocalForm form = FocalForm::corrected;  ///< cross entropy of the focal part
};

namespace detail {

/// One pixel of the focal loss and its derivative with respect to the probability.
struct FocalTerm {
  double loss, slope;
};

/// PyTorch's binary_cross_entropy keeps logarithms from falling below -100.
SSAM_HOST_DEVICE inline double bounded_log(double logarithm) { return logarithm > -100 ? logarithm : -100; }

SSAM_HOST_DEVICE inline FocalTerm focal_term(double p, double t, const MaskLossOptions& options) {
  double entropy, entropy_slope;
  if (options.form == FocalForm::reference) {
    entropy = (p > 0 ? p : 0) - p * t + std::log1p(std::exp(-std::abs(p)));
    entropy_slope = 1 / (1 + std::exp(-p)) - t;
  } else {
    // A mask is 0 or 1, so that one logarithm is enough.
    if (t == 0 || t == 1) {
      entropy = -bounded_log(t == 1 ? std::log(p) : std::log1p(-p));
    } else {
      entropy = -(t * bounded_log(std::log(p)) + (1 - t) * bounded_log(std::log1p(-p)));
    }
    const double variance = (1 - p) * p;
    entropy_slope = (p - t) / (variance > 1e-12 ? variance : 1e-12);  // PyTorch's bound again
  }
  const double miss = 1 - (p * t + (1 - p) * (1 - t));
  const double alpha = options.alpha * t + (1 - options.alpha) * (1 - t);
  if (options.gamma == 0) return {alpha * entropy, alpha * entropy_slope};
  // The published gamma without pow, which would take a sixth of a small model's training step.
  const double power = options.gamma == 3 ? miss * miss : std::pow(miss, options.gamma - 1);
  const double weight = power * miss, weight_slope = options.gamma * power * (1 - 2 * t);
  return {alpha * weight * entropy, alpha * (weight_slope * entropy + weight * entropy_slope)};
}

template <class S, class Device>
void require_mask_loss(TensorView<const S, Device> p, TensorView<const S, Device> t, TensorView<S, Device> dp,
                       TensorView<double, Device> loss) {
  require(p.size() > 0 && t.size() == p.size() && (dp.empty() || dp.size() == p.size()), "mask_loss",
          "probabilities, masks and gradients of one size", p, t, dp);
  require(loss.size() == 1, "mask_loss", "one loss", loss);
}

}  // namespace detail

}  // namespace ssam::inline SSAM_ABI::ops
