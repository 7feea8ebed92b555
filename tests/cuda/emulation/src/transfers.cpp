#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "memory.hpp"
#include "runtime.hpp"

// Memory, copies, streams and events. Everything happens at once, in the order of the calls.
struct CUstream_st {};
struct CUevent_st {
  bool recorded = false;
  std::uint64_t order = 0;  ///< how many asynchronous copies came before
  std::chrono::steady_clock::time_point time;
};

namespace ssam_emulation {

namespace {

/// The host's side of an asynchronous copy that the host has not waited for (set_async).
struct PendingCopy {
  std::uint64_t order = 0;
  void* to = nullptr;          ///< host memory that gets `bytes` at last; null for a copy to the device
  const void* from = nullptr;  ///< host memory that must hold `bytes` still
  std::vector<unsigned char> bytes;
};

struct Transfers {
  std::map<const char*, std::size_t> pinned;
  std::set<cudaStream_t> streams;
  std::set<cudaEvent_t> events;
  std::vector<PendingCopy> pending;
  std::uint64_t copies = 0;
};

Transfers& transfers() {
  static Transfers& only = *new Transfers;
  return only;
}

bool is_pinned(const void* data, std::size_t bytes) {
  const char* at = static_cast<const char*>(data);
  auto next = transfers().pinned.upper_bound(at);
  if (next == transfers().pinned.begin()) return false;
  const auto& [begin, size] = *std::prev(next);
  const auto offset = static_cast<std::size_t>(at - begin);
  return offset <= size && bytes <= size - offset;
}

void require_host(const void* data, const char* what) {
  if (is_device(data)) fail(std::string(what) + " is device memory, but the copy's direction says host memory");
}

/// Completes the copies that came before `order`.
void complete(std::uint64_t order) {
  auto& pending = transfers().pending;
  for (const PendingCopy& copy : pending) {
    if (copy.order >= order) continue;
    if (copy.to != nullptr) std::memcpy(copy.to, copy.bytes.data(), copy.bytes.size());
    if (copy.from != nullptr && std::memcmp(copy.from, copy.bytes.data(), copy.bytes.size()) != 0) {
      fail("the source of an asynchronous copy to the device changed before the host waited for it");
    }
  }
  std::erase_if(pending, [&](const PendingCopy& copy) { return copy.order < order; });
}
void complete_all() { complete(transfers().copies); }

cudaMemcpyKind resolve(cudaMemcpyKind kind, const void* to, const void* from) {
  if (kind != cudaMemcpyDefault) return kind;
  if (is_device(to)) return is_device(from) ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice;
  return is_device(from) ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost;
}

void check_copy(const void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (to_device) require_device(to, bytes, "the destination of a copy");
  if (from_device) require_device(from, bytes, "the source of a copy");
  if (!to_device) require_host(to, "the destination of a copy");
  if (!from_device) require_host(from, "the source of a copy");
  Counters& count = machine().counters;
  if (kind == cudaMemcpyHostToDevice) ++count.host_to_device, count.host_to_device_bytes += bytes;
  if (kind == cudaMemcpyDeviceToHost) ++count.device_to_host, count.device_to_host_bytes += bytes;
  if (kind == cudaMemcpyDeviceToDevice) ++count.device_to_device;
}

void copy_now(void* to, const void* from, std::size_t bytes) {
  DeviceAccess access;
  access.open(to);
  access.open(from);
  std::memmove(to, from, bytes);
}

/// Leaves the copy's effect on the host for later.
void defer(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  PendingCopy copy;
  copy.order = transfers().copies;
  copy.bytes.resize(bytes);
  copy_now(copy.bytes.data(), from, bytes);
  if (kind == cudaMemcpyHostToDevice) {
    copy.from = from;
    copy_now(to, from, bytes);
  } else {
    copy.to = to;
    std::memset(to, 0xFF, bytes);
  }
  transfers().pending.push_back(std::move(copy));
}

void synchronised() {
  ++machine().counters.synchronisations;
  complete_all();
}

}  // namespace

void set_async(bool on) {
  const std::lock_guard lock(api_mutex());
  complete_all();
  machine().asynchronous = on;
}

std::string leak_report() {
  std::string lines = device_leaks();
  for (const auto& [data, bytes] : transfers().pinned) {
    lines += "pinned host memory: an allocation of " + std::to_string(bytes) + " bytes\n";
  }
  return lines + cublaslt_leaks();
}

void check_stream(cudaStream_t stream) {
  if (stream != nullptr && !transfers().streams.contains(stream)) fail("a stream that is none, or is destroyed");
}

}  // namespace ssam_emulation

