#include "runner_impl.hpp"

namespace ssam::cli {

template <>
RecipeOnDevice layer_norm_tuning_on<SSAM_CLI_DEVICE>() {
  return recipe_on<SSAM_CLI_DEVICE, recipes::LayerNormTuning<Rule::paper>, recipes::LayerNormTuning<Rule::release>,
                   false>();
}

}  // namespace ssam::cli
