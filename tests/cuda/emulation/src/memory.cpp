#include "memory.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <ssam_emulation.hpp>
#include <vector>

#include "canary.hpp"
#include "fiber.hpp"

// Device memory is one reserved address range without access. Every allocation has pages of its own there, followed by
// a guard page that its end touches, and preceded by one. Pages of freed memory stay inaccessible; addresses are used
// again only when the range has run out. What is left of an allocation's pages holds a pattern that is checked.
namespace ssam_emulation {

namespace {

constexpr std::size_t reserved_bytes = std::size_t{1} << 38;
constexpr std::size_t alignment = 16;

struct Allocation {
  char* pages = nullptr;
  std::size_t page_bytes = 0;
  char* data = nullptr;  ///< ends with the pages, but for less than `alignment` bytes
  std::size_t bytes = 0;
  bool open = false;

  char* end() const { return data + bytes; }
  char* pages_end() const { return pages + page_bytes; }
};

using Allocations = std::map<const char*, Allocation>;  // by `pages`

struct Device {
  char* begin = nullptr;
  char* next = nullptr;
  std::size_t page = 0;
  Allocations live;
  Allocations freed;
  std::vector<Allocation*> opened;
  int depth = 0;  ///< of DeviceAccess
  std::size_t used = 0;
  std::size_t peak = 0;
  std::size_t limit = std::size_t{8} << 30;
  struct sigaction previous_handler;

  Device();
};

Device& device() {
  static Device& only = *new Device;  // outlives every static that frees device memory
  return only;
}

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

/// The allocation of `all` whose pages hold `address`, or null.
Allocation* find(Allocations& all, const void* address) {
  const char* at = static_cast<const char*>(address);
  auto next = all.upper_bound(at);
  if (next == all.begin()) return nullptr;
  Allocation& candidate = std::prev(next)->second;
  return at < candidate.pages_end() ? &candidate : nullptr;
}

std::string describe(const Allocation& allocation) {
  return "an allocation of " + std::to_string(allocation.bytes) + " bytes";
}
/// "12 bytes past the end of" or "4 bytes before".
std::string distance(const char* address, const Allocation& allocation) {
  if (address < allocation.data) return std::to_string(allocation.data - address) + " bytes before ";
  return std::to_string(address - allocation.end()) + " bytes past the end of ";
}

/// What is wrong about an access to `at`, which no kernel may make.
std::string explain(const char* at) {
  Device& d = device();
  if (Allocation* inside = find(d.live, at)) {
    return "host access to device memory at offset " + std::to_string(at - inside->data) + " of " + describe(*inside);
  }
  if (Allocation* gone = find(d.freed, at)) return "use after free of " + describe(*gone);
  auto next = d.live.upper_bound(at);
  const Allocation* nearest = next == d.live.end() ? nullptr : &next->second;
  if (next != d.live.begin()) {
    const Allocation& before = std::prev(next)->second;
    if (nearest == nullptr || at - before.end() <= nearest->data - at) nearest = &before;
  }
  const std::string what = d.depth == 0 ? "host access to unallocated device memory" : "out-of-bounds access";
  return what + (nearest == nullptr ? "" : ", " + distance(at, *nearest) + describe(*nearest));
}

void open_allocation(Allocation& allocation) {
  if (allocation.open) return;
  mprotect(allocation.pages, allocation.page_bytes, PROT_READ | PROT_WRITE);
  allocation.open = true;
  device().opened.push_back(&allocation);
}

/// Opens what a kernel touches first without its being named; anything else is an error of the program.
void on_fault(int signal, siginfo_t* info, void* context) {
  Device& d = device();
  char* at = static_cast<char*>(info->si_addr);
  if (is_device(at)) {
    Allocation* inside = find(d.live, at);
    if (inside != nullptr && d.depth > 0 && !inside->open) return open_allocation(*inside);
    fail(explain(at));
  }
  if (shared_memory().near(at)) {
    fail("out-of-bounds access to the " + std::to_string(shared_memory().bytes()) + " bytes of dynamic shared memory");
  }
  if (is_stack_guard(at)) fail("stack overflow in a kernel");
  const struct sigaction& previous = d.previous_handler;
  if ((previous.sa_flags & SA_SIGINFO) != 0) return previous.sa_sigaction(signal, info, context);
  ::signal(SIGSEGV, SIG_DFL);  // the access is made again, and the process ends
}

void install_handler() {
  struct sigaction current {};
  sigaction(SIGSEGV, nullptr, &current);
  if ((current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == on_fault) return;
  device().previous_handler = current;
  stack_t stack{};
  if (sigaltstack(nullptr, &stack) == 0 && (stack.ss_flags & SS_DISABLE) != 0) {
    constexpr std::size_t bytes = 256 * 1024;
    stack.ss_sp = std::malloc(bytes);
    stack.ss_size = bytes;
    stack.ss_flags = 0;
    sigaltstack(&stack, nullptr);
  }
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigaction(SIGSEGV, &action, nullptr);
}

Device::Device() : page(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))), previous_handler{} {
  void* range = mmap(nullptr, reserved_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) {
    std::fputs("ssam_emulation: no address space for device memory\n", stderr);
    std::abort();
  }
  begin = static_cast<char*>(range);
  next = begin + page;
}

/// Pages for an allocation, with a guard page on either side; null when the range is full.
char* place(std::size_t bytes) {
  Device& d = device();
  char* const end = d.begin + reserved_bytes;
  if (static_cast<std::size_t>(end - d.next) >= bytes + d.page) {
    char* pages = d.next;
    d.next += bytes + d.page;
    return pages;
  }
  char* at = d.begin + d.page;
  for (auto& [pages, allocation] : d.live) {
    if (allocation.pages - at >= static_cast<std::ptrdiff_t>(bytes + d.page)) break;
    at = allocation.pages_end() + d.page;
  }
  if (static_cast<std::size_t>(end - at) < bytes + d.page) return nullptr;
  std::erase_if(d.freed,
                [&](const auto& entry) { return entry.second.pages < at + bytes && entry.second.pages_end() > at; });
  return at;
}

void check_canary(const Allocation& allocation) {
  const char* broken = broken_canary(allocation.pages, allocation.data);
  if (broken == nullptr) broken = broken_canary(allocation.end(), allocation.pages_end());
  if (broken != nullptr) fail("out-of-bounds write " + distance(broken, allocation) + describe(allocation));
}

}  // namespace

