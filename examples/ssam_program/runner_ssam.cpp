#include "runner_impl.hpp"

namespace ssam::cli {

Recipe ssam_recipe() {
  return make_recipe<recipes::SSam<Rule::paper>, recipes::SSam<Rule::release>, true>(
      {}, "scale and shift of every singular value, norms, positions, TAL", "ssam");
}

}  // namespace ssam::cli
