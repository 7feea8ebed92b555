#include "launch.hpp"

#include <cuda_runtime.h>
#include <cxxabi.h>
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "fiber.hpp"
#include "matrix.hpp"
#include "memory.hpp"

uint3 threadIdx{};
uint3 blockIdx{};
dim3 blockDim;
dim3 gridDim;

// A launch runs its blocks one after the other. Within a block the first runnable thread (in the order of the schedule)
// runs until it ends or waits; what waits at a barrier or in a warp built-in becomes runnable again when the last one
// it waits for has arrived. A thread that ends without ever having waited leaves its fiber to the next one, so that
// kernels without barriers run nearly as a plain loop.
namespace ssam_emulation {

namespace {

constexpr unsigned max_threads = 1024;
constexpr unsigned lanes_per_warp = 32;

enum class State { runnable, at_barrier, in_warp_call, ended };

struct Thread {
  State state = State::runnable;
  Fiber* fiber = nullptr;  ///< null before it runs
  unsigned rank = 0;       ///< its place in the schedule
  WarpCall call = WarpCall::syncwarp;
  unsigned mask = 0;
  std::uint64_t value = 0;
  int operand = 0;
  int width = 0;
  std::uint64_t result = 0;
};

struct Schedule {
  Order order = Order::ascending;
  std::uint64_t seed = 0;
};

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

class Block {
 public:
  bool active() const { return call_ != nullptr; }
  const KernelCall& call() const { return *call_; }
  void set_schedule(const Schedule& schedule) { schedule_ = schedule; }
  const Schedule& schedule() const { return schedule_; }

  void begin_launch(const KernelCall& call, const dim3& threads);
  void end_launch() { call_ = nullptr; }
  void run();
  void barrier();
  std::uint64_t warp_call(WarpCall call, unsigned mask, std::uint64_t value, int operand, int width);
  std::string name(unsigned thread) const;
  std::string running_name() const { return name(running_); }

 private:
  static void fiber_entry();
  void run_threads();
  void make_runnable(unsigned thread);
  /// Takes the first runnable thread as the running one; false when there is none.
  bool take_next();
  void wait();
  void finish_warp_call(unsigned warp, unsigned mask);
  [[noreturn]] void fail_deadlock() const;
  Fiber* free_fiber();

