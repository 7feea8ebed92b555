#include "replay_training_case.hpp"

TEST_CASE_TEMPLATE("replay of full_paper", Scalar, float, double) {
  check_training_replay<Scalar, ssam::recipes::FullFineTuning<ssam::Rule::paper>>("full_paper", false);
}
