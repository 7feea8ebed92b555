#include "support.hpp"

namespace emulation_tests::launches {  // named: messages tell the kernels' names

constexpr unsigned full = 0xffffffffu;

__global__ void index_kernel(unsigned* out) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned at = block * blockDim.x * blockDim.y * blockDim.z + thread;
  out[at] += at + 1;
}

enum class Fault {
  none,
  missing_thread,
  missing_lane,
  two_calls,
  wrong_mask,
  own_mask,
  source,
  shared_past,
  shared_before
};

__global__ void faulty_kernel(Fault fault, float* out) {
  auto* shared = static_cast<float*>(ssam_emulation::dynamic_shared());
  const unsigned thread = threadIdx.x;
  const unsigned lane = thread % 32;
  float value = static_cast<float>(thread);
  shared[thread] = value;
  if (fault == Fault::shared_past) shared[blockDim.x] = 1;
  if (fault == Fault::shared_before && thread == 0) shared[-1] = 1;
  if (fault == Fault::missing_thread && thread == 40) return;
  __syncthreads();
  if (fault == Fault::missing_lane && lane == 3) {
    __syncthreads();
    return;
  }
  unsigned mask = full;
  if (fault == Fault::wrong_mask && lane >= 16) mask = 0xffff0000u;
  if (fault == Fault::own_mask && lane == 7) mask = full & ~(1u << 7);
  if (fault == Fault::two_calls && lane >= 16) {
    value += __shfl_xor_sync(mask, value, 1);
  } else if (fault == Fault::source) {
    value += lane < 16 ? __shfl_sync(0xffffu, value, 20) : 0.0f;
  } else {
    value += __shfl_down_sync(mask, value, 1);
  }
  __syncthreads();
  out[thread] = value;
}

__global__ void shared_byte_kernel(long offset) { static_cast<char*>(ssam_emulation::dynamic_shared())[offset] = 1; }

__global__ void stack_overflow_kernel(int depth, float* out) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  out[depth % 2] = frame[0];
  if (depth > 0) stack_overflow_kernel(depth - 1, out);
  out[0] += frame[0];
}

inline std::string fault_text(Fault fault) {
  const Buffer<float> out(64);
  return death_of([&] { launch(faulty_kernel, 1, 64, 64 * sizeof(float), fault, out.data()); });
}
inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace emulation_tests::launches

using namespace emulation_tests;
using namespace emulation_tests::launches;

TEST_CASE("Every thread of every block runs once, in three dimensions and every schedule") {
  using ssam_emulation::Order;
  const dim3 blocks(3, 5, 2), threads(8, 4, 3);
  for (const Order order : {Order::ascending, Order::descending, Order::shuffled}) {
    ssam_emulation::set_schedule(order, 7);
    const Buffer<unsigned> out(std::vector<unsigned>(30 * 96, 0));
    REQUIRE(launch(index_kernel, blocks, threads, 0, out.data()) == cudaSuccess);
    const std::vector<unsigned> values = out.values();
    bool right = true;
    for (unsigned i = 0; i < values.size(); ++i) right = right && values[i] == i + 1;
    CHECK(right);
  }
  ssam_emulation::set_schedule(Order::ascending);
}

TEST_CASE("A block whose threads do not meet fails and says who waits") {
  const Buffer<float> out(64);
  REQUIRE(launch(faulty_kernel, 1, 64, 64 * sizeof(float), Fault::none, out.data()) == cudaSuccess);
  CHECK(out.values()[5] == 11.0f);

  const std::string thread = fault_text(Fault::missing_thread);
  CHECK(contains(thread,
                 "deadlock: 63 wait at __syncthreads (the first is thread (0, 0, 0)); 1 have ended "
                 "(the first is thread (40, 0, 0))"));
  CHECK(contains(thread, "faulty_kernel"));
  CHECK(contains(fault_text(Fault::missing_lane), "wait in a warp built-in"));
  CHECK(contains(fault_text(Fault::two_calls), "divergent warp built-in"));
  CHECK(contains(fault_text(Fault::wrong_mask), "32 wait in a warp built-in (the first is thread (0, 0, 0))"));
  CHECK(contains(fault_text(Fault::own_mask), "by a lane that is not in its mask"));
  CHECK(contains(fault_text(Fault::source), "of a lane that is not in its mask"));
}

