#pragma once

#include <ssam/core/memory.hpp>
#include <ssam/core/shape.hpp>

namespace ssam::inline SSAM_ABI {

/// An array in host memory from which a device copies fastest (page-locked for a GPU). Its elements are not
/// initialised.
template <class T, class Device>
class HostBuffer {
 public:
  explicit HostBuffer(Index size) {
    if (size > 0) data_ = static_cast<T*>(Memory<Device>::allocate_staging(static_cast<std::size_t>(size) * sizeof(T)));
  }
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;
  ~HostBuffer() {
    if (data_ != nullptr) Memory<Device>::release_staging(data_);
  }

  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

}  // namespace ssam::inline SSAM_ABI
