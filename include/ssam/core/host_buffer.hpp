#pragma once

#include <ssam/core/memory.hpp>
#include <ssam/core/shape.hpp>

namespace ssam::inline SSAM_ABI {

/// An array in host memory from which a device copies fastest (page-locked for a GPU). Its elements are not
/// initialised.
template <class T, class Device>
class HostBuffer {
 public:
  /// Of `size` elements (0: none). Throws Error or DeviceError when memory is exhausted.
  explicit HostBuffer(Index size) {
    if (size > 0) data_ = static_cast<T*>(Memory<Device>::allocate_staging(static_cast<std::size_t>(size) * sizeof(T)));
  }
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;
  /// Gives the memory back.
  ~HostBuffer() {
    if (data_ != nullptr) Memory<Device>::release_staging(data_);
  }

  /// The first element; null when there is none.
  T* data() { return data_; }
  /// The same to read.
  const T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

}  // namespace ssam::inline SSAM_ABI
