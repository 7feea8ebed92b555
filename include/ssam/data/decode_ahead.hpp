#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <ssam/core/shape.hpp>
#include <thread>
#include <utility>

namespace ssam::inline SSAM_ABI::detail {

/// Makes values on a thread of its own before they are asked for: those that are expected, in that order, and no more.
/// All members may be called from many threads.
template <class Value>
class MadeAhead {
 public:
  /// `make(key)` makes a value; it is called from the thread.
  explicit MadeAhead(std::function<Value(Index)> make) : make_(std::move(make)) {}
  MadeAhead(const MadeAhead&) = delete;
  MadeAhead& operator=(const MadeAhead&) = delete;
  ~MadeAhead() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  /// Begins to make the values of `keys`; what else was made or expected is forgotten.
  void expect(std::span<const Index> keys) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::map<Index, std::shared_ptr<Slot>> expected;
    queue_.clear();
    for (const Index key : keys) {
      if (expected.contains(key)) continue;
      const auto known = slots_.find(key);
      const auto slot = known != slots_.end() ? known->second : std::make_shared<Slot>();
      if (slot->state == State::waiting) queue_.push_back(key);
      expected.emplace(key, slot);
    }
    slots_ = std::move(expected);
    if (queue_.empty()) return;
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
    changed_.notify_all();
  }

  /// The value of `key`, if it was expected and is made or being made, for which this waits. Nothing where the thread
  /// has not come to it: whoever asks makes it himself. Throws what its making threw.
  std::optional<Value> take(Index key) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto found = slots_.find(key);
    if (found == slots_.end() || found->second->state == State::waiting) {
      if (found != slots_.end()) slots_.erase(found);  // the thread need not make it a second time
      return std::nullopt;
    }
    const std::shared_ptr<Slot> slot = found->second;
    changed_.wait(lock, [&] { return slot->state == State::made; });
    if (slot->failure) std::rethrow_exception(slot->failure);
    return slot->value;
  }

 private:
  enum class State { waiting, making, made };
  struct Slot {
    State state = State::waiting;
    std::optional<Value> value;
    std::exception_ptr failure;
  };

  void work() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      const Index key = queue_.front();
      queue_.pop_front();
      const auto found = slots_.find(key);
      if (found == slots_.end() || found->second->state != State::waiting) continue;
      const std::shared_ptr<Slot> slot = found->second;
      slot->state = State::making;
      lock.unlock();
      std::optional<Value> value;
      std::exception_ptr failure;
      try {
        value = make_(key);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      slot->value = std::move(value);
      slot->failure = failure;
      slot->state = State::made;
      changed_.notify_all();
    }
  }

  std::function<Value(Index)> make_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Index, std::shared_ptr<Slot>> slots_;
  std::deque<Index> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ssam::inline SSAM_ABI::detail
