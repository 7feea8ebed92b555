#pragma once

#include <array>
#include <ssam/ops/cuda/kernel.cuh>
#include <ssam/ops/shape_checks.hpp>
#include <type_traits>

/// Elementwise kernels, and what kernels that move or scale memory share.
namespace ssam::inline SSAM_ABI::ops {

namespace detail {

/// One element where 16 bytes at a time are not possible; kernels take this or Vec as their unit of access.
template <class S>
struct Single {
  static constexpr int size = 1;
  S at[1];
};

template <class Unit, class S>
__device__ __forceinline__ Unit load_unit(const S* from) {
  return *reinterpret_cast<const Unit*>(from);
}
template <class Unit, class S>
__device__ __forceinline__ void store_unit(S* to, const Unit& values) {
  *reinterpret_cast<Unit*>(to) = values;
}

/// f(Vec<S>{}) or, where 16-byte accesses are not possible, f(Single<S>{}): picks the instance of a kernel.
template <class S, class F>
void with_unit(bool wide, const F& f) {
  if (wide) {
    f(Vec<S>{});
  } else {
    f(Single<S>{});
  }
}

struct Split {
  Index quotient, remainder;
};
/// i / by with its remainder, both not negative. A 32-bit division takes a fraction of a 64-bit one's time.
__device__ __forceinline__ Split split(Index i, Index by) {
  if ((i | by) >> 32 == 0) {
    const auto quotient = static_cast<unsigned>(i) / static_cast<unsigned>(by);
    return {quotient, static_cast<unsigned>(i) - quotient * static_cast<unsigned>(by)};
  }
  return {i / by, i % by};
}

/// Number of this thread in the whole grid.
__device__ __forceinline__ Index global_thread() { return static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; }

}  // namespace detail

namespace cuda_kernels {

inline constexpr unsigned map_threads = 256;

/// Matrices that are read: base and row stride of each.
template <class S, int N>
struct Sources {
  const S* data[N > 0 ? N : 1] = {};
  Index stride[N > 0 ? N : 1] = {};
};

/// out[r, c] = f({source 0, source 1, ... at (r, c)}, c), one or 16 bytes of elements per thread. The first `vectors`
/// accesses of every row are wide.
template <class S, int N, class F>
__global__ void __launch_bounds__(map_threads)
    map_kernel(Sources<S, N> from, F f, S* out, Index out_stride, Index rows, Index cols, Index vectors) {
  using Vector = detail::Vec<S>;
  const Index per_row = vectors + cols - vectors * Vector::size;
  const Index item = detail::global_thread();
  if (item >= rows * per_row) return;
  const auto [row, place] = detail::split(item, per_row);
  S x[N > 0 ? N : 1] = {};
  if (place < vectors) {
    const Index c = place * Vector::size;
    Vector values[N > 0 ? N : 1] = {};
    for (int n = 0; n < N; ++n) values[n] = detail::load_vec(from.data[n] + row * from.stride[n] + c);
    Vector result;
    for (int i = 0; i < Vector::size; ++i) {
      for (int n = 0; n < N; ++n) x[n] = values[n].at[i];
      result.at[i] = f(x, c + i);
    }
    detail::store_vec(out + row * out_stride + c, result);
  } else {
    const Index c = vectors * Vector::size + place - vectors;
    for (int n = 0; n < N; ++n) x[n] = from.data[n][row * from.stride[n] + c];
    out[row * out_stride + c] = f(x, c);
  }
}

}  // namespace cuda_kernels

namespace detail {

/// A tensor as a matrix of one row.
template <class S, class D>
MatrixView<S, D> flat(TensorView<S, D> x) {
  return {x.data(), 1, x.size(), x.size()};
}
/// A row that belongs to every row of a matrix.
template <class S, class D>
MatrixView<S, D> repeated(TensorView<S, D> row, Index rows) {
  return {row.data(), rows, row.size(), 0};
}

/// out[r, c] = f(elements of `from` at (r, c), c); `out` may be one of them.
template <class S, CudaDevice D, std::size_t N, class F>
void map(Context<D>& context, const char* name, const F& f, const std::array<MatrixView<const S, D>, N>& from,
         std::type_identity_t<MatrixView<S, D>> out) {
  if (out.rows == 0 || out.cols == 0) return;
  bool joined = out.stride == out.cols;
  for (const auto& source : from) joined = joined && source.stride == out.cols;
  if (joined) out = {out.data, 1, out.rows * out.cols, 0};
  constexpr int count = static_cast<int>(N);
  cuda_kernels::Sources<S, count> sources;
  const auto step = [&](Index stride) { return out.rows == 1 ? 0 : stride; };
  bool wide = vectorizable(out.data, step(out.stride), 0);
  for (int n = 0; n < count; ++n) {
    const auto& source = from[static_cast<std::size_t>(n)];
    sources.data[n] = source.data;
    sources.stride[n] = step(source.stride);
    wide = wide && vectorizable(source.data, sources.stride[n], 0);
  }
  const Index vectors = wide ? out.cols / Vec<S>::size : 0;
  const Index items = out.rows * (vectors + out.cols - vectors * Vec<S>::size);
  launch(context, name, cuda_kernels::map_kernel<S, count, F>, block_count(items, cuda_kernels::map_threads),
         cuda_kernels::map_threads, 0, sources, f, out.data, out.stride, out.rows, out.cols, vectors);
}

}  // namespace detail

}  // namespace ssam::inline SSAM_ABI::ops
