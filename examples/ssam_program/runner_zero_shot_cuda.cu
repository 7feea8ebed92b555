#include "runner_impl.hpp"

namespace ssam::cli {

template <>
RecipeOnDevice zero_shot_on<SSAM_CLI_DEVICE>() {
  return recipe_on<SSAM_CLI_DEVICE, recipes::ZeroShot, recipes::ZeroShot, false>();
}

}  // namespace ssam::cli
