#include <malloc.h>

#include <cstdlib>
#include <new>

#include "fixtures.hpp"

// Every `new` of this executable passes here, so that tests can see how much memory a reader asks for.
namespace fixtures {
std::atomic<std::size_t> largest_allocation{0};
std::atomic<std::size_t> live_bytes{0};
std::atomic<std::size_t> peak_bytes{0};

namespace {
void raise(std::atomic<std::size_t>& record, std::size_t value) {
  std::size_t before = record;
  while (value > before && !record.compare_exchange_weak(before, value)) {
  }
}
void release(void* data) {
  if (data != nullptr) live_bytes -= ::malloc_usable_size(data);
  std::free(data);
}
}  // namespace
}  // namespace fixtures

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  void* data = std::malloc(bytes > 0 ? bytes : 1);
  fixtures::raise(fixtures::largest_allocation, bytes);
  if (data != nullptr) fixtures::raise(fixtures::peak_bytes, fixtures::live_bytes += ::malloc_usable_size(data));
  return data;
}
void* operator new(std::size_t bytes) {
  if (void* data = operator new(bytes, std::nothrow)) return data;
  throw std::bad_alloc();
}
void operator delete(void* data) noexcept { fixtures::release(data); }
void operator delete(void* data, std::size_t) noexcept { fixtures::release(data); }