TEST_CASE("Shared memory is as large as the launch asked for") {
  const std::string past = fault_text(Fault::shared_past);
  CHECK(contains(past, "out-of-bounds access to the 256 bytes of dynamic shared memory"));
  const std::string before = fault_text(Fault::shared_before);
  CHECK((contains(before, "4 bytes before the dynamic shared memory") || contains(before, "ERROR: AddressSanitizer")));
  REQUIRE(launch(shared_byte_kernel, 1, 32, 45, 44L) == cudaSuccess);
  check_dies("0 bytes past the end of the 45 bytes", [] { launch(shared_byte_kernel, 1, 32, 45, 45L); });
  check_dies("out-of-bounds access to the 0 bytes", [] { launch(shared_byte_kernel, 1, 32, 0, 0L); });
}

TEST_CASE("A kernel that needs more stack than there is says so") {
  const Buffer<float> out(2);
  REQUIRE(launch(stack_overflow_kernel, 1, 32, 0, 5, out.data()) == cudaSuccess);
  check_dies("stack overflow in a kernel", [&] { launch(stack_overflow_kernel, 1, 32, 0, 100000, out.data()); });
}

TEST_CASE("Launches that a GPU refuses are refused") {
  const Buffer<unsigned> out(2048);
  CHECK(launch(index_kernel, 1, 1025, 0, out.data()) == cudaErrorInvalidConfiguration);
  CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
  CHECK(launch(index_kernel, 1, dim3(32, 33), 0, out.data()) == cudaErrorInvalidConfiguration);
  CHECK(launch(index_kernel, 1, dim3(1, 1, 65), 0, out.data()) == cudaErrorInvalidConfiguration);
  CHECK(launch(index_kernel, 1, dim3(0), 0, out.data()) == cudaErrorInvalidConfiguration);
  CHECK(launch(index_kernel, dim3(0), 1, 0, out.data()) == cudaErrorInvalidConfiguration);
  CHECK(launch(index_kernel, 0x80000000u, 1, 0, out.data()) == cudaErrorInvalidConfiguration);
  CHECK(launch(index_kernel, dim3(1, 65536), 1, 0, out.data()) == cudaErrorInvalidConfiguration);
  CHECK(launch(index_kernel, 1, 1, 48 * 1024 + 1, out.data()) == cudaErrorInvalidValue);
  CHECK(cudaFuncSetAttribute(index_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 227 * 1024 + 1) ==
        cudaErrorInvalidValue);
  REQUIRE(cudaFuncSetAttribute(index_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 227 * 1024) == cudaSuccess);
  CHECK(launch(index_kernel, 1, 1, 227 * 1024, out.data()) == cudaSuccess);
  CHECK(launch(index_kernel, 1, 1, 227 * 1024 + 1, out.data()) == cudaErrorInvalidValue);
  cudaGetLastError();
}

TEST_CASE("The next launch fails where a test says so, and only that") {
  const Buffer<unsigned> out(std::vector<unsigned>(1, 0));
  ssam_emulation::fail_next_launch(cudaErrorLaunchOutOfResources);
  CHECK(launch(index_kernel, 1, 1, 0, out.data()) == cudaErrorLaunchOutOfResources);
  CHECK(cudaGetLastError() == cudaErrorLaunchOutOfResources);
  CHECK(out.values()[0] == 0);
  CHECK(launch(index_kernel, 1, 1, 0, out.data()) == cudaSuccess);
  CHECK(out.values()[0] == 1);
}

TEST_CASE("Machines without a GPU can be pretended") {
  int value = 0;
  ssam_emulation::set_device(1, 0, 9, 0);
  CHECK(cudaGetDeviceCount(&value) == cudaErrorInsufficientDriver);
  void* data = nullptr;
  CHECK(cudaMalloc(&data, 16) == cudaErrorInsufficientDriver);
  ssam_emulation::set_device(0, CUDART_VERSION, 9, 0);
  CHECK(cudaGetDeviceCount(&value) == cudaErrorNoDevice);
  ssam_emulation::set_device(1, CUDART_VERSION, 7, 5);
  CHECK(cudaGetDeviceCount(&value) == cudaSuccess);
  CHECK(value == 1);
  CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 0) == cudaSuccess);
  CHECK(value == 7);
  CHECK(cudaSetDevice(1) == cudaErrorInvalidDevice);
  ssam_emulation::set_device(1, CUDART_VERSION, 9, 0);
  cudaGetLastError();
}
