#include "runner_impl.hpp"

namespace ssam::cli {

Recipe lora_recipe() {
  return make_recipe<recipes::LoRA<4, Rule::paper>, recipes::LoRA<4, Rule::release>, true>(
      {"lora4", "lora<4>"}, "low-rank factors of rank 4, norms, positions, TAL", "lora");
}

}  // namespace ssam::cli
