#pragma once

#include <ssam/ops/cpu/kernel.hpp>
#include <ssam/ops/mask_loss_options.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// S-SAM's mask loss of probabilities p against masks t (0 or 1): dice_weight * dice + focal_weight * focal, both in
/// `options`, with
///   dice  = 1 - (2 sum(p t) + 1) / (sum(p + t) + 1) over the whole batch,
///   focal = mean over pixels of alpha_t (1 - p_t)^gamma * cross entropy (see FocalForm).
/// dp, if not empty, is overwritten with scale * dLoss/dp; loss[0] += scale * Loss, which stays on the device. Sums are
/// double. Throws ShapeError.
template <class S>
void mask_loss(Context<Cpu>& context, In<S, Cpu> p, In<S, Cpu> t, const MaskLossOptions& options, MaybeOut<S, Cpu> dp,
               double scale, TensorView<double, Cpu> loss) {
  detail::require_mask_loss<S>(p, t, dp, loss);
  const Index pixels = p.size();
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
  loss.data()[0] +=
      scale * (options.dice_weight * (1 - ratio) + options.focal_weight * focal / static_cast<double>(pixels));
}

}  // namespace ssam::inline SSAM_ABI::ops
