#pragma once

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <ssam/core/version.hpp>
#include <utility>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// Files to be removed when a signal ends the process; a null entry is free.
inline std::array<std::atomic<const char*>, 64> doomed_files{};

/// How many SignalHolds live, and the signal that waits for their end.
inline std::atomic<int> signal_holds{0}, waiting_signal{0};

/// Does only what a signal handler may.
inline void remove_doomed_files(int signal) {
  if (signal_holds.load() > 0) {
    waiting_signal.store(signal);
    if (signal_holds.load() > 0 || waiting_signal.exchange(0) == 0) return;
  }
  for (const auto& entry : doomed_files) {
    if (const char* path = entry.load(); path != nullptr) ::unlink(path);
  }
  ::raise(signal);  // its default action is back in place
}

/// A signal waits while one of these lives: a file is made, or moved to its place, and not yet or no more on the list.
class SignalHold {
 public:
  SignalHold() { ++signal_holds; }
  SignalHold(const SignalHold&) = delete;
  ~SignalHold() {
    if (--signal_holds > 0) return;
    if (const int signal = waiting_signal.exchange(0); signal != 0) remove_doomed_files(signal);
  }
};

/// Enters a file into the list for as long as this lives. `path` must outlive it. With the list full, the file is left
/// behind when a signal ends the process, as it is without remove_temporaries_on_signals().
class DoomedFile {
 public:
  DoomedFile() = default;
  explicit DoomedFile(const char* path) {
    for (auto& entry : doomed_files) {
      const char* expected = nullptr;
      if (!entry.compare_exchange_strong(expected, path)) continue;
      entry_ = &entry;
      return;
    }
  }
  DoomedFile(DoomedFile&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
  DoomedFile& operator=(DoomedFile&& other) noexcept {
    std::swap(entry_, other.entry_);
    return *this;
  }
  ~DoomedFile() { spare(); }
  /// Takes the file off the list.
  void spare() {
    if (entry_ != nullptr) std::exchange(entry_, nullptr)->store(nullptr);
  }

 private:
  std::atomic<const char*>* entry_ = nullptr;
};

}  // namespace detail

/// For programs: no temporary file of ours outlives a signal that ends the process (SIGHUP, SIGINT, SIGQUIT, SIGTERM,
/// SIGPIPE, SIGXCPU; those that are ignored stay ignored). The process still ends by the signal. SIGXFSZ is ignored: a
/// file that becomes too large is then an error of the write. To be called once, before threads start.
inline void remove_temporaries_on_signals() {
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGXCPU}) {
    struct sigaction action = {};
    if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = detail::remove_doomed_files;
    ::sigemptyset(&action.sa_mask);
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
    ::sigaction(signal, &action, nullptr);
  }
  std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace ssam::inline SSAM_ABI
