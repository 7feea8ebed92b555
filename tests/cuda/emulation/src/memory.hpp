#pragma once

#include <cstddef>
#include <mutex>
#include <string>

/// Fenced device memory: see memory.cpp.
namespace ssam_emulation {

/// Prints "ssam_emulation: `text`", within a launch also where (kernel, block, thread), and aborts.
[[noreturn]] void fail(const std::string& text);
/// " in kernel ..., block (x, y, z), thread (x, y, z)" while a thread of a launch runs, else "".
std::string where_in_launch();

/// One lock for every call of the emulated runtime and libraries.
std::recursive_mutex& api_mutex();

/// Fenced memory of `bytes` > 0 filled with 0xFF; null where the memory limit does not allow it.
void* allocate_device(std::size_t bytes);
/// Aborts unless `data` is the beginning of a live allocation.
void free_device(void* data);
/// Whether `address` lies in the range that device memory comes from.
bool is_device(const void* address);
/// Aborts unless [data, data + bytes) lies in one live allocation. `what` names it in the message.
void require_device(const void* data, std::size_t bytes, const std::string& what);
/// Lines about what is still allocated.
std::string device_leaks();
std::size_t memory_limit();

/// While one lives, device memory may be read and written (allocation by allocation: named by open(), or when it is
/// first touched). When the last is gone, what was opened is closed and what lies around it is checked.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
  void open(const void* address);
};

/// The shared memory of one block after the other.
class SharedMemory {
 public:
  /// Makes exactly `bytes` accessible at data(), filled with 0xFF bytes.
  void prepare(std::size_t bytes);
  /// Aborts when something around them was written.
  void check() const;
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  bool near(const void* address) const;

 private:
  char* pages_ = nullptr;
  char* data_ = nullptr;
  std::size_t bytes_ = 0;
};
SharedMemory& shared_memory();

}  // namespace ssam_emulation
