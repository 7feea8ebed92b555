// A whole model whose products are rounded, TF32 and bfloat16: near the host's, and not the same.

#include "../../examples/ssam_program/runner_impl.hpp"
#include "device_run.hpp"

using namespace ssam;

namespace {

template <class Device>
std::unique_ptr<cli::Runner> start(const test::DeviceRun& run) {
  using Model = recipes::SSam<Rule::paper>;
  auto runner = cli::recipe_on<Device, Model, Model, false>().make(Rule::paper, run.config, 2);
  run.load(*runner, "factors");
  return runner;
}

/// `embedding`, `loss`: largest relative difference from the host's.
template <class Device>
void check_precision(double embedding, double loss) {
  const test::DeviceRun run;
  const auto host = run.start(cli::DeviceKind::cpu);
  const auto gpu = start<Device>(run);
  const auto image = test::random_input();
  const double found =
      test::difference(gpu->embed(image).template to<double>(), host->embed(image).template to<double>());
  CHECK(found < embedding);
  CHECK(found > embedding / 100);
  const TrainResult expected = run.train(*host, "host"), result = run.train(*gpu, "gpu");
  CHECK(result.steps == expected.steps);
  CHECK(test::relative(result.train_loss, expected.train_loss) < loss);
}

}  // namespace

TEST_CASE("a model multiplied in TF32") { check_precision<CudaTf32>(2e-3, 2e-3); }
TEST_CASE("a model multiplied in bfloat16") { check_precision<CudaBf16>(2e-2, 2e-2); }
