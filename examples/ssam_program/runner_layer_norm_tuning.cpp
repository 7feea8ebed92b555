#include "runner_impl.hpp"

namespace ssam::cli {

Recipe layer_norm_tuning_recipe() {
  return make_recipe<recipes::LayerNormTuning<Rule::paper>, recipes::LayerNormTuning<Rule::release>, false>(
      {"layer_norm"}, "layer norms and TAL", "");
}

}  // namespace ssam::cli
