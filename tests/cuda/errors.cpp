// A machine that cannot run a model on a GPU says so in one clear exception.

#include <doctest/doctest.h>

#include <ssam/ops/cuda/elementwise.cuh>
#include <ssam_emulation.hpp>

#include "../../examples/ssam_program/runner.hpp"
#include "../small_model.hpp"

using namespace ssam;

namespace {

std::string message_of_context() {
  return test::message_of<DeviceError>([] { const Context<Cuda> context(1); });
}

/// The emulated machine is as it was again at the end.
struct OtherMachine {
  OtherMachine(int count, int driver, int major, int minor) { ssam_emulation::set_device(count, driver, major, minor); }
  ~OtherMachine() { ssam_emulation::set_device(1, CUDART_VERSION, 9, 0); }
};
struct LittleMemory {
  explicit LittleMemory(std::size_t bytes) { ssam_emulation::set_memory_limit(bytes); }
  ~LittleMemory() { ssam_emulation::set_memory_limit(std::size_t{8} << 30); }
};

}  // namespace

TEST_CASE("no driver") {
  const OtherMachine machine(1, 0, 9, 0);
  CHECK(test::contains(message_of_context(), "there is no NVIDIA driver on this machine"));
}

TEST_CASE("a driver that is too old") {
  const OtherMachine machine(1, 11080, 9, 0);
  CHECK(test::contains(message_of_context(),
                       "driver is too old: expected a driver for CUDA 13.0, found one for CUDA 11.8"));
}

TEST_CASE("no GPU") {
  const OtherMachine machine(0, CUDART_VERSION, 9, 0);
  CHECK(test::contains(message_of_context(), "no NVIDIA GPU"));
}

TEST_CASE("a GPU that is too old") {
  {
    const OtherMachine machine(1, CUDART_VERSION, 7, 5);
    CHECK(test::contains(message_of_context(), "expected compute capability 8.0 or above, found 7.5"));
  }
  const OtherMachine machine(1, CUDART_VERSION, 8, 0);
  CHECK(message_of_context() == "");
}

TEST_CASE("the models of the command line need one, too, and never fall back to the host") {
  const OtherMachine machine(0, CUDART_VERSION, 9, 0);
  const auto& recipe = cli::find_recipe("zero_shot");
  CHECK(test::contains(test::message_of<DeviceError>([&] {
                         recipe.make(cli::find_rule("paper"), test::small_config(), 1, cli::DeviceKind::cuda);
                       }),
                       "no NVIDIA GPU"));
}

TEST_CASE("out of memory says what was asked and what is free") {
  const LittleMemory little(std::size_t{100} << 20);
  {
    const Context<Cuda> context(1);  // cuBLAS's workspace: 32 MiB
    const Tensor<float, Cuda> fits(Shape{4 << 20});
    const std::string message = test::message_of<DeviceError>([] { const Tensor<float, Cuda> large(Shape{16 << 20}); });
    CHECK(test::contains(message, "out of memory"));
    CHECK(test::contains(message, "67108864 bytes"));
    const std::size_t free = (std::size_t{100} << 20) - ssam_emulation::memory_in_use();
    CHECK(test::contains(message, std::to_string(free) + " free of 104857600"));
    const Tensor<float, Cuda> still_works(Shape{1 << 20});
  }
  const std::string message = test::message_of<DeviceError>([] {
    Context<Cuda> context(1);
    allocate<float>(context, {32 << 20});
  });
  CHECK(test::contains(message, "134217728 bytes"));
}

TEST_CASE("a kernel that cannot be started is named") {
  Context<Cuda> context(1);
  Tensor<float, Cuda> tensor(Shape{100});
  ssam_emulation::fail_next_launch(cudaErrorInvalidConfiguration);
  const std::string message = test::message_of<DeviceError>([&] { ops::fill<float>(context, tensor.view(), 1.0f); });
  CHECK(test::contains(message, "fill"));
  CHECK(test::contains(message, "cudaErrorInvalidConfiguration"));
  ops::fill<float>(context, tensor.view(), 1.0f);  // no error is left behind
  context.synchronize();
  CHECK(tensor.to_host()[99] == 1);
}
