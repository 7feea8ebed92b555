#pragma once

#include <ssam/adapt/parameter_count.hpp>
#include <ssam/sam/text_prompted_sam.hpp>

namespace ssam::inline SSAM_ABI {

/// Counts what `Recipe` trains in a model of this configuration, by building it on no device at all and walking it: a
/// constant expression, with no second formula that could drift.
template <class Recipe>
constexpr ParameterCount parameter_count(const SamConfig& config) {
  return parameter_count_of(TextPromptedSam<float, Meta, Recipe>(config));
}
}  // namespace ssam::inline SSAM_ABI
