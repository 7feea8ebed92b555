#pragma once

#include <algorithm>
#include <cstddef>
#include <ssam/core/memory.hpp>
#include <ssam/core/tensor.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// A stack of device memory for activations and scratch. Grows by whole blocks while it is warming up; when it is empty
/// again they are given back, and the next block holds the peak, so that a warm step allocates nothing.
template <class Device>
class Workspace {
 public:
  /// A height of the stack.
  struct Mark {
    std::size_t block = 0;   ///< number of the block
    std::size_t offset = 0;  ///< bytes used of it
    std::size_t used = 0;    ///< bytes in all blocks
  };

  Workspace() = default;  ///< of no blocks: the first allocation makes one
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  /// Gives all blocks back.
  ~Workspace() { release_blocks(); }

  /// An uninitialised tensor of `shape` on top of the stack. It lives until a mark below it is released.
  template <class Scalar>
  TensorView<Scalar, Device> allocate(const Shape& shape) {
    const std::size_t bytes = static_cast<std::size_t>(std::max<Index>(shape.elements(), 1)) * sizeof(Scalar);
    return {static_cast<Scalar*>(allocate_bytes(bytes)), shape};
  }

  /// The present height, for release().
  Mark mark() const { return top_; }

  /// Gives back everything allocated since `mark`.
  void release(const Mark& mark) noexcept {
    top_ = mark;
    if (top_.block == 0 && top_.offset == 0 && blocks_.size() > 1) release_blocks();
  }

  /// Bytes of all blocks.
  std::size_t capacity() const {
    std::size_t total = 0;
    for (const Block& block : blocks_) total += block.bytes;
    return total;
  }
  /// Most bytes in use at one time so far.
  std::size_t peak() const { return peak_; }
  /// Device allocations made so far.
  std::size_t allocations() const { return allocations_; }

 private:
  struct Block {
    void* data;
    std::size_t bytes;
  };
  static constexpr std::size_t alignment = 256;

  void* allocate_bytes(std::size_t bytes) {
    bytes = (bytes + alignment - 1) / alignment * alignment;
    while (top_.block < blocks_.size() && bytes > blocks_[top_.block].bytes - top_.offset) {
      top_ = {top_.block + 1, 0, top_.used};
    }
    if (top_.block == blocks_.size()) {
      add_block(std::max({bytes, capacity() / 2, blocks_.empty() ? peak_ : 0, std::size_t{1} << 20}));
    }
    void* data = static_cast<std::byte*>(blocks_[top_.block].data) + top_.offset;
    top_.offset += bytes;
    top_.used += bytes;
    peak_ = std::max(peak_, top_.used);
    return data;
  }

  void add_block(std::size_t bytes) {
    blocks_.reserve(blocks_.size() + 1);
    blocks_.push_back({Memory<Device>::allocate(bytes), bytes});
    ++allocations_;
  }

  void release_blocks() noexcept {
    for (const Block& block : blocks_) Memory<Device>::release(block.data);
    blocks_.clear();
  }

  std::vector<Block> blocks_;
  Mark top_;
  std::size_t peak_ = 0;
  std::size_t allocations_ = 0;
};

}  // namespace ssam::inline SSAM_ABI
