#pragma once

#include <cmath>
#include <ssam/ops/cpu/kernel.hpp>

namespace ssam::ops {

/// Which cross entropy the focal loss uses.
enum class FocalForm {
  reference,  ///< as S-SAM's authors published it: BCE-with-logits of the probability itself, a second sigmoid
  corrected,  ///< the cross entropy of the probability
};

struct MaskLossOptions {
  double dice_weight = 1, focal_weight = 1;
  double alpha = 0.75, gamma = 3;
  FocalForm form = FocalForm::corrected;
};

namespace detail {

/// One pixel of the focal loss and its derivative with respect to the probability.
struct FocalTerm {
  double loss, slope;
};

inline FocalTerm focal_term(double p, double t, const MaskLossOptions& options) {
  double entropy, entropy_slope;
  if (options.form == FocalForm::reference) {
    entropy = std::max(p, 0.0) - p * t + std::log1p(std::exp(-std::abs(p)));
    entropy_slope = 1 / (1 + std::exp(-p)) - t;
  } else {
    // PyTorch's binary_cross_entropy: logarithms not below -100, the denominator of the gradient not below 1e-12.
    // A mask is 0 or 1, so that one logarithm is enough.
    if (t == 0 || t == 1) {
      entropy = -std::max(t == 1 ? std::log(p) : std::log1p(-p), -100.0);
    } else {
      entropy = -(t * std::max(std::log(p), -100.0) + (1 - t) * std::max(std::log1p(-p), -100.0));
    }
    entropy_slope = (p - t) / std::max((1 - p) * p, 1e-12);
  }
  const double miss = 1 - (p * t + (1 - p) * (1 - t));
  const double alpha = options.alpha * t + (1 - options.alpha) * (1 - t);
  if (options.gamma == 0) return {alpha * entropy, alpha * entropy_slope};
  // The published gamma without pow, which would take a sixth of a small model's training step.
  const double power = options.gamma == 3 ? miss * miss : std::pow(miss, options.gamma - 1);
  const double weight = power * miss, weight_slope = options.gamma * power * (1 - 2 * t);
  return {alpha * weight * entropy, alpha * (weight_slope * entropy + weight * entropy_slope)};
}

}  // namespace detail

/// S-SAM's mask loss of probabilities p against masks t (0 or 1): dice_weight * dice + focal_weight * focal with
///   dice  = 1 - (2 sum(p t) + 1) / (sum(p + t) + 1) over the whole batch,
///   focal = mean over pixels of alpha_t (1 - p_t)^gamma * cross entropy (see FocalForm).
/// dp, if not empty, is overwritten with scale * dLoss/dp. Sums are double. Throws ShapeError.
template <class S>
double mask_loss(Context<Cpu>& context, In<S, Cpu> p, In<S, Cpu> t, const MaskLossOptions& options,
                 TensorView<S, Cpu> dp, double scale = 1) {
  const Index pixels = p.size();
  require(pixels > 0 && t.size() == pixels && (dp.empty() || dp.size() == pixels), "mask_loss",
          "probabilities, masks and gradients of one size");
  const Index grain = std::max<Index>(4096, (pixels + 255) / 256), pieces = (pixels + grain - 1) / grain;
  WorkspaceScope scope(context);
  const auto partial = allocate<double>(context, {pieces, 3});  // sum of p * t, sum of p + t, focal
  context.parallel_ranges(pixels, grain, [&](Index begin, Index end) {
    double overlap = 0, area = 0, focal = 0;
    for (Index i = begin; i < end; ++i) {
      const double probability = static_cast<double>(p.data()[i]), truth = static_cast<double>(t.data()[i]);
      const auto term = detail::focal_term(probability, truth, options);
      overlap += probability * truth;
      area += probability + truth;
      focal += term.loss;
      // The focal part now, the dice part when the sums are known.
      if (!dp.empty())
        dp.data()[i] = static_cast<S>(scale * options.focal_weight / static_cast<double>(pixels) * term.slope);
    }
    double* sums = partial.data() + begin / grain * 3;
    sums[0] = overlap, sums[1] = area, sums[2] = focal;
  });
  double overlap = 0, area = 0, focal = 0;
  for (Index piece = 0; piece < pieces; ++piece) {
    overlap += partial.data()[piece * 3];
    area += partial.data()[piece * 3 + 1];
    focal += partial.data()[piece * 3 + 2];
  }
  const double ratio = (2 * overlap + 1) / (area + 1);
  if (!dp.empty()) {
    const S constant = static_cast<S>(scale * options.dice_weight * ratio / (area + 1));
    const S per_truth = static_cast<S>(scale * options.dice_weight * -2 / (area + 1));
    detail::for_elements(context, pixels, [&](Index i, Index n) {
      detail::array(dp.data() + i, n) += constant + per_truth * detail::array(t.data() + i, n);
    });
  }
  return options.dice_weight * (1 - ratio) + options.focal_weight * focal / static_cast<double>(pixels);
}

}  // namespace ssam::ops