  const KernelCall* call_ = nullptr;
  Schedule schedule_;
  unsigned count_ = 0;
  unsigned ended_ = 0;
  unsigned at_barrier_ = 0;
  unsigned running_ = 0;
  std::vector<Thread> threads_;
  std::vector<uint3> indices_;                                  // of each thread
  std::vector<unsigned> by_rank_;                               // threads in the order of the schedule
  std::array<std::uint32_t, max_threads / 32> runnable_{};      // bit per rank
  std::uint32_t runnable_words_ = 0;                            // bit per word of runnable_ that is not 0
  std::array<std::uint32_t, max_threads / 32> in_warp_call_{};  // bit per lane, of each warp
  std::vector<Fiber*> free_fibers_;
  std::size_t created_fibers_ = 0;
};

Block& block() {
  static Block& only = *new Block;
  return only;
}

void Block::begin_launch(const KernelCall& call, const dim3& threads) {
  call_ = &call;
  count_ = threads.x * threads.y * threads.z;
  threads_.assign(count_, Thread{});
  indices_.clear();
  for (unsigned z = 0; z < threads.z; ++z) {
    for (unsigned y = 0; y < threads.y; ++y) {
      for (unsigned x = 0; x < threads.x; ++x) indices_.push_back({x, y, z});
    }
  }
  by_rank_.resize(count_);
  std::iota(by_rank_.begin(), by_rank_.end(), 0u);
  if (schedule_.order == Order::descending) std::reverse(by_rank_.begin(), by_rank_.end());
  if (schedule_.order == Order::shuffled) {
    for (unsigned i = count_ - 1; i > 0; --i) std::swap(by_rank_[i], by_rank_[mix(schedule_.seed + i) % (i + 1)]);
  }
}

void Block::run() {
  ended_ = at_barrier_ = 0;
  runnable_.fill(0);
  runnable_words_ = 0;
  in_warp_call_.fill(0);
  for (unsigned rank = 0; rank < count_; ++rank) {
    Thread& thread = threads_[by_rank_[rank]];
    thread.fiber = nullptr;
    thread.rank = rank;
    make_runnable(by_rank_[rank]);
  }
  take_next();
  threads_[running_].fiber = free_fiber();
  switch_fiber(host_fiber(), *threads_[running_].fiber);
}

void Block::fiber_entry() {
  enter_fiber();
  block().run_threads();
}

void Block::run_threads() {
  for (;;) {
    Fiber* const own = threads_[running_].fiber;
    call_->invoke(*call_);
    threads_[running_].state = State::ended;
    ++ended_;
    if (!take_next()) {
      if (ended_ != count_) fail_deadlock();
      free_fibers_.push_back(own);
      switch_fiber(*own, host_fiber());
    } else if (Thread& next = threads_[running_]; next.fiber == nullptr) {
      next.fiber = own;
    } else {
      free_fibers_.push_back(own);
      switch_fiber(*own, *next.fiber);
    }
  }
}

void Block::make_runnable(unsigned index) {
  Thread& thread = threads_[index];
  thread.state = State::runnable;
  runnable_[thread.rank / 32] |= 1u << thread.rank % 32;
  runnable_words_ |= 1u << thread.rank / 32;
}

bool Block::take_next() {
  if (runnable_words_ == 0) return false;
  const auto word = static_cast<unsigned>(std::countr_zero(runnable_words_));
  const auto bit = static_cast<unsigned>(std::countr_zero(runnable_[word]));
  runnable_[word] &= runnable_[word] - 1;
  if (runnable_[word] == 0) runnable_words_ &= runnable_words_ - 1;
  running_ = by_rank_[word * 32 + bit];
  threadIdx = indices_[running_];
  return true;
}

/// Lets others run until the running thread, which is not runnable or not the first any more, is taken again.
void Block::wait() {
  const unsigned self = running_;
  if (!take_next()) fail_deadlock();
  if (running_ == self) return;
  Thread& next = threads_[running_];
  if (next.fiber == nullptr) next.fiber = free_fiber();
  switch_fiber(*threads_[self].fiber, *next.fiber);
}

void Block::barrier() {
  threads_[running_].state = State::at_barrier;
  if (++at_barrier_ == count_) {
    at_barrier_ = 0;
    for (unsigned i = 0; i < count_; ++i) make_runnable(i);
  }
  wait();
}

std::uint64_t Block::warp_call(WarpCall call, unsigned mask, std::uint64_t value, int operand, int width) {
  const unsigned self = running_;
  const unsigned warp = self / lanes_per_warp;
  const unsigned lanes = std::min(lanes_per_warp, count_ - warp * lanes_per_warp);
  const unsigned bit = 1u << self % lanes_per_warp;
  if ((mask & bit) == 0) fail("a warp built-in is called by a lane that is not in its mask");
  if (lanes < lanes_per_warp && mask >> lanes != 0) fail("the mask of a warp built-in names lanes beyond the block");
  if (width < 1 || width > 32 || (width & (width - 1)) != 0)
    fail("the width of a shuffle is not a power of 2 up to 32");
  Thread& thread = threads_[self];
  thread.state = State::in_warp_call;
  thread.call = call;
  thread.mask = mask;
  thread.value = value;
  thread.operand = operand;
  thread.width = width;
  in_warp_call_[warp] |= bit;
  if ((in_warp_call_[warp] & mask) == mask) finish_warp_call(warp, mask);
  wait();
  return threads_[self].result;
}

/// The lane whose value `thread` asks for.
unsigned source_lane(const Thread& thread, unsigned lane) {
  const int own = static_cast<int>(lane);
  const int first = own & ~(thread.width - 1);
  const int last = first + thread.width - 1;
  int source = own;
  if (thread.call == WarpCall::shuffle) source = first | (thread.operand & (thread.width - 1));
  if (thread.call == WarpCall::shuffle_up) source = own - thread.operand;
  if (thread.call == WarpCall::shuffle_down) source = own + thread.operand;
  if (thread.call == WarpCall::shuffle_xor) source = own ^ thread.operand;
  const bool outside = thread.call == WarpCall::shuffle_up ? source < first : source > last;
  return static_cast<unsigned>(outside ? own : source);
}

/// All lanes of `mask` have arrived: gives each its result.
void Block::finish_warp_call(unsigned warp, unsigned mask) {
  Thread* const lanes = &threads_[warp * lanes_per_warp];
  const Thread& last = threads_[running_];
  std::uint64_t votes = 0;
  for (unsigned lane = 0; lane < lanes_per_warp; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    if (lanes[lane].call != last.call || lanes[lane].mask != mask || lanes[lane].width != last.width) {
      fail("divergent warp built-in: " + name(warp * lanes_per_warp + lane) + " is in another one");
    }
    if (lanes[lane].value != 0) votes |= std::uint64_t{1} << lane;
  }
  if (last.call == WarpCall::ldmatrix || last.call == WarpCall::mma) {
    std::array<std::uint64_t, lanes_per_warp> operands{};
    for (unsigned lane = 0; lane < lanes_per_warp; ++lane) operands[lane] = lanes[lane].value;
    last.call == WarpCall::ldmatrix ? load_matrices(operands) : multiply_matrices(operands);
  }
  const bool is_vote = last.call == WarpCall::ballot || last.call == WarpCall::any || last.call == WarpCall::all;
  for (unsigned lane = 0; lane < lanes_per_warp; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    const unsigned source = source_lane(lanes[lane], lane);
    if ((mask >> source & 1) == 0) fail("a shuffle asks for the value of a lane that is not in its mask");
    lanes[lane].result = is_vote ? votes : lanes[source].value;
    make_runnable(warp * lanes_per_warp + lane);
  }
  in_warp_call_[warp] &= ~mask;
}

/// Nobody can run: says who waits for what.
void Block::fail_deadlock() const {
  unsigned counts[4] = {};
  unsigned first[4] = {};
  for (unsigned i = count_; i-- > 0;) {
    ++counts[static_cast<int>(threads_[i].state)];
    first[static_cast<int>(threads_[i].state)] = i;
  }
  std::string text = "deadlock:";
  const auto add = [&](State state, const char* what) {
    const auto s = static_cast<int>(state);
    if (counts[s] == 0) return;
    text += " " + std::to_string(counts[s]) + " " + what + " (the first is " + name(first[s]) + ");";
  };
  add(State::at_barrier, "wait at __syncthreads");
  add(State::in_warp_call, "wait in a warp built-in");
  add(State::ended, "have ended");
  fail(text);
}

std::string Block::name(unsigned thread) const {
  const uint3& index = indices_[thread];
  return "thread (" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " + std::to_string(index.z) + ")";
}

Fiber* Block::free_fiber() {
  if (free_fibers_.empty()) return create_fiber(&Block::fiber_entry, created_fibers_++);
  Fiber* fiber = free_fibers_.back();
  free_fibers_.pop_back();
  return fiber;
}

/// Block `i` of `count` in the order of the schedule; shuffled by an affine permutation.
unsigned block_at(const Schedule& schedule, unsigned i, unsigned count) {
  if (schedule.order == Order::ascending) return i;
  if (schedule.order == Order::descending) return count - 1 - i;
  std::uint64_t factor = mix(schedule.seed + 1) % count;
  while (std::gcd(factor, std::uint64_t{count}) != 1) ++factor;
  return static_cast<unsigned>((factor * i + mix(schedule.seed + 2) % count) % count);
}

}  // namespace

