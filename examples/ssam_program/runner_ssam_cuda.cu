#include "runner_impl.hpp"

namespace ssam::cli {

template <>
RecipeOnDevice ssam_on<SSAM_CLI_DEVICE>() {
  return recipe_on<SSAM_CLI_DEVICE, recipes::SSam<Rule::paper>, recipes::SSam<Rule::release>, true>();
}

}  // namespace ssam::cli
