#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ssam_emulation.hpp>

#include "canary.hpp"
#include "memory.hpp"

// One mapping between two guard pages serves all blocks: the block's bytes end (but for the rest to 16 bytes) where the
// upper guard page begins, and a watched strip lies below them.
namespace ssam_emulation {

namespace {
constexpr std::size_t capacity = std::size_t{256} << 10;
constexpr std::size_t strip = 256;
std::size_t guard_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }
}  // namespace

void SharedMemory::prepare(std::size_t bytes) {
  if (pages_ == nullptr) {
    void* mapped = mmap(nullptr, capacity + 2 * guard_bytes(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) fail("no memory for shared memory");
    pages_ = static_cast<char*>(mapped) + guard_bytes();
    mprotect(pages_, capacity, PROT_READ | PROT_WRITE);
  }
  char* const end = pages_ + capacity;
  data_ = end - (bytes + 15) / 16 * 16;
  bytes_ = bytes;
  unpoison_range(pages_, end);
  write_canary(data_ - strip, data_);
  std::memset(data_, 0xFF, bytes);
  write_canary(data_ + bytes, end);
  poison_range(pages_, data_);
  poison_range(data_ + bytes, end);
}

void SharedMemory::check() const {
  const char* const end = pages_ + capacity;
  if (const char* broken = broken_canary(data_ - strip, data_)) {
    fail("out-of-bounds write " + std::to_string(data_ - broken) + " bytes before the dynamic shared memory");
  }
  if (const char* broken = broken_canary(data_ + bytes_, end)) {
    fail("out-of-bounds write " + std::to_string(broken - data_ - static_cast<std::ptrdiff_t>(bytes_)) +
         " bytes past the end of the " + std::to_string(bytes_) + " bytes of dynamic shared memory");
  }
}

bool SharedMemory::near(const void* address) const {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto begin = reinterpret_cast<std::uintptr_t>(pages_) - guard_bytes();
  return pages_ != nullptr && at >= begin && at - begin < capacity + 2 * guard_bytes();
}

SharedMemory& shared_memory() {
  static SharedMemory& memory = *new SharedMemory;
  return memory;
}

void* dynamic_shared() { return shared_memory().data(); }

}  // namespace ssam_emulation
