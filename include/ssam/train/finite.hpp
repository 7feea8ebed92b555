#pragma once

#include <ssam/core/finite.hpp>
#include <ssam/train/run_state.hpp>
#include <string>
#include <utility>

namespace ssam::inline SSAM_ABI {

/// A model's answer, its loss or its weights are NaN or infinite.
class NotFiniteError : public Error {
 public:
  /// `said`: what, where and what to do.
  explicit NotFiniteError(ErrorText said) : Error(said), text(std::move(said)) {}
  ErrorText text;  ///< what was said, in its parts
};

/// A training run has diverged.
class DivergedError : public NotFiniteError {
 public:
  /// `said` as of NotFiniteError; `resumes` is kept as resumable, `rate` as lr.
  DivergedError(ErrorText said, bool resumes, double rate)
      : NotFiniteError(std::move(said)), resumable(resumes), lr(rate) {}
  bool resumable;  ///< whether the saved state can be gone on from, with ...
  double lr;       ///< ... TrainOptions::lr no larger than this
};

namespace detail {

template <class Scalar, class Device>
bool all_finite(const Tensor<Scalar, Device>& tensor) {
  return count_nonfinite<Scalar>(tensor.to_host()) == 0;
}

/// The first tensor of a model that holds NaN or infinite values, or "".
template <class Model>
std::string not_finite_weight(const Model& model) {
  std::string found;
  walk(model, [&](const Path& path, const auto& parameter, Group, Layout) {
    if (found.empty() && !all_finite(parameter.value)) found = path.str();
  });
  return found;
}

/// The same of what a run changes: weights, batch statistics, the optimiser's moments.
template <class Scalar, class Device, class Model>
std::string not_finite_in_run(const Model& model, const AdamW<Scalar, Device>& optimizer) {
  std::string found;
  each_in_run(model, [&](const std::string& name, const auto& parameter, Group, Layout, Index index) {
    if (!found.empty()) return;
    if (!all_finite(parameter.value)) found = name;
    if (index < 0 || index >= static_cast<Index>(optimizer.slots.size())) return;
    const auto& slot = optimizer.slots[static_cast<std::size_t>(index)];
    if (!slot.m.empty() && !(all_finite(slot.m) && all_finite(slot.v))) found = "the moments of " + name;
  });
  return found;
}

}  // namespace detail

}  // namespace ssam::inline SSAM_ABI
