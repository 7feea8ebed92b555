#pragma once

#include <ssam/ops/cuda/map.cuh>
#include <ssam/ops/mask_loss_options.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

inline constexpr unsigned loss_threads = 256;

/// A block's `grain` pixels: partial [block, 3] = sums of p * t, of p + t and of the focal loss; dp, if not null,
/// becomes the focal part of the gradient, `slope_scale` times the pixel's slope.
template <class S>
__global__ void __launch_bounds__(loss_threads)
    mask_loss_terms_kernel(const S* p, const S* t, MaskLossOptions options, double slope_scale, S* dp, Index pixels,
                           Index grain, double* partial) {
  auto* shared = detail::dynamic_shared<double>();  // one value per warp
  const Index first = blockIdx.x * grain, end = first + grain < pixels ? first + grain : pixels;
  double overlap = 0, area = 0, focal = 0;
  for (Index i = first + threadIdx.x; i < end; i += loss_threads) {
    const double probability = static_cast<double>(p[i]), truth = static_cast<double>(t[i]);
    const auto term = detail::focal_term(probability, truth, options);
    overlap += probability * truth;
    area += probability + truth;
    focal += term.loss;
    if (dp != nullptr) dp[i] = static_cast<S>(slope_scale * term.slope);
  }
  overlap = detail::block_sum(overlap, shared);
  area = detail::block_sum(area, shared);
  focal = detail::block_sum(focal, shared);
  if (threadIdx.x != 0) return;
  partial[blockIdx.x * 3] = overlap;
  partial[blockIdx.x * 3 + 1] = area;
  partial[blockIdx.x * 3 + 2] = focal;
}

/// One block: loss[0] += scale * loss; dice[0] + dice[1] * t is the dice part of a pixel's gradient.
template <class S>
__global__ void __launch_bounds__(loss_threads)
    mask_loss_total_kernel(const double* partial, Index pieces, MaskLossOptions options, double scale, double pixels,
                           double* loss, S* dice) {
  auto* shared = detail::dynamic_shared<double>();  // one value per warp
  double sums[3] = {};
  for (Index piece = threadIdx.x; piece < pieces; piece += loss_threads) {
    for (int i = 0; i < 3; ++i) sums[i] += partial[piece * 3 + i];
  }
  for (int i = 0; i < 3; ++i) sums[i] = detail::block_sum(sums[i], shared);
  if (threadIdx.x != 0) return;
  const double area = sums[1] + 1, ratio = (2 * sums[0] + 1) / area;
  loss[0] += scale * (options.dice_weight * (1 - ratio) + options.focal_weight * sums[2] / pixels);
  dice[0] = static_cast<S>(scale * options.dice_weight * ratio / area);
  dice[1] = static_cast<S>(scale * options.dice_weight * -2 / area);
}

/// dp, t
template <class S>
struct DiceSlope {
  const S* dice;
  __device__ S operator()(const S* x, Index) const { return x[0] + (dice[0] + dice[1] * x[1]); }
};

}  // namespace cuda_kernels

/// S-SAM's mask loss of probabilities p against masks t (0 or 1): dice_weight * dice + focal_weight * focal with
///   dice  = 1 - (2 sum(p t) + 1) / (sum(p + t) + 1) over the whole batch,
///   focal = mean over pixels of alpha_t (1 - p_t)^gamma * cross entropy (see FocalForm).
/// dp, if not empty, is overwritten with scale * dLoss/dp; loss[0] += scale * Loss, which stays on the device. Sums are
/// double. Throws ShapeError.
template <class S, CudaDevice D>
void mask_loss(Context<D>& context, In<S, D> p, In<S, D> t, const MaskLossOptions& options, MaybeOut<S, D> dp,
               double scale, Out<double, D> loss) {
  detail::require_mask_loss<S>(p, t, dp, loss);
  const Index pixels = p.size(), grain = std::max<Index>(1024, (pixels + 1023) / 1024);
  const Index pieces = (pixels + grain - 1) / grain;
  constexpr unsigned threads = cuda_kernels::loss_threads;
  constexpr std::size_t shared = sizeof(double) * threads / detail::warp_size;
  WorkspaceScope scope(context);
  const auto partial = allocate<double>(context, {pieces, 3});
  const auto dice = allocate<S>(context, {2});
  const double slope_scale = scale * options.focal_weight / static_cast<double>(pixels);
  detail::launch(context, "mask_loss", cuda_kernels::mask_loss_terms_kernel<S>, detail::block_count(pieces, 1), threads,
                 shared, p.data(), t.data(), options, slope_scale, dp.data(), pixels, grain, partial.data());
  detail::launch(context, "mask_loss", cuda_kernels::mask_loss_total_kernel<S>, 1, threads, shared, partial.data(),
                 pieces, options, scale, pixels, loss.data(), dice.data());
  if (dp.empty()) return;
  detail::map<S, D, 2>(context, "mask_loss", cuda_kernels::DiceSlope<S>{dice.data()},
                       {detail::flat(dp), detail::flat(t)}, detail::flat(dp));
}

}  // namespace ssam::inline SSAM_ABI::ops
