#pragma once

#include <cmath>
#include <ssam/ops/views.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// The numbers of one AdamW step (PyTorch's defaults); `step` counts from 1.
struct AdamWStep {
  double lr = 1e-3,         ///< learning rate
      beta1 = 0.9,          ///< decay of the first moment
      beta2 = 0.999,        ///< decay of the second moment
      eps = 1e-8,           ///< added to sqrt(v_hat)
      weight_decay = 1e-2;  ///< decoupled: values shrink by lr * weight_decay
  Index step = 1;           ///< number of this one, from 1
};

/// One tensor of an optimiser step. A table of them lies in the memory of the device, so that one pass handles all; it
/// stays the same from step to step.
template <class S>
struct AdamWTensor {
  S* value = nullptr;     ///< the elements
  S* grad = nullptr;      ///< their gradient
  S* m = nullptr;         ///< first moment
  S* v = nullptr;         ///< second moment
  Index size = 0;         ///< elements
  Index skipped = 0;      ///< steps that were taken without it
  Index first_chunk = 0;  ///< chunks of the tensors before it

  bool operator==(const AdamWTensor&) const = default;  ///< member by member
};

/// Elements of one tensor that one work item handles.
inline constexpr Index adamw_chunk = 4096;

/// Chunks of a tensor of `size` elements.
inline Index adamw_chunks(Index size) { return (size + adamw_chunk - 1) / adamw_chunk; }

namespace detail {

/// The tensor that chunk `chunk` belongs to.
template <class S>
SSAM_HOST_DEVICE Index adamw_tensor_of(const AdamWTensor<S>* tensors, Index count, Index chunk) {
  Index low = 0, high = count - 1;
  while (low < high) {
    const Index middle = (low + high + 1) / 2;
    if (tensors[middle].first_chunk <= chunk) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

/// What one step does to every element of a tensor.
template <class S>
struct AdamWFactors {
  S decay, take1, take2, keep2, eps, step_size, root2;

  /// `step`: of this tensor, from 1.
  SSAM_HOST_DEVICE AdamWFactors(const AdamWStep& settings, Index step)
      : decay(static_cast<S>(1 - settings.lr * settings.weight_decay)),
        take1(static_cast<S>(1 - settings.beta1)),
        take2(static_cast<S>(1 - settings.beta2)),
        keep2(static_cast<S>(settings.beta2)),
        eps(static_cast<S>(settings.eps)),
        step_size(static_cast<S>(settings.lr / (1 - std::pow(settings.beta1, static_cast<double>(step))))),
        root2(static_cast<S>(std::sqrt(1 - std::pow(settings.beta2, static_cast<double>(step))))) {}
};

/// What gradients whose squares sum to `squared_norm` are multiplied by: not longer than `clip_norm` (0: any length).
SSAM_HOST_DEVICE inline double clip_factor(double squared_norm, double clip_norm) {
  const double norm = std::sqrt(squared_norm);
  return clip_norm > 0 && norm > clip_norm ? clip_norm / norm : 1;
}

template <class Device>
void require_adamw(const AdamWStep& settings, TensorView<const double, Device> squared_norm) {
  require(squared_norm.size() == 1, "adamw_step", "one squared norm", squared_norm);
  if (settings.step < 1) throw ConfigError("AdamW counts its steps from 1");
}

}  // namespace detail

}  // namespace ssam::inline SSAM_ABI::ops
