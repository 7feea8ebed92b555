#include "../../examples/ssam_program/selftest/replay_sam.hpp"

#include <doctest/doctest.h>

TEST_CASE_TEMPLATE("replay of SAM: containers, embedding, gradients, every prompt kind, half size", Scalar, float,
                   double) {
  const auto results = ssam::selftest::replay_sam<Scalar, ssam::Cpu>(SSAM_TEST_DIR "/golden");
  CHECK(results.size() == 15);
  for (const auto& result : results) {
    CAPTURE(result.name);
    CAPTURE(result.worst);
    CHECK(result.error < 1e-5);
  }
}