std::string kernel_name(const void* kernel) {
  Dl_info info{};
  if (dladdr(kernel, &info) != 0 && info.dli_sname != nullptr && info.dli_saddr == kernel) {
    int status = 0;
    char* readable = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
    const std::string name = status == 0 ? readable : info.dli_sname;
    std::free(readable);
    return name;
  }
  char address[32];
  std::snprintf(address, sizeof address, "at %p", kernel);
  return address;
}

std::string where_in_launch() {
  if (!block().active()) return "";
  return " in kernel " + kernel_name(block().call().kernel) + ", block (" + std::to_string(blockIdx.x) + ", " +
         std::to_string(blockIdx.y) + ", " + std::to_string(blockIdx.z) + "), " + block().running_name();
}

void fail(const std::string& text) {
  std::fprintf(stderr, "ssam_emulation: %s%s\n", text.c_str(), where_in_launch().c_str());
  std::fflush(stderr);
  std::abort();
}

void set_schedule(Order order, std::uint64_t seed) { block().set_schedule({order, seed}); }
void block_barrier() { block().barrier(); }
std::uint64_t warp_call(WarpCall call, unsigned mask, std::uint64_t value, int operand, int width) {
  return block().warp_call(call, mask, value, operand, width);
}

void run_kernel(const KernelCall& call, const dim3& blocks, const dim3& threads, std::size_t shared_bytes) {
  DeviceAccess access;
  for (std::size_t i = 0; i < call.pointer_count; ++i) {
    if (call.pointers[i] == nullptr) continue;
    if (!is_device(call.pointers[i])) {
      fail("argument " + std::to_string(i + 1) + " of kernel " + kernel_name(call.kernel) + " points to host memory");
    }
    access.open(call.pointers[i]);
  }
  blockDim = threads;
  gridDim = blocks;
  block().begin_launch(call, threads);
  const unsigned plane = blocks.x * blocks.y;
  const unsigned count = plane * blocks.z;
  for (unsigned i = 0; i < count; ++i) {
    const unsigned at = block_at(block().schedule(), i, count);
    blockIdx = {at % blocks.x, at / blocks.x % blocks.y, at / plane};
    shared_memory().prepare(shared_bytes);
    block().run();
    shared_memory().check();
  }
  block().end_launch();
}

}  // namespace ssam_emulation
