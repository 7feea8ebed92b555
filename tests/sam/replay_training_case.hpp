#pragma once

#include <doctest/doctest.h>

#include "../../examples/ssam_program/selftest/replay_training.hpp"

/// Replays one recorded training run; every case must agree to 1e-4.
template <class Scalar, class Recipe>
void check_training_replay(const std::string& run, bool release) {
  for (const auto& result :
       ssam::selftest::replay_training<Scalar, ssam::Cpu, Recipe>(SSAM_TEST_DIR "/golden", run, release)) {
    CAPTURE(result.name);
    CAPTURE(result.worst);
    CHECK(result.error < 1e-4);
  }
}
