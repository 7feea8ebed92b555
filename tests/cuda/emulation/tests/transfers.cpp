#include <algorithm>

#include "support.hpp"

using namespace emulation_tests;

namespace {
__global__ void double_kernel(float* data) { data[threadIdx.x] *= 2; }
}  // namespace

TEST_CASE("Copies check direction, liveness and size") {
  std::vector<float> host(16, 1.0f);
  const Buffer<float> device(host), other(16);
  const std::size_t bytes = 64;
  REQUIRE(cudaMemcpy(other.data(), device.data(), bytes, cudaMemcpyDeviceToDevice) == cudaSuccess);
  REQUIRE(cudaMemcpy(host.data(), other.data() + 8, bytes / 2, cudaMemcpyDefault) == cudaSuccess);
  CHECK(host[7] == 1.0f);
  check_dies("the source of a copy is not device memory",
             [&] { cudaMemcpy(device.data(), host.data(), bytes, cudaMemcpyDeviceToHost); });
  check_dies("the destination of a copy is not device memory",
             [&] { cudaMemcpy(host.data(), device.data(), bytes, cudaMemcpyHostToDevice); });
  check_dies("the destination of a copy is device memory",
             [&] { cudaMemcpy(device.data(), other.data(), bytes, cudaMemcpyDeviceToHost); });
  check_dies("the source of a copy is device memory",
             [&] { cudaMemcpy(device.data(), other.data(), bytes, cudaMemcpyHostToDevice); });
  check_dies("the destination of a copy: 68 bytes at offset 0 of an allocation of 64 bytes",
             [&] { cudaMemcpy(device.data(), host.data(), bytes + 4, cudaMemcpyHostToDevice); });
  check_dies("the source of a copy: 64 bytes at offset 4 of an allocation of 64 bytes",
             [&] { cudaMemcpy(host.data(), device.data() + 1, bytes, cudaMemcpyDeviceToHost); });
  check_dies("the destination of cudaMemset: 65 bytes", [&] { cudaMemset(device.data(), 0, 65); });
}

TEST_CASE("What is asked of the device is counted") {
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  float* pinned = nullptr;
  REQUIRE(cudaMallocHost(&pinned, 64) == cudaSuccess);
  std::vector<float> pageable(16);
  ssam_emulation::reset_counters();
  {
    const Buffer<float> device(16), other(16);
    cudaMemsetAsync(device.data(), 0, 64, stream);
    cudaMemcpyAsync(device.data(), pinned, 64, cudaMemcpyHostToDevice, stream);
    cudaMemcpyAsync(other.data(), device.data(), 64, cudaMemcpyDeviceToDevice, stream);
    cudaMemcpyAsync(pinned + 15, device.data(), 4, cudaMemcpyDeviceToHost, stream);
    launch(double_kernel, 1, 16, 0, device.data());
    CHECK(ssam_emulation::counters().pageable_async == 0);
    CHECK(ssam_emulation::counters().synchronisations == 0);
    cudaMemcpyAsync(pageable.data(), device.data(), 64, cudaMemcpyDeviceToHost, stream);
    cudaStreamSynchronize(stream);
  }
  const ssam_emulation::Counters& count = ssam_emulation::counters();
  CHECK(count.mallocs == 2);
  CHECK(count.frees == 2);
  CHECK(count.memsets == 1);
  CHECK(count.host_to_device == 1);
  CHECK(count.host_to_device_bytes == 64);
  CHECK(count.device_to_host == 2);
  CHECK(count.device_to_host_bytes == 68);
  CHECK(count.device_to_device == 1);
  CHECK(count.pageable_async == 1);
  CHECK(count.launches == 1);
  CHECK(count.synchronisations == 1);
  CHECK(ssam_emulation::peak_memory() - ssam_emulation::memory_in_use() == 128);
  cudaFreeHost(pinned);
  cudaStreamDestroy(stream);
}

TEST_CASE("Asynchronous copies may be as late as they can be") {
  float* pinned = nullptr;
  REQUIRE(cudaMallocHost(&pinned, 64) == cudaSuccess);
  std::fill(pinned, pinned + 16, 3.0f);
  const Buffer<float> device(16);
  cudaEvent_t event = nullptr;
  REQUIRE(cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess);
  ssam_emulation::set_async(true);

  SUBCASE("a source on the host must stay until the host has waited") {
    cudaMemcpyAsync(device.data(), pinned, 64, cudaMemcpyHostToDevice);
    check_dies("the source of an asynchronous copy to the device changed", [&] {
      pinned[3] = 4.0f;
      cudaDeviceSynchronize();
    });
    cudaEventRecord(event);
    cudaEventSynchronize(event);
    pinned[3] = 4.0f;
    cudaDeviceSynchronize();
    CHECK(device.values()[3] == 3.0f);
  }
  SUBCASE("what a copy brings is not there before the host has waited") {
    cudaMemcpyAsync(device.data(), pinned, 64, cudaMemcpyHostToDevice);
    launch(double_kernel, 1, 16, 0, device.data());
    float* result = nullptr;
    REQUIRE(cudaMallocHost(&result, 64) == cudaSuccess);
    std::fill(result, result + 16, 1.0f);
    cudaMemcpyAsync(result, device.data(), 64, cudaMemcpyDeviceToHost);
    CHECK(result[0] != result[0]);
    cudaEventRecord(event);
    launch(double_kernel, 1, 16, 0, device.data());
    cudaEventSynchronize(event);
    CHECK(result[0] == 6.0f);
    CHECK(device.values()[0] == 12.0f);
    cudaFreeHost(result);
  }
  ssam_emulation::set_async(false);
  cudaEventDestroy(event);
  cudaFreeHost(pinned);
}

TEST_CASE("Streams and events are used while they live") {
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  cudaEvent_t start = nullptr, end = nullptr;
  cudaEventCreate(&start);
  cudaEventCreate(&end);
  cudaEventRecord(start, stream);
  cudaEventRecord(end, stream);
  float milliseconds = -1;
  CHECK(cudaEventElapsedTime(&milliseconds, start, end) == cudaSuccess);
  CHECK(milliseconds >= 0);
  cudaEventDestroy(start);
  cudaEventDestroy(end);
  cudaStreamDestroy(stream);
  check_dies("a stream that is none, or is destroyed", [&] { cudaStreamSynchronize(stream); });
  check_dies("cudaStreamDestroy of a stream", [&] { cudaStreamDestroy(stream); });
  check_dies("an event that is none, or is destroyed", [&] { cudaEventSynchronize(end); });
  int on_host = 0;
  check_dies("cudaFreeHost of a pointer that cudaMallocHost did not return", [&] { cudaFreeHost(&on_host); });
}
