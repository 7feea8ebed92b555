#include "../selftest/replay_sam.hpp"
#include "runner_impl.hpp"

namespace ssam::selftest {
// Its model is the one below: one translation unit compiles it once.
template std::vector<CaseResult> replay_sam<float>(const std::filesystem::path& folder);
}  // namespace ssam::selftest

namespace ssam::cli {

Recipe full_fine_tuning_recipe() {
  return make_recipe<recipes::FullFineTuning<Rule::paper>, recipes::FullFineTuning<Rule::release>, true>(
      {"full"}, "every weight of the encoder, the decoder, TAL", "full");
}

}  // namespace ssam::cli
