#include <cstdlib>
#include <new>

#include "fixtures.hpp"

// Every `new` of this executable passes here, so that tests can see the largest request a reader makes.
namespace fixtures {
std::size_t largest_allocation = 0;
}

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  if (bytes > fixtures::largest_allocation) fixtures::largest_allocation = bytes;
  return std::malloc(bytes > 0 ? bytes : 1);
}
void* operator new(std::size_t bytes) {
  if (void* data = operator new(bytes, std::nothrow)) return data;
  throw std::bad_alloc();
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, std::size_t) noexcept { std::free(data); }
