#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <atomic>
#include <ssam/ops/views.hpp>

/// What the CPU kernels share. Work is cut by shape only and partial sums are added in order: the same bits for every
/// thread count.
namespace ssam::inline SSAM_ABI::ops::detail {

/// While it lives, libraries called from this thread see a pool of one thread: how they cut their work would depend on
/// the number of threads. What the thread's pool was before comes back at the end.
class SingleThread {
 public:
#if defined(_OPENMP)
  SingleThread() : threads_(omp_get_max_threads()) { omp_set_num_threads(1); }
  SingleThread(const SingleThread&) = delete;
  ~SingleThread() { omp_set_num_threads(threads_); }

 private:
  int threads_;
#endif
};

/// Elements one work item of an elementwise op handles.
inline constexpr Index element_grain = Index{1} << 14;

/// Rows one work item of a rowwise op handles.
inline Index row_grain(Index cols) { return std::max<Index>(1, element_grain / std::max<Index>(cols, 1)); }

/// Rows one work item of a sum over rows handles: at most 32 partial sums.
inline Index reduction_grain(Index rows) { return std::max<Index>(128, (rows + 31) / 32); }

/// `count` contiguous elements as an Eigen array; elementwise expressions may alias exactly.
template <class S>
auto array(S* data, Index count) {
  using Array = Eigen::Array<std::remove_const_t<S>, Eigen::Dynamic, 1>;
  return Eigen::Map<std::conditional_t<std::is_const_v<S>, const Array, Array>>(data, count);
}

/// f(begin, count) over [0, count) in pieces of `element_grain`.
template <class F>
void for_elements(Context<Cpu>& context, Index count, const F& f) {
  context.parallel_ranges(count, element_grain, [&](Index begin, Index end) { f(begin, end - begin); });
}

/// f(row) for every row of a rows x cols matrix.
template <class F>
void for_rows(Context<Cpu>& context, Index rows, Index cols, const F& f) {
  context.parallel_ranges(rows, row_grain(cols), [&](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) f(row);
  });
}

/// Sums over rows: f(begin, end, sums) adds rows [begin, end) to the zeroed sums[width]. The result
/// [pieces, width] lies on the workspace; add it up with add_partials.
template <class S, class F>
TensorView<S, Cpu> partial_sums(Context<Cpu>& context, Index rows, Index width, const F& f) {
  const Index grain = reduction_grain(rows);
  const auto partial = allocate<S>(context, {(rows + grain - 1) / grain, width});
  context.parallel_ranges(rows, grain, [&](Index begin, Index end) {
    S* sums = partial.data() + begin / grain * width;
    std::fill(sums, sums + width, S(0));
    f(begin, end, sums);
  });
  return partial;
}

/// out[c] += sum over pieces, in order, of partial[piece, first + c].
template <class S>
void add_partials(Context<Cpu>& context, TensorView<S, Cpu> partial, Index first, TensorView<S, Cpu> out) {
  const Index pieces = partial.dim(0), width = partial.dim(1);
  context.parallel_ranges(out.size(), 1024, [&](Index begin, Index end) {
    auto sums = array(out.data() + begin, end - begin);
    for (Index piece = 0; piece < pieces; ++piece) {
      sums += array(partial.data() + piece * width + first + begin, end - begin);
    }
  });
}

/// Scratch slots that parallel_slots needs for `count` work items.
inline Index slot_count(const Context<Cpu>& context, Index count) {
  return std::max<Index>(1, std::min<Index>(context.threads(), count));
}

/// f(item, slot) for every item in [0, count); two items that run at the same time have different slots below
/// slot_count(), so scratch is carved once per slot.
template <class F>
void parallel_slots(Context<Cpu>& context, Index count, const F& f) {
  std::atomic<Index> next{0};
  context.parallel_for(slot_count(context, count), [&](Index slot) {
    for (Index item = next++; item < count; item = next++) f(item, slot);
  });
}

}  // namespace ssam::inline SSAM_ABI::ops::detail
