#include "runner_impl.hpp"
#include "selftest/replay_sam.hpp"

namespace ssam::cli {

Recipe full_fine_tuning_recipe() {
  Recipe recipe = make_recipe<recipes::FullFineTuning<Rule::paper>, recipes::FullFineTuning<Rule::release>, true>(
      {"full"}, "every weight of the encoder, the decoder, TAL", "full");
  recipe.devices[0] = with_sam_replay<Cpu>(recipe.devices[0]);
  return recipe;
}

}  // namespace ssam::cli