std::recursive_mutex& api_mutex() {
  static std::recursive_mutex& mutex = *new std::recursive_mutex;
  return mutex;
}

void* allocate_device(std::size_t bytes) {
  Device& d = device();
  if (bytes > d.limit || d.used > d.limit - bytes) return nullptr;
  install_handler();
  Allocation allocation;
  allocation.bytes = bytes;
  allocation.page_bytes = round_up(bytes, d.page);
  allocation.pages = place(allocation.page_bytes);
  if (allocation.pages == nullptr) return nullptr;
  allocation.data = allocation.pages_end() - round_up(bytes, alignment);
  if (mprotect(allocation.pages, allocation.page_bytes, PROT_READ | PROT_WRITE) != 0) return nullptr;
  constexpr std::size_t huge_page = std::size_t{2} << 20;
  if (allocation.page_bytes >= 2 * huge_page) madvise(allocation.pages, allocation.page_bytes, MADV_HUGEPAGE);
  write_canary(allocation.pages, allocation.data);
  std::memset(allocation.data, 0xFF, bytes);
  write_canary(allocation.end(), allocation.pages_end());
  poison_range(allocation.pages, allocation.data);
  poison_range(allocation.end(), allocation.pages_end());
  mprotect(allocation.pages, allocation.page_bytes, PROT_NONE);
  d.used += bytes;
  d.peak = std::max(d.peak, d.used);
  d.live[allocation.pages] = allocation;
  return allocation.data;
}

void free_device(void* data) {
  Device& d = device();
  Allocation* found = is_device(data) ? find(d.live, data) : nullptr;
  if (found == nullptr || found->data != data) {
    Allocation* gone = is_device(data) ? find(d.freed, data) : nullptr;
    if (gone != nullptr && gone->data == data) fail("double free of " + describe(*gone));
    fail("cudaFree of a pointer that cudaMalloc did not return");
  }
  {
    DeviceAccess access;
    access.open(data);  // and its surroundings are checked at the end of the access
  }
  const Allocation allocation = *found;
  unpoison_range(allocation.pages, allocation.pages_end());
  mmap(allocation.pages, allocation.page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
       0);
  d.used -= allocation.bytes;
  d.live.erase(allocation.pages);
  d.freed[allocation.pages] = allocation;
}

bool is_device(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto begin = reinterpret_cast<std::uintptr_t>(device().begin);
  return at >= begin && at - begin < reserved_bytes;
}

void require_device(const void* data, std::size_t bytes, const std::string& what) {
  Device& d = device();
  const char* at = static_cast<const char*>(data);
  if (!is_device(data)) fail(what + " is not device memory");
  if (find(d.freed, at) != nullptr) fail(what + ": use after free of " + describe(*find(d.freed, at)));
  const Allocation* found = find(d.live, at);
  if (found == nullptr) fail(what + " lies in no allocation: " + explain(at));
  if (at < found->data || at > found->end() || bytes > static_cast<std::size_t>(found->end() - at)) {
    fail(what + ": " + std::to_string(bytes) + " bytes at offset " + std::to_string(at - found->data) + " of " +
         describe(*found));
  }
}

std::string device_leaks() {
  std::string lines;
  for (const auto& [pages, allocation] : device().live) lines += "device memory: " + describe(allocation) + "\n";
  return lines;
}

std::size_t memory_limit() { return device().limit; }
void set_memory_limit(std::size_t bytes) { device().limit = bytes; }
std::size_t memory_in_use() { return device().used; }
std::size_t peak_memory() { return device().peak; }
void reset_peak_memory() { device().peak = device().used; }

DeviceAccess::DeviceAccess() {
  install_handler();
  ++device().depth;
}

DeviceAccess::~DeviceAccess() {
  Device& d = device();
  if (--d.depth > 0) return;
  for (Allocation* allocation : d.opened) {
    check_canary(*allocation);
    mprotect(allocation->pages, allocation->page_bytes, PROT_NONE);
    allocation->open = false;
  }
  d.opened.clear();
}

void DeviceAccess::open(const void* address) {
  if (Allocation* allocation = find(device().live, address)) open_allocation(*allocation);
}

}  // namespace ssam_emulation