using namespace ssam_emulation;

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  const std::lock_guard lock(api_mutex());
  *pointer = nullptr;
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  if (bytes == 0) return cudaSuccess;
  ++machine().counters.mallocs;
  *pointer = allocate_device(bytes);
  return *pointer == nullptr ? report(cudaErrorMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
  const std::lock_guard lock(api_mutex());
  if (pointer == nullptr) return cudaSuccess;
  ++machine().counters.frees;
  complete_all();  // the real one waits for the device
  free_device(pointer);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  const std::lock_guard lock(api_mutex());
  *pointer = nullptr;
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  if (bytes == 0) return cudaSuccess;
  *pointer = std::malloc(bytes);
  if (*pointer == nullptr) return report(cudaErrorMemoryAllocation);
  std::memset(*pointer, 0xFF, bytes);
  transfers().pinned[static_cast<const char*>(*pointer)] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* pointer) {
  const std::lock_guard lock(api_mutex());
  if (pointer == nullptr) return cudaSuccess;
  complete_all();
  if (transfers().pinned.erase(static_cast<const char*>(pointer)) == 0) {
    fail("cudaFreeHost of a pointer that cudaMallocHost did not return, or a second time");
  }
  std::free(pointer);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const std::lock_guard lock(api_mutex());
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  *total = memory_limit();
  *free = *total - std::min(*total, memory_in_use());
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const std::lock_guard lock(api_mutex());
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  kind = resolve(kind, to, from);
  if (bytes == 0) return cudaSuccess;
  check_copy(to, from, bytes, kind);
  if (kind != cudaMemcpyDeviceToDevice) synchronised();
  copy_now(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const std::lock_guard lock(api_mutex());
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  check_stream(stream);
  kind = resolve(kind, to, from);
  if (bytes == 0) return cudaSuccess;
  check_copy(to, from, bytes, kind);
  const bool from_host = kind == cudaMemcpyHostToDevice;
  const bool with_host = from_host || kind == cudaMemcpyDeviceToHost;
  const bool pageable = with_host && !is_pinned(from_host ? from : to, bytes);
  if (pageable) ++machine().counters.pageable_async;
  // A copy from pageable memory has left it when the call returns; one to it is as late as any other.
  if (machine().asynchronous && with_host && !(pageable && from_host)) {
    defer(to, from, bytes, kind);
  } else {
    copy_now(to, from, bytes);
  }
  ++transfers().copies;
  return cudaSuccess;
}

cudaError_t cudaMemset(void* to, int value, std::size_t bytes) { return cudaMemsetAsync(to, value, bytes, nullptr); }

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  const std::lock_guard lock(api_mutex());
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  check_stream(stream);
  if (bytes == 0) return cudaSuccess;
  require_device(to, bytes, "the destination of cudaMemset");
  ++machine().counters.memsets;
  DeviceAccess access;
  access.open(to);
  std::memset(to, value, bytes);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const std::lock_guard lock(api_mutex());
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  *stream = new CUstream_st;
  transfers().streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const std::lock_guard lock(api_mutex());
  if (transfers().streams.erase(stream) == 0) fail("cudaStreamDestroy of a stream that is none, or is destroyed");
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const std::lock_guard lock(api_mutex());
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  check_stream(stream);
  synchronised();
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() { return cudaStreamSynchronize(nullptr); }

namespace {
CUevent_st& live_event(cudaEvent_t event) {
  if (!transfers().events.contains(event)) fail("an event that is none, or is destroyed");
  return *event;
}
}  // namespace

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const std::lock_guard lock(api_mutex());
  if (const cudaError_t error = check_machine(); error != cudaSuccess) return error;
  *event = new CUevent_st;
  transfers().events.insert(*event);
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const std::lock_guard lock(api_mutex());
  transfers().events.erase(&live_event(event));
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard lock(api_mutex());
  check_stream(stream);
  CUevent_st& live = live_event(event);
  live.recorded = true;
  live.order = transfers().copies;
  live.time = std::chrono::steady_clock::now();
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const std::lock_guard lock(api_mutex());
  ++machine().counters.synchronisations;
  const CUevent_st& live = live_event(event);
  if (live.recorded) complete(live.order);
  return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const std::lock_guard lock(api_mutex());
  const CUevent_st& first = live_event(start);
  const CUevent_st& last = live_event(end);
  if (!first.recorded || !last.recorded) return report(cudaErrorInvalidResourceHandle);
  *milliseconds = std::chrono::duration<float, std::milli>(last.time - first.time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const std::lock_guard lock(api_mutex());
  check_stream(stream);
  live_event(event);
  return cudaSuccess;
}
