#include "runner_impl.hpp"
#include "selftest/replay_sam.hpp"

namespace ssam::cli {

template <>
RecipeOnDevice full_fine_tuning_on<SSAM_CLI_DEVICE>() {
  return with_sam_replay<SSAM_CLI_DEVICE>(
      recipe_on<SSAM_CLI_DEVICE, recipes::FullFineTuning<Rule::paper>, recipes::FullFineTuning<Rule::release>, true>());
}

}  // namespace ssam::cli
