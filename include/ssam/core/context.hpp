#pragma once

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <ssam/core/decimal.hpp>
#include <ssam/core/error.hpp>
#include <ssam/core/random.hpp>
#include <ssam/core/workspace.hpp>

namespace ssam::inline SSAM_ABI {

/// Most threads a context may have. Tens of thousands end some OpenMP libraries without a word.
inline constexpr int max_threads = 4096;

/// What a running model needs besides its weights: a workspace, the mode (training or not), randomness for dropout, and
/// per device its threads or streams.
template <class Device>
class Context;

namespace detail {
/// `SSAM_THREADS`, else every core OpenMP offers. Throws ConfigError for a value that is no number of threads.
inline int default_threads() {
  if (const char* text = std::getenv("SSAM_THREADS")) {
    const auto threads = parse_whole<int>(text);
    if (threads && *threads >= 1 && *threads <= max_threads) return *threads;
    throw ConfigError(ErrorText{.what = "the environment variable SSAM_THREADS is no number of threads",
                                .expected = "a whole number in 1.." + std::to_string(max_threads),
                                .found = "'" + std::string(text) + "'",
                                .advice = "correct it, or unset it: every core is used then"});
  }
#if defined(_OPENMP)
  return std::clamp(omp_get_max_threads(), 1, max_threads);
#else
  return 1;
#endif
}

inline int checked_threads(int threads) {
  if (threads <= max_threads) return threads;
  throw ConfigError(ErrorText{.what = "too many threads",
                              .expected = "at most " + std::to_string(max_threads),
                              .found = std::to_string(threads)});
}
}  // namespace detail

/// The part of a context that every device has: a pool of host threads, the mode and the randomness. The number of
/// threads is the context's own: OpenMP's settings, which the rest of the program sees, stay as they are.
class HostContext {
 public:
  /// Host threads that parallel_for uses, the caller's own among them.
  int threads() const { return threads_; }

  /// Calls f(0) ... f(count - 1), each exactly once, on the pool. The calls must not depend on each other; what they
  /// compute must not depend on which thread runs them. An exception is carried to the caller (one of them).
  template <class F>
  void parallel_for(Index count, const F& f) {
#if defined(_OPENMP)
    if (threads_ > 1 && count > 1 && !omp_in_parallel()) {
      std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads_)
      for (Index i = 0; i < count; ++i) {
        try {
          f(i);
        } catch (...) {
#pragma omp critical(ssam_parallel_for)
          failure = std::current_exception();
        }
      }
      if (failure) std::rethrow_exception(failure);
      return;
    }
#endif
    for (Index i = 0; i < count; ++i) f(i);
  }

  /// parallel_for over [0, count) in pieces of `grain`: f(begin, end). The pieces do not depend on the thread count.
  template <class F>
  void parallel_ranges(Index count, Index grain, const F& f) {
    const Index pieces = (count + grain - 1) / grain;
    parallel_for(pieces, [&](Index i) { f(i * grain, std::min(count, (i + 1) * grain)); });
  }

  /// Batch norm uses batch statistics and dropout is on.
  bool training = false;
  /// Whether batch norm in training uses the statistics of the batch. A batch of equal samples has none: their variance
  /// is 0, and rounding errors would be all that is normalised.
  bool batch_statistics = true;
  /// Replays of recorded runs switch dropout off in training.
  bool dropout = true;
  /// Source of dropout masks.
  Random random;

 protected:
  /// `threads` <= 0: the default (`SSAM_THREADS`, else all cores); `seed` is that of `random`. Throws ConfigError for
  /// more than max_threads and when `SSAM_THREADS` is no number of threads.
  explicit HostContext(int threads, std::uint64_t seed)
      : random(seed), threads_(threads > 0 ? detail::checked_threads(threads) : detail::default_threads()) {}

 private:
  int threads_;
};

/// A context whose ops run on the host.
template <>
class Context<Cpu> : public HostContext {
 public:
  /// `threads` <= 0: the default (`SSAM_THREADS`, else all cores); `seed`: of `random`. Throws ConfigError as
  /// HostContext.
  explicit Context(int threads = 0, std::uint64_t seed = 0) : HostContext(threads, seed) {}

  /// Calls f(context, i) for i in [0, count) with a single-threaded context of its own for each: large tasks that do
  /// not share a workspace (one factorisation each).
  template <class F>
  void parallel_tasks(Index count, const F& f) {
    parallel_for(count, [&](Index i) {
      Context<Cpu> own(1);
      f(own, i);
    });
  }

  /// Waits until everything asked of the device is done: on the host it always is.
  void synchronize() const {}

  Workspace<Cpu> workspace;  ///< activations and scratch
};

/// An uninitialised tensor of `shape` from the context's workspace; it lives until an enclosing WorkspaceScope ends.
template <class Scalar, class Device>
TensorView<Scalar, Device> allocate(Context<Device>& context, const Shape& shape) {
  return context.workspace.template allocate<Scalar>(shape);
}

/// Sets context.training for a scope; what else it is set to inside (batch_statistics) is undone as well.
template <class Device>
class TrainingMode {
 public:
  /// Sets context.training to `training`.
  TrainingMode(Context<Device>& context, bool training)
      : context_(context),
        training_(std::exchange(context.training, training)),
        batch_statistics_(context.batch_statistics) {}
  TrainingMode(const TrainingMode&) = delete;
  /// Sets it back.
  ~TrainingMode() {
    context_.training = training_;
    context_.batch_statistics = batch_statistics_;
  }

 private:
  Context<Device>& context_;
  bool training_, batch_statistics_;
};

/// Releases everything allocated from the context's workspace since its construction.
template <class Device>
class WorkspaceScope {
 public:
  /// Remembers how full the workspace is.
  explicit WorkspaceScope(Context<Device>& context) : workspace_(context.workspace), mark_(workspace_.mark()) {}
  WorkspaceScope(const WorkspaceScope&) = delete;
  WorkspaceScope& operator=(const WorkspaceScope&) = delete;
  /// Releases what was allocated since.
  ~WorkspaceScope() { workspace_.release(mark_); }

 private:
  using Stack = decltype(Context<Device>::workspace);

  Stack& workspace_;
  typename Stack::Mark mark_;
};

}  // namespace ssam::inline SSAM_ABI
