#pragma once

#include <ssam/ops/cuda/attention_tile.cuh>
#include <ssam/ops/cuda/mma.cuh>

namespace ssam::inline SSAM_ABI::ops::cuda_kernels {

/// A Tile multiplied on tensor cores: rows are staged, and scores are multiplied with rows, in bfloat16 or TF32;
/// everything else is fp32. A warp owns 16 rows and has their scores as mma leaves them: lane l those of rows l / 4 and
/// l / 4 + 8 with, of every 8 others, 2 (l % 4) and the next. They are weights of the next product as they are.
template <MatmulPrecision Precision, int Dim>
class AttentionTensorTile {
  static constexpr bool is_bf16 = Precision == MatmulPrecision::bf16;
  template <int Rows, int Others>
  using Memory = AttentionTileMemory<float, std::conditional_t<is_bf16, __nv_bfloat16, float>, Dim, Rows, Others, 8, 4>;

 public:
  using Layout = typename FirstThatFits<Memory<128, 64>, Memory<64, 64>, Memory<64, 32>, Memory<32, 32>>::Type;
  using Element = typename Layout::Element;
  static constexpr int dim = Dim, rows = Layout::rows, others = Layout::others;
  static constexpr int stride = Layout::stride, score_stride = Layout::score_stride, key_stride = Layout::key_stride;
  static constexpr int threads = rows / 16 * detail::warp_size;
  static constexpr int blocks = 1;  ///< a multiprocessor holds at least
  static constexpr int each = 2, each_other = others / 4;
  static constexpr int columns = Dim / 4;
  static constexpr int width = 2;  ///< neighbouring ones of these
  static constexpr int lanes = 4;
  static constexpr bool weights_in_shared = false;  ///< add_weighted() does not touch the room of the scores

  using Scores = float[each][each_other];
  using Sums = float[each][columns];

  __device__ static int lane() { return int(threadIdx.x) % lanes; }
  __device__ static int first_row() { return int(threadIdx.x) / detail::warp_size * 16; }
  __device__ static int row(int i) { return first_row() + group() + 8 * i; }
  __device__ static int other(int j) { return 8 * (j / 2) + 2 * lane() + j % 2; }
  __device__ static int column(int c) { return other(c); }

  __device__ __forceinline__ static void store(Element* to, const Vec<float>& values) {
    if constexpr (is_bf16) {
      *reinterpret_cast<detail::Pack<unsigned, 2>*>(to) = {detail::bf16_pair(values.at[0], values.at[1]),
                                                           detail::bf16_pair(values.at[2], values.at[3])};
    } else {
      *reinterpret_cast<detail::Pack<unsigned, 4>*>(to) = {
          detail::tf32_word(values.at[0]), detail::tf32_word(values.at[1]), detail::tf32_word(values.at[2]),
          detail::tf32_word(values.at[3])};
    }
  }
  __device__ static float exponential(float x) { return __expf(x); }

  /// scores = rows of a . others of b over the first `head_dim` columns, for the first `length` others; more are 0 or
  /// as good as any.
  __device__ __forceinline__ static void dot(const Element* a, const Element* b, int head_dim, int length,
                                             Scores& scores) {
    constexpr int step = 32 / int(sizeof(Element));  // columns that one mma adds up
    const int in_warp = int(threadIdx.x) % detail::warp_size;
    a += (first_row() + in_warp % 16) * stride + in_warp / 16 * (step / 2);
    b += (in_warp % 8 + in_warp / 16 * 8) * stride + in_warp / 8 % 2 * (step / 2);
    SSAM_UNROLL for (int j = 0; j < each_other; ++j) scores[0][j] = scores[1][j] = 0;
    SSAM_UNROLL for (int d = 0; d < Dim; d += step) {
      if (d >= head_dim) break;
      unsigned x[4];
      detail::load_matrices(a + d, x);
      SSAM_UNROLL for (int t = 0; t < others; t += 16) {
        if (t >= length) break;
        unsigned y[4];
        detail::load_matrices(b + t * stride + d, y);
        multiply(scores, t, x, y[0], y[1]);
        multiply(scores, t + 8, x, y[2], y[3]);
      }
    }
  }

  /// sums += weights . staged rows, of which there are `length`; the weights from there on are 0.
  __device__ __forceinline__ static void add_weighted(const Scores& weights, float* /*room*/, const Element* staged,
                                                      int head_dim, int length, Sums& sums) {
    if constexpr (is_bf16) {
      const int in_warp = int(threadIdx.x) % detail::warp_size;
      staged += in_warp % 16 * stride + in_warp / 16 * 8;
      SSAM_UNROLL for (int t = 0; t < others; t += 16) {
        if (t >= length) break;
        const int j = t / 4;
        const unsigned x[4] = {detail::bf16_pair(weights[0][j], weights[0][j + 1]),
                               detail::bf16_pair(weights[1][j], weights[1][j + 1]),
                               detail::bf16_pair(weights[0][j + 2], weights[0][j + 3]),
                               detail::bf16_pair(weights[1][j + 2], weights[1][j + 3])};
        SSAM_UNROLL for (int c = 0; c < Dim; c += 16) {
          if (c >= head_dim) break;
          unsigned y[4];
          detail::load_matrices_transposed(staged + t * stride + c, y);
          multiply(sums, c, x, y[0], y[1]);
          multiply(sums, c + 8, x, y[2], y[3]);
        }
      }
    } else {
      // mma adds up 8 rows in any order, if both operands have the same: 2 (l % 4) and the next as the lane has them.
      staged += 2 * lane() * stride + group();
      SSAM_UNROLL for (int t = 0; t < others; t += 8) {
        if (t >= length) break;
        const int j = t / 4;
        const unsigned x[4] = {detail::tf32_word(weights[0][j]), detail::tf32_word(weights[1][j]),
                               detail::tf32_word(weights[0][j + 1]), detail::tf32_word(weights[1][j + 1])};
        SSAM_UNROLL for (int c = 0; c < Dim; c += 8) {
          if (c >= head_dim) break;
          const float* y = staged + t * stride + c;
          multiply(sums, c, x, __float_as_uint(y[0]), __float_as_uint(y[stride]));
        }
      }
    }
  }

 private:
  __device__ static int group() { return int(threadIdx.x) % detail::warp_size / lanes; }

  /// Adds a product to the 8 columns of `sums` from `first` on.
  template <int N>
  __device__ __forceinline__ static void multiply(float (&sums)[2][N], int first, const unsigned (&x)[4], unsigned y0,
                                                  unsigned y1) {
    const int j = first / 4;
    detail::multiply_add<Precision>(sums[0][j], sums[0][j + 1], sums[1][j], sums[1][j + 1], x, y0, y1);
  }
};

}  // namespace ssam::inline SSAM_ABI::ops::cuda_kernels
