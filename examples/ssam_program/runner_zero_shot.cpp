#include "runner_impl.hpp"

namespace ssam::cli {

Recipe zero_shot_recipe() {
  return make_recipe<recipes::ZeroShot, recipes::ZeroShot, false>({}, "nothing: SAM as it is", "");
}

}  // namespace ssam::cli
