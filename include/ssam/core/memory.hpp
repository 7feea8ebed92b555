#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <ssam/core/device.hpp>
#include <ssam/core/error.hpp>

namespace ssam::inline SSAM_ABI {

/// Raw memory of one device. Specialised per device tag: allocate, release, fill with zero bytes, copy to and from
/// host, and host memory to stage such copies in.
template <class Device>
struct Memory;

/// Ordinary memory.
template <>
struct Memory<Cpu> {
  /// Allocates `bytes` (> 0), aligned for any vector instruction. Large blocks ask for huge pages: the first touch of a
  /// fresh 4 KiB page costs tens of microseconds on virtual machines. Throws Error when memory is exhausted.
  static void* allocate(std::size_t bytes) {
    constexpr std::size_t huge_page = std::size_t{2} << 20;
    const std::size_t alignment = bytes >= 2 * huge_page ? huge_page : 64;
    void* data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (data == nullptr) {
      throw Error(ErrorText{.what = "out of memory", .found = "a request of " + std::to_string(bytes) + " bytes"});
    }
#if defined(__linux__)
    if (alignment == huge_page) madvise(data, bytes, MADV_HUGEPAGE);  // a hint: its failure changes nothing
#endif
    return data;
  }
  /// Gives back what allocate() returned as `data`.
  static void release(void* data) noexcept { std::free(data); }
  /// Fills `bytes` bytes from `data` on with 0.
  static void zero(void* data, std::size_t bytes) {
    if (bytes > 0) std::memset(data, 0, bytes);
  }
  /// Copies `bytes` bytes `from` one place `to` another. Of no bytes both addresses may be null, unlike memcpy's.
  static void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  /// Copies `bytes` bytes `from` host memory `to` the device's.
  static void copy_from_host(void* to, const void* from, std::size_t bytes) { copy(to, from, bytes); }
  /// Copies `bytes` bytes `from` the device's memory `to` host memory.
  static void copy_to_host(void* to, const void* from, std::size_t bytes) { copy(to, from, bytes); }
  /// `bytes` bytes of host memory that the device reads fastest.
  static void* allocate_staging(std::size_t bytes) { return allocate(bytes); }
  /// Gives back what allocate_staging() returned as `data`.
  static void release_staging(void* data) noexcept { release(data); }
};

/// The same memory.
template <>
struct Memory<CpuBf16> : Memory<Cpu> {};

}  // namespace ssam::inline SSAM_ABI
