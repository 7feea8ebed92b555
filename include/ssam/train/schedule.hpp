#pragma once

#include <cmath>
#include <numbers>
#include <ssam/core/error.hpp>
#include <ssam/core/shape.hpp>

namespace ssam::inline SSAM_ABI {

/// Forms of a learning rate's schedule.
enum class Schedule {
  constant,  ///< always 1
  step,      ///< times `step_factor` after every `step_epochs` epochs (PyTorch's StepLR)
  cosine,    ///< from 1 to 0 over the run, half a wave
};

/// How the learning rate changes during a run. The defaults of `step` are S-SAM's.
struct ScheduleOptions {
  Schedule kind = Schedule::constant;  ///< which of them
  Index step_epochs = 200;             ///< of Schedule::step
  double step_factor = 0.2;            ///< of Schedule::step
  /// Optimiser steps during which the rate first climbs linearly: 1/n, 2/n, ... 1 of what it would be.
  Index warmup_steps = 0;

  /// Throws ConfigError.
  void check() const {
    if (step_epochs < 1) throw ConfigError("step_epochs must be at least 1");
    if (!(step_factor > 0) || !std::isfinite(step_factor)) throw ConfigError("step_factor must be a positive number");
    if (warmup_steps < 0) throw ConfigError("warmup_steps must not be negative");
  }
};

/// Factor of the learning rate at optimiser step `step` (from 0) of `steps`, in epoch `epoch` (from 0).
inline double lr_factor(const ScheduleOptions& options, Index step, Index steps, Index epoch) {
  double factor = 1;
  if (options.kind == Schedule::step) {
    factor = std::pow(options.step_factor, static_cast<double>(epoch / options.step_epochs));
  } else if (options.kind == Schedule::cosine && steps > options.warmup_steps) {
    const double done = static_cast<double>(std::max<Index>(0, step - options.warmup_steps));
    factor = 0.5 * (1 + std::cos(std::numbers::pi * done / static_cast<double>(steps - options.warmup_steps)));
  }
  if (step < options.warmup_steps) {
    factor *= static_cast<double>(step + 1) / static_cast<double>(options.warmup_steps);
  }
  return factor;
}

}  // namespace ssam::inline SSAM_ABI
