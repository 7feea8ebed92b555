#include "support.hpp"

using namespace emulation_tests;

namespace {

struct Slice {
  float* data;
  int count;
};

__global__ void add_kernel(float* data, int count, float value) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) data[i] += value;
}
/// As above, with the pointer where the launch cannot see it.
__global__ void add_to_slice_kernel(Slice slice, float value) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < slice.count) slice.data[i] += value;
}
__global__ void write_kernel(char* data, long offset) { data[offset] = 1; }
__global__ void read_kernel(const float* from, long offset, float* to) { *to = from[offset]; }

}  // namespace

TEST_CASE("A kernel reads and writes device memory, and nothing stays open") {
  const Buffer<float> data(std::vector<float>(1000, 1.0f));
  REQUIRE(launch(add_kernel, 4, 256, 0, data.data(), 1000, 2.0f) == cudaSuccess);
  REQUIRE(launch(add_to_slice_kernel, 4, 256, 0, Slice{data.data(), 1000}, 3.0f) == cudaSuccess);
  CHECK(data.values() == std::vector<float>(1000, 6.0f));
  check_dies("host access to device memory at offset 40", [&] { data.data()[10] = 1.0f; });
  check_dies("host access to device memory at offset 0", [&] { (void)*static_cast<volatile float*>(data.data()); });
}

TEST_CASE("New device memory is NaN") {
  const Buffer<float> data(33);
  for (const float value : data.values()) CHECK(value != value);
}

TEST_CASE("One element past an allocation is out of bounds") {
  const Buffer<float> data(1024), other(1024);
  check_dies("out-of-bounds access, 0 bytes past the end of an allocation of 4096 bytes in kernel",
             [&] { launch(add_kernel, 5, 256, 0, data.data(), 1025, 1.0f); });
  check_dies("block (4, 0, 0), thread (0, 0, 0)", [&] { launch(add_kernel, 5, 256, 0, data.data(), 1025, 1.0f); });
  check_dies("out-of-bounds access, 4 bytes before an allocation of 4096 bytes",
             [&] { launch(read_kernel, 1, 1, 0, data.data(), -1L, other.data()); });
}

TEST_CASE("Where no page can be in the way a write out of bounds is noticed after the launch") {
  for (const std::size_t bytes : {5u, 15u, 17u, 4090u}) {
    const Buffer<char> data(bytes);
    const long end = static_cast<long>(bytes);
    check_dies("0 bytes past the end of an allocation of " + std::to_string(bytes),
               [&] { launch(write_kernel, 1, 1, 0, data.data(), end); });
    check_dies("1 bytes before an allocation", [&] { launch(write_kernel, 1, 1, 0, data.data(), -1L); });
    REQUIRE(launch(write_kernel, 1, 1, 0, data.data(), end - 1) == cudaSuccess);
    REQUIRE(launch(write_kernel, 1, 1, 0, data.data(), 0L) == cudaSuccess);
  }
}

TEST_CASE("Freed memory is not used, not freed again, and its address is not given again") {
  float* gone = nullptr;
  REQUIRE(cudaMalloc(&gone, 64) == cudaSuccess);
  REQUIRE(cudaFree(gone) == cudaSuccess);
  const Buffer<float> data(16);
  CHECK(data.data() != gone);
  check_dies("use after free of an allocation of 64 bytes", [&] { launch(add_kernel, 1, 32, 0, gone, 16, 1.0f); });
  check_dies("use after free of an allocation of 64 bytes", [&] { gone[0] = 1.0f; });
  check_dies("use after free", [&] { cudaMemset(gone, 0, 64); });
  check_dies("double free of an allocation of 64 bytes", [&] { cudaFree(gone); });
  check_dies("cudaFree of a pointer that cudaMalloc did not return", [&] { cudaFree(data.data() + 1); });
  float on_host = 0;
  check_dies("cudaFree of a pointer that cudaMalloc did not return", [&] { cudaFree(&on_host); });
  CHECK(cudaFree(nullptr) == cudaSuccess);
}

TEST_CASE("A host pointer among a kernel's arguments is refused") {
  std::vector<float> host(8);
  check_dies("argument 1 of kernel", [&] { launch(add_kernel, 1, 32, 0, host.data(), 8, 1.0f); });
  check_dies("points to host memory", [&] { launch(add_kernel, 1, 32, 0, host.data(), 8, 1.0f); });
}

TEST_CASE("Memory runs out where the test says so") {
  ssam_emulation::set_memory_limit(1 << 20);
  std::size_t free = 0, total = 0;
  {
    const Buffer<char> half(1 << 19);
    REQUIRE(cudaMemGetInfo(&free, &total) == cudaSuccess);
    CHECK(total == 1 << 20);
    CHECK(free == 1 << 19);
    void* more = nullptr;
    CHECK(cudaMalloc(&more, (1 << 19) + 1) == cudaErrorMemoryAllocation);
    CHECK(more == nullptr);
    CHECK(cudaPeekAtLastError() == cudaErrorMemoryAllocation);
    CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
    CHECK(cudaGetLastError() == cudaSuccess);
  }
  const Buffer<char> all(1 << 20);
  CHECK(ssam_emulation::memory_in_use() == 1 << 20);
  ssam_emulation::set_memory_limit(std::size_t{8} << 30);
}

TEST_CASE("What is not freed is reported") {
  const std::string before = ssam_emulation::leak_report();
  float* left = nullptr;
  REQUIRE(cudaMalloc(&left, 1234) == cudaSuccess);
  CHECK(ssam_emulation::leak_report() == before + "device memory: an allocation of 1234 bytes\n");
  cudaFree(left);
  REQUIRE(cudaMallocHost(&left, 77) == cudaSuccess);
  CHECK(ssam_emulation::leak_report() == before + "pinned host memory: an allocation of 77 bytes\n");
  cudaFreeHost(left);
  CHECK(ssam_emulation::leak_report() == before);
}

TEST_CASE("Large allocations open and close as well as small ones") {
  const Buffer<float> data(3 << 20);
  REQUIRE(cudaMemset(data.data(), 0, (3 << 20) * sizeof(float)) == cudaSuccess);
  REQUIRE(launch(add_kernel, (3 << 20) / 256, 256, 0, data.data(), 3 << 20, 1.0f) == cudaSuccess);
  const std::vector<float> values = data.values();
  CHECK(values.front() == 1.0f);
  CHECK(values.back() == 1.0f);
  check_dies("host access", [&] { data.data()[1 << 20] = 0; });
}
