#include "replay_training_case.hpp"

TEST_CASE_TEMPLATE("replay of bias_paper", Scalar, float, double) {
  check_training_replay<Scalar, ssam::recipes::BiasTuning<ssam::Rule::paper>>("bias_paper", false);
}
