#pragma once

#include <cmath>
#include <ssam/ops/cuda/attention_tile.cuh>

namespace ssam::inline SSAM_ABI::ops::cuda_kernels {

/// A Tile multiplied on CUDA cores, in the precision of S: 16 x 16 threads, of which (ty, tx) has the scores of rows
/// ty + 16 i with others tx + 16 j, so that 16-byte reads of the staged rows meet no bank conflict.
template <class S, int Dim>
class AttentionThreadTile {
  static constexpr int side = 16;
  template <int Rows, int Others>
  using Memory = AttentionTileMemory<S, S, Dim, Rows, Others, Vec<S>::size, Vec<S>::size>;

 public:
  using Layout = typename FirstThatFits<Memory<64, 64>, Memory<64, 32>, Memory<32, 32>, Memory<16, 16>>::Type;
  using Element = S;
  static constexpr int dim = Dim, rows = Layout::rows, others = Layout::others;
  static constexpr int stride = Layout::stride, score_stride = Layout::score_stride, key_stride = Layout::key_stride;
  static constexpr int threads = side * side;
  static constexpr int blocks = sizeof(S) == 4 && Dim <= 64 ? 2 : 1;  ///< a multiprocessor holds at least
  static constexpr int each = rows / side, each_other = others / side;
  static constexpr int columns = Dim / side;
  static constexpr int width = columns % Vec<S>::size == 0 ? Vec<S>::size : 1;  ///< neighbouring ones of these
  static constexpr int lanes = side;
  static constexpr bool weights_in_shared = true;  ///< add_weighted() needs the room of the scores

  using Scores = S[each][each_other];
  using Sums = S[each][columns];

  __device__ static int lane() { return int(threadIdx.x) % side; }
  __device__ static int row(int i) { return int(threadIdx.x) / side + side * i; }
  __device__ static int first_row() { return int(threadIdx.x) / detail::warp_size * (detail::warp_size / side); }
  __device__ static int other(int j) { return lane() + side * j; }
  __device__ static int column(int c) { return (lane() + side * (c / width)) * width + c % width; }

  __device__ static void store(S* to, const Vec<S>& values) { store_vec(to, values); }
  __device__ static S exponential(S x) { return exp(x); }

  /// scores = rows of a . others of b over the first `head_dim` columns. (All others: the last tiles are few.)
  __device__ __forceinline__ static void dot(const S* a, const S* b, int head_dim, int /*length*/, Scores& scores) {
    constexpr int step = side * stride;
    a += row(0) * stride;
    b += other(0) * stride;
    SSAM_UNROLL for (int i = 0; i < each; ++i) { SSAM_UNROLL for (int j = 0; j < each_other; ++j) scores[i][j] = S(0); }
    for (int d = 0; d < head_dim; d += Vec<S>::size) {
      Vec<S> x[each], y[each_other];
      SSAM_UNROLL for (int i = 0; i < each; ++i) x[i] = load_vec(a + i * step + d);
      SSAM_UNROLL for (int j = 0; j < each_other; ++j) y[j] = load_vec(b + j * step + d);
      SSAM_UNROLL for (int e = 0; e < Vec<S>::size; ++e) {
        SSAM_UNROLL for (int i = 0; i < each; ++i) {
          SSAM_UNROLL for (int j = 0; j < each_other; ++j) scores[i][j] += x[i].at[e] * y[j].at[e];
        }
      }
    }
  }

  /// sums += weights . staged rows, of which there are `length`; the weights from there on are 0. They go through
  /// `room`, where they stay.
  __device__ __forceinline__ static void add_weighted(const Scores& weights, S* room, const S* staged, int /*head_dim*/,
                                                      int length, Sums& sums) {
    stage_scores<AttentionThreadTile>(room, weights);
    room += row(0) * score_stride;
    for (int t = 0; t < length; t += Vec<S>::size) {
      Vec<S> weight[each];
      SSAM_UNROLL for (int i = 0; i < each; ++i) weight[i] = load_vec(room + i * side * score_stride + t);
      SSAM_UNROLL for (int e = 0; e < Vec<S>::size; ++e) {
        S values[columns];
        load_columns(staged + (t + e) * stride, values);
        SSAM_UNROLL for (int i = 0; i < each; ++i) {
          SSAM_UNROLL for (int c = 0; c < columns; ++c) sums[i][c] += weight[i].at[e] * values[c];
        }
      }
    }
  }

 private:
  __device__ __forceinline__ static void load_columns(const S* from, S (&values)[columns]) {
    if constexpr (width > 1) {
      SSAM_UNROLL for (int c = 0; c < columns; c += width) {
        const Vec<S> some = load_vec(from + column(c));
        SSAM_UNROLL for (int n = 0; n < width; ++n) values[c + n] = some.at[n];
      }
    } else {
      SSAM_UNROLL for (int c = 0; c < columns; ++c) values[c] = from[column(c)];
    }
  }
};

}  // namespace ssam::inline SSAM_ABI::ops::cuda_kernels
