#pragma once

#include <ssam/ops/cuda/map.cuh>

/// Sums over the rows of a matrix: rows are cut in chunks by their number only, the chunks' sums are added in order by
/// a second launch.
namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

inline constexpr int column_warps = 8;
inline constexpr unsigned column_threads = column_warps * detail::warp_size;

/// A block sums `grain` rows of 32 * Unit::size columns: every warp some rows, every lane its columns. `f.add<Unit>(r,
/// c, sums)` adds F::terms terms of each of the columns c ... to sums[term * Unit::size + column]. out [chunks, terms,
/// cols] is overwritten, or added to.
template <class S, class Unit, class F>
__global__ void __launch_bounds__(column_threads)
    column_sums_kernel(F f, Index rows, Index cols, Index grain, S* out, bool accumulate) {
  constexpr int values = F::terms * Unit::size;
  auto* shared = detail::dynamic_shared<S>();  // [values, warps, lanes]
  const Index width = detail::warp_size * Unit::size;
  const auto [chunk, strip] = detail::split(blockIdx.x, (cols + width - 1) / width);
  const int lane = static_cast<int>(threadIdx.x) % detail::warp_size;
  const int warp = static_cast<int>(threadIdx.x) / detail::warp_size;
  const Index c = strip * width + lane * Unit::size;
  S sums[values] = {};
  if (c < cols) {
    const Index end = (chunk + 1) * grain < rows ? (chunk + 1) * grain : rows;
    for (Index r = chunk * grain + warp; r < end; r += column_warps) f.template add<Unit>(r, c, sums);
  }
  for (int i = 0; i < values; ++i) shared[(i * column_warps + warp) * detail::warp_size + lane] = sums[i];
  __syncthreads();
  if (c >= cols) return;
  for (int i = warp; i < values; i += column_warps) {
    S total = 0;
    for (int w = 0; w < column_warps; ++w) total += shared[(i * column_warps + w) * detail::warp_size + lane];
    S* to = out + (chunk * F::terms + i / Unit::size) * cols + c + i % Unit::size;
    *to = accumulate ? *to + total : total;
  }
}

/// The terms of a plain sum.
template <class S>
struct RowTerms {
  static constexpr int terms = 1;
  const S* x;
  Index stride;

  template <class Unit>
  __device__ __forceinline__ void add(Index r, Index c, S* sums) const {
    const auto values = detail::load_unit<Unit>(x + r * stride + c);
    for (int i = 0; i < Unit::size; ++i) sums[i] += values.at[i];
  }
};

}  // namespace cuda_kernels

namespace detail {

/// Rows one chunk has: at most 128 chunks.
inline Index column_sums_grain(Index rows) { return std::max<Index>(64, (rows + 127) / 128); }

/// One launch of column_sums_kernel. `wide`: f's matrices can be read 16 bytes at a time.
template <class S, CudaDevice D, class F>
void launch_column_sums(Context<D>& context, const char* name, bool wide, const F& f, Index rows, Index cols,
                        Index grain, S* out, bool accumulate) {
  if (rows == 0 || cols == 0) return;
  with_unit<S>(wide, [&](auto unit) {
    using Unit = decltype(unit);
    const Index width = warp_size * Unit::size, strips = (cols + width - 1) / width;
    const Index chunks = (rows + grain - 1) / grain;
    const std::size_t shared = sizeof(S) * F::terms * Unit::size * cuda_kernels::column_threads;
    launch(context, name, cuda_kernels::column_sums_kernel<S, Unit, F>, block_count(chunks * strips, 1),
           cuda_kernels::column_threads, shared, f, rows, cols, grain, out, accumulate);
  });
}

/// Sums over chunks of rows, [chunks, F::terms, cols], on the workspace.
template <class S, CudaDevice D, class F>
TensorView<S, D> partial_column_sums(Context<D>& context, const char* name, bool wide, const F& f, Index rows,
                                     Index cols) {
  const Index grain = column_sums_grain(rows);
  const auto partial = allocate<S>(context, {(rows + grain - 1) / grain, F::terms, cols});
  launch_column_sums<S>(context, name, wide, f, rows, cols, grain, partial.data(), false);
  return partial;
}

/// row[c] += sum over chunks of partial[chunk, term, c]
template <class S, CudaDevice D>
void add_partial_sums(Context<D>& context, const char* name, TensorView<S, D> partial, Index term, S* row) {
  const Index chunks = partial.dim(0), cols = partial.dim(2), stride = partial.dim(1) * cols;
  const S* from = partial.data() + term * cols;
  launch_column_sums<S>(context, name, vectorizable(from, stride, cols), cuda_kernels::RowTerms<S>{from, stride},
                        chunks, cols, chunks, row, true);
}

/// row[c] += sum over rows of f's only term
template <class S, CudaDevice D, class F>
void add_column_sums(Context<D>& context, const char* name, bool wide, const F& f, Index rows, Index cols, S* row) {
  if (rows <= column_sums_grain(rows)) {
    launch_column_sums<S>(context, name, wide, f, rows, cols, std::max<Index>(rows, 1), row, true);
    return;
  }
  WorkspaceScope scope(context);
  add_partial_sums<S>(context, name, partial_column_sums<S>(context, name, wide, f, rows, cols), 0, row);
}

}  // namespace detail

}  // namespace ssam::inline SSAM_ABI::ops
