#include "runner_impl.hpp"

namespace ssam::cli {

template <>
RecipeOnDevice lora_on<SSAM_CLI_DEVICE>() {
  return recipe_on<SSAM_CLI_DEVICE, recipes::LoRA<4, Rule::paper>, recipes::LoRA<4, Rule::release>, true>();
}

}  // namespace ssam::cli
