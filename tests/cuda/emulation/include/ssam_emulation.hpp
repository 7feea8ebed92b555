#pragma once

#include <driver_types.h>

#include <cstddef>
#include <cstdint>
#include <string>

/// What tests ask of the emulated GPU beyond CUDA itself. The emulation runs a kernel's own source on the host: blocks
/// one after another, each with one fiber per thread, all on the calling OS thread. What would be undefined or silently
/// wrong on a GPU (host access to device memory, out of bounds, use after free, a thread that misses a barrier, a
/// divergent warp built-in, a wrong copy) prints one line and aborts.
namespace ssam_emulation {

/// Which of the runnable threads of a block runs next (and in which order the blocks run): always the first in this
/// order, as far as it can, until it waits for others. A kernel without missing barriers gives the same result in all
/// of them; one with a missing barrier reads what was not written yet (NaN) or already overwritten in some.
enum class Order { ascending, descending, shuffled };
void set_schedule(Order order, std::uint64_t seed = 0);

/// Calls `run()` under the ascending, the descending and two shuffled schedules and says whether what it returned
/// (something comparable, such as a vector of bytes or floats without NaN) was the same each time.
template <class Run>
bool same_under_all_schedules(Run&& run) {
  set_schedule(Order::ascending);
  const auto expected = run();
  bool same = expected == expected;  // not so with a NaN
  const struct {
    Order order;
    std::uint64_t seed;
  } others[] = {{Order::descending, 0}, {Order::shuffled, 1}, {Order::shuffled, 2}};
  for (const auto& other : others) {
    set_schedule(other.order, other.seed);
    same = same && run() == expected;
  }
  set_schedule(Order::ascending);
  return same;
}

/// The running block's dynamic shared memory, as large as the launch asked for and filled with NaN before each block.
void* dynamic_shared();

/// Device memory in all; more is out of memory. 8 GiB unless set.
void set_memory_limit(std::size_t bytes);

/// The pretended machine: how many GPUs, the CUDA version that its driver is for (0: no driver), and their compute
/// capability. One sm_90 with the runtime's own version unless set.
void set_device(int count, int driver, int major, int minor);

/// Work runs at once, but with `on` the effects of asynchronous copies are as late as they may be: host memory written
/// by a copy holds 0xFF bytes until the host synchronises, and a source on the host that has changed by then aborts.
void set_async(bool on);

/// The next launch starts nothing and returns `error`.
void fail_next_launch(cudaError_t error);

/// While on, cuBLASLt's heuristic finds no algorithm for any product.
void refuse_algorithms(bool on);

/// What was asked of the device since the last reset.
struct Counters {
  std::uint64_t mallocs = 0, frees = 0;
  std::uint64_t host_to_device = 0, device_to_host = 0, device_to_device = 0;  ///< copies
  std::uint64_t host_to_device_bytes = 0, device_to_host_bytes = 0;
  std::uint64_t pageable_async = 0;  ///< asynchronous copies whose host memory is not from cudaMallocHost
  std::uint64_t memsets = 0;
  std::uint64_t synchronisations = 0;  ///< explicit ones and those of copies that are not asynchronous
  std::uint64_t launches = 0;
  std::uint64_t library_calls = 0;  ///< matrix products and factorisations
  std::uint64_t heuristics = 0;     ///< questions for an algorithm
};
const Counters& counters();
void reset_counters();

/// Bytes of device memory in use now and at most so far (since the last reset_counters).
std::size_t memory_in_use();
std::size_t peak_memory();

/// One line for every device or pinned allocation that was not freed, and for each of cuBLASLt's kinds of descriptors;
/// empty when there is none.
std::string leak_report();

}  // namespace ssam_emulation
