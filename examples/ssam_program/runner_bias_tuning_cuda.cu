#include "runner_impl.hpp"

namespace ssam::cli {

template <>
RecipeOnDevice bias_tuning_on<SSAM_CLI_DEVICE>() {
  return recipe_on<SSAM_CLI_DEVICE, recipes::BiasTuning<Rule::paper>, recipes::BiasTuning<Rule::release>, true>();
}

}  // namespace ssam::cli
