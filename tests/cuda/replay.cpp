// The recordings of tests/golden on the GPU, through the models of the command line: what `ssam selftest --device cuda`
// does, with its limit.

#include <doctest/doctest.h>

#include "../../examples/ssam_program/runner.hpp"

using namespace ssam;

namespace {

void check(const std::vector<selftest::CaseResult>& results, std::size_t cases) {
  CHECK(results.size() == cases);
  for (const auto& result : results) {
    CAPTURE(result.name);
    CAPTURE(result.worst);
    CHECK(result.error < 1e-4);
  }
}

void check_training(const std::string& recipe, const std::string& rule) {
  const cli::Recipe& found = cli::find_recipe(recipe);
  check(found.on(cli::DeviceKind::cuda)
            .replay(cli::find_rule(rule), SSAM_TEST_DIR "/golden", found.recorded + ("_" + rule)),
        5);
}

}  // namespace

TEST_CASE("replay of sam") {
  check(cli::find_recipe("full_fine_tuning").on(cli::DeviceKind::cuda).replay_sam(SSAM_TEST_DIR "/golden"), 15);
}
TEST_CASE("replay of ssam_paper") { check_training("ssam", "paper"); }
TEST_CASE("replay of ssam_release") { check_training("ssam", "release"); }
TEST_CASE("replay of lora_paper") { check_training("lora", "paper"); }
TEST_CASE("replay of lora_release") { check_training("lora", "release"); }
TEST_CASE("replay of bias_paper") { check_training("bias_tuning", "paper"); }
TEST_CASE("replay of full_paper") { check_training("full_fine_tuning", "paper"); }
