#include "replay_training_case.hpp"

TEST_CASE_TEMPLATE("replay of ssam_release", Scalar, float, double) {
  check_training_replay<Scalar, ssam::recipes::SSam<ssam::Rule::release>>("ssam_release", true);
}
