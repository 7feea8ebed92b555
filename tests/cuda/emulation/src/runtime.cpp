#include "runtime.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>

#include "launch.hpp"
#include "memory.hpp"

// Devices, errors, launches. Copies, streams and events are in transfers.cpp.
namespace ssam_emulation {

Machine& machine() {
  static Machine& only = *new Machine;
  return only;
}

cudaError_t report(cudaError_t error) {
  if (error != cudaSuccess) machine().last_error = error;
  return error;
}

cudaError_t check_machine() {
  if (machine().driver < CUDART_VERSION) return report(cudaErrorInsufficientDriver);
  if (machine().devices == 0) return report(cudaErrorNoDevice);
  return cudaSuccess;
}

void set_device(int count, int driver, int major, int minor) {
  Machine& m = machine();
  m.devices = count;
  m.driver = driver;
  m.major = major;
  m.minor = minor;
}

void fail_next_launch(cudaError_t error) { machine().next_launch = error; }

const Counters& counters() { return machine().counters; }
void reset_counters() {
  machine().counters = Counters{};
  reset_peak_memory();
}

namespace {

/// Why a launch is refused, or "".
std::string refusal(const cudaLaunchConfig_t& config, const void* kernel, cudaError_t& error) {
  const dim3& blocks = config.gridDim;
  const dim3& threads = config.blockDim;
  error = cudaErrorInvalidConfiguration;
  const std::uint64_t per_block = std::uint64_t{threads.x} * threads.y * threads.z;
  if (per_block == 0 || threads.x > 1024 || threads.y > 1024 || threads.z > 64 || per_block > 1024) {
    return std::to_string(per_block) + " threads per block; 1 to 1024 are possible";
  }
  const std::uint64_t plane = std::uint64_t{blocks.x} * blocks.y;
  if (plane == 0 || blocks.z == 0 || blocks.x > 0x7fffffffu || blocks.y > 65535 || blocks.z > 65535) {
    return "a grid of " + std::to_string(blocks.x) + " x " + std::to_string(blocks.y) + " x " +
           std::to_string(blocks.z) + " blocks; 1 to 2147483647 x 65535 x 65535 are possible";
  }
  if (plane > std::numeric_limits<unsigned>::max() / blocks.z) return "more than 2^32 - 1 blocks are not emulated";
  error = cudaErrorInvalidValue;
  const auto granted = machine().shared_granted.find(kernel);
  const std::size_t allowed = granted == machine().shared_granted.end() ? plain_shared_bytes : granted->second;
  if (config.dynamicSmemBytes > allowed) {
    return std::to_string(config.dynamicSmemBytes) + " bytes of dynamic shared memory; " + std::to_string(allowed) +
           " are allowed (cudaFuncSetAttribute raises it to at most " + std::to_string(max_shared_bytes) + ")";
  }
  return "";
}

}  // namespace

cudaError_t launch(const cudaLaunchConfig_t& config, const KernelCall& call) {
  const std::lock_guard lock(api_mutex());
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  if (const cudaError_t error = std::exchange(machine().next_launch, cudaSuccess); error != cudaSuccess) {
    return report(error);
  }
  cudaError_t error = cudaSuccess;
  if (const std::string why = refusal(config, call.kernel, error); !why.empty()) {
    std::fprintf(stderr, "ssam_emulation: refused launch of kernel %s: %s\n", kernel_name(call.kernel).c_str(),
                 why.c_str());
    return report(error);
  }
  check_stream(config.stream);
  ++machine().counters.launches;
  run_kernel(call, config.gridDim, config.blockDim, config.dynamicSmemBytes);
  return cudaSuccess;
}

}  // namespace ssam_emulation

using namespace ssam_emulation;

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  *count = machine().devices;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  *device = machine().current;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  if (device < 0 || device >= machine().devices) return report(cudaErrorInvalidDevice);
  machine().current = device;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  if (device < 0 || device >= machine().devices) return report(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = 1024;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(plain_shared_bytes);
      return cudaSuccess;
    case cudaDevAttrWarpSize:
      *value = 32;
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = 132;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = machine().major;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = machine().minor;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(max_shared_bytes);
      return cudaSuccess;
  }
  return report(cudaErrorInvalidValue);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  if (device < 0 || device >= machine().devices) return report(cudaErrorInvalidDevice);
  *properties = cudaDeviceProp{};
  std::snprintf(properties->name, sizeof properties->name, "ssam emulated GPU");
  properties->totalGlobalMem = memory_limit();
  properties->sharedMemPerBlock = plain_shared_bytes;
  properties->sharedMemPerBlockOptin = max_shared_bytes;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->major = machine().major;
  properties->minor = machine().minor;
  properties->multiProcessorCount = 132;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = machine().driver;
  return cudaSuccess;
}

cudaError_t cudaGetLastError() { return std::exchange(machine().last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return machine().last_error; }

namespace {
struct ErrorName {
  cudaError_t error;
  const char* name;
  const char* text;
};
constexpr ErrorName error_names[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "invalid copy direction"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver", "the driver is too old for the runtime"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no device is there"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice", "no kernel image for this device"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources", "too many resources requested for launch"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
};
const ErrorName& named(cudaError_t error) {
  static constexpr ErrorName unknown = {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"};
  const auto* found = std::find_if(std::begin(error_names), std::end(error_names),
                                   [&](const ErrorName& name) { return name.error == error; });
  return found == std::end(error_names) ? unknown : *found;
}
}  // namespace

const char* cudaGetErrorName(cudaError_t error) { return named(error).name; }
const char* cudaGetErrorString(cudaError_t error) { return named(error).text; }

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  const std::lock_guard lock(api_mutex());
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (kernel == nullptr) return report(cudaErrorInvalidDeviceFunction);
  if (value < 0 || static_cast<std::size_t>(value) > max_shared_bytes) return report(cudaErrorInvalidValue);
  machine().shared_granted[kernel] = static_cast<std::size_t>(value);
  return cudaSuccess;
}
