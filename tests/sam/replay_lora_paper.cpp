#include "replay_training_case.hpp"

TEST_CASE_TEMPLATE("replay of lora_paper", Scalar, float, double) {
  check_training_replay<Scalar, ssam::recipes::LoRA<4, ssam::Rule::paper>>("lora_paper", false);
}
