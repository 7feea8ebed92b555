#include "runner_impl.hpp"

namespace ssam::cli {

Recipe bias_tuning_recipe() {
  return make_recipe<recipes::BiasTuning<Rule::paper>, recipes::BiasTuning<Rule::release>, true>(
      {"adaptivesam"}, "the encoder's biases, the decoder, norms, positions, TAL (AdaptiveSAM)", "bias");
}

}  // namespace ssam::cli
