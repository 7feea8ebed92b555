#pragma once

#include <cmath>
#include <ssam/ops/cuda/attention_launch.cuh>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

/// What the kernels of the backward pass read besides. `delta` [tokens, heads]: the sum of dout * out.
template <class S>
struct AttentionGradientInputs {
  AttentionMatrix<const S> dout;
  const S* lse;
  const S* delta;
};

inline constexpr int delta_threads = 256;

/// delta[token, head] = sum of dout * out, one warp each.
template <class S>
__global__ void __launch_bounds__(delta_threads)
    attention_delta_kernel(AttentionMatrix<const S> dout, AttentionMatrix<const S> out, Index rows, Index heads,
                           Index head_dim, S* delta) {
  constexpr Index warps = delta_threads / detail::warp_size;
  const Index lane = threadIdx.x % detail::warp_size, step = Index(gridDim.x) * warps;
  for (Index i = Index(blockIdx.x) * warps + threadIdx.x / detail::warp_size; i < rows * heads; i += step) {
    const Index row = i / heads, column = (i - row * heads) * head_dim;
    S sum = 0;
    for (Index c = lane; c < head_dim; c += detail::warp_size)
      sum += *dout.at(row, column + c) * *out.at(row, column + c);
    sum = detail::warp_sum(sum);
    if (lane == 0) delta[i] = sum;
  }
}

/// Adds the score gradients of one tile (of the keys from `begin` on, the lanes' own row `gradients`) to the gradients
/// of the terms of the row's query. Called by all lanes of a row; `wanted`: the query exists.
template <class Tile, class S>
__device__ __forceinline__ void add_term_gradients(const S* gradients, int begin, int length, int table_w, bool wanted,
                                                   const QueryTerms<S>& dterms) {
  const int lane = Tile::lane(), first_h = begin / table_w, first_w = begin - first_h * table_w;
  const int last_h = (begin + length - 1) / table_w;
  for (int w = lane; w < table_w && w < length; w += Tile::lanes) {
    S sum = 0;
    for (int t = w; t < length; t += table_w) sum += gradients[t];
    const int column = first_w + w < table_w ? first_w + w : first_w + w - table_w;
    if (wanted) dterms.w[-column] += sum;
  }
  for (int h = first_h; h <= last_h; ++h) {
    const int from = h * table_w - begin, to = from + table_w < length ? from + table_w : length;
    S sum = 0;
    for (int t = (from > 0 ? from : 0) + lane; t < to; t += Tile::lanes) sum += gradients[t];
    sum = row_sum<Tile>(sum);
    if (wanted && lane == 0) dterms.h[-h] += sum;
  }
}

/// dq of one tile of queries of one item, but for the part through the relative positions, and the gradients of its
/// relative terms. `tiles`: of queries per item.
template <class Tile, class S>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
    attention_query_gradient_kernel(AttentionInputs<S> in, AttentionGradientInputs<S> above, int tiles,
                                    AttentionMatrix<S> dq, RelativeTerms<S> dterms) {
  using Element = typename Tile::Element;
  Element* q_tile = detail::dynamic_shared<Element>();
  Element* dout_tile = q_tile + Tile::rows * Tile::stride;
  Element* k_tile = dout_tile + Tile::rows * Tile::stride;
  Element* v_tile = k_tile + Tile::others * Tile::stride;
  S* scores_room = reinterpret_cast<S*>(v_tile + Tile::others * Tile::stride);
  auto* terms = reinterpret_cast<QueryTerms<const S>*>(scores_room + Tile::rows * Tile::score_stride);
  const bool relative = in.terms.data != nullptr;
  const AttentionItem item(in.g, int(blockIdx.x) / tiles);
  const int first = int(blockIdx.x) % tiles * Tile::rows, dim = int(in.g.head_dim);
  const int keys = int(in.g.keys_per_item()), queries = int(item.queries);
  const int count = queries - first < Tile::rows ? queries - first : Tile::rows;
  if (count <= 0) return;

  stage_queries<Tile, Tile::rows>(in.g, item, first, count, in.q, q_tile);
  stage_queries<Tile, Tile::rows>(in.g, item, first, count, above.dout, dout_tile);
  for (int r = int(threadIdx.x); relative && r < count; r += Tile::threads) {
    terms[r] = QueryTerms<const S>(in.terms, item, first + r, item.query_row(in.g, first + r));
  }
  QueryTerms<S> row_dterms[Tile::each];
  S lse[Tile::each], delta[Tile::each];
  typename Tile::Sums sums;
  SSAM_UNROLL for (int i = 0; i < Tile::each; ++i) {
    const int r = Tile::row(i), query = first + (r < count ? r : 0);
    const Index row = item.query_row(in.g, query);
    row_dterms[i] = QueryTerms<S>(dterms, item, query, row);
    lse[i] = above.lse[item.index * in.g.queries_per_item() + query];
    delta[i] = above.delta[row * in.g.heads + item.head];
    SSAM_UNROLL for (int c = 0; c < Tile::columns; ++c) sums[i][c] = S(0);
    if (!relative || r >= count) continue;
    S* all = dterms.data + row * dterms.stride + item.head * dterms.rows;
    for (int c = Tile::lane(); c < dterms.rows; c += Tile::lanes) all[c] = S(0);
  }

  for (int begin = 0; begin < keys; begin += Tile::others) {
    const int length = keys - begin < Tile::others ? keys - begin : Tile::others;
    __syncthreads();  // the last tile is no longer read
    stage_keys<Tile, Tile::others>(in, item, begin, length, k_tile, v_tile);
    if (relative) stage_terms<Tile>(in.terms, terms, count, begin, length, Tile::score_stride, scores_room);
    __syncthreads();
    if (Tile::first_row() >= count) continue;
    typename Tile::Scores scores, gradients;
    Tile::dot(q_tile, k_tile, dim, length, scores);
    Tile::dot(dout_tile, v_tile, dim, length, gradients);
    SSAM_UNROLL for (int i = 0; i < Tile::each; ++i) {
      const S* row_terms = scores_room + Tile::row(i) * Tile::score_stride;
      SSAM_UNROLL for (int j = 0; j < Tile::each_other; ++j) {
        const int key = Tile::other(j);
        const S term = relative ? row_terms[key] : S(0);
        const S probability = Tile::exponential(in.scale * scores[i][j] + term - lse[i]);
        gradients[i][j] = key < length ? probability * (gradients[i][j] - delta[i]) : S(0);
      }
    }
    Tile::add_weighted(gradients, scores_room, k_tile, dim, length, sums);
    if (!relative) continue;
    if constexpr (!Tile::weights_in_shared) stage_scores<Tile>(scores_room, gradients);
    SSAM_UNROLL for (int i = 0; i < Tile::each; ++i) {
      add_term_gradients<Tile>(scores_room + Tile::row(i) * Tile::score_stride, begin, length, dterms.table_w,
                               Tile::row(i) < count, row_dterms[i]);
    }
  }

  SSAM_UNROLL for (int i = 0; i < Tile::each; ++i) {
    const int r = Tile::row(i);
    if (r >= count) continue;
    store_columns<Tile>(dq.at(item.query_row(in.g, first + r), item.column), sums[i], in.scale, dim, dq.vectorized);
  }
}

/// Gradients of the padded tokens of a tile of keys, summed in order to pad[head_dim]; `room`: shared memory that
/// nobody reads any more, for a tile of S.
template <class Tile, class S>
__device__ __forceinline__ void sum_padded(const AttentionGeometry& g, const AttentionItem& item, int first, int count,
                                           const typename Tile::Sums& sums, S factor, S* room, S* pad) {
  const int dim = int(g.head_dim);
  __syncthreads();
  SSAM_UNROLL for (int i = 0; i < Tile::each; ++i) {
    store_columns<Tile>(room + Tile::row(i) * Tile::dim, sums[i], factor, dim, false);
  }
  __syncthreads();
  for (int c = int(threadIdx.x); c < dim; c += Tile::threads) {
    S sum = 0;
    for (int r = 0; r < count; ++r) {
      if (item.key_row(g, first + r) < 0) sum += room[r * Tile::dim + c];
    }
    pad[c] = sum;
  }
}

/// dk and dv of one tile of keys of one item, from all its queries; those of padded tokens are summed to
/// pad_k, pad_v [batch entry and window, tile, heads * head_dim] (may be null). `tiles`: of keys per item.
template <class Tile, class S>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
    attention_key_gradient_kernel(AttentionInputs<S> in, AttentionGradientInputs<S> above, int tiles,
                                  AttentionMatrix<S> dk, AttentionMatrix<S> dv, S* pad_k, S* pad_v) {
  using Element = typename Tile::Element;
  Element* k_tile = detail::dynamic_shared<Element>();
  Element* v_tile = k_tile + Tile::rows * Tile::stride;
  Element* q_tile = v_tile + Tile::rows * Tile::stride;
  Element* dout_tile = q_tile + Tile::others * Tile::stride;
  S* scores_room = reinterpret_cast<S*>(dout_tile + Tile::others * Tile::stride);
  auto* terms = reinterpret_cast<QueryTerms<const S>*>(scores_room + Tile::Layout::key_scores / sizeof(S));
  S* lse = reinterpret_cast<S*>(terms + Tile::others);
  S* delta = lse + Tile::others;
  const bool relative = in.terms.data != nullptr;
  const AttentionItem item(in.g, int(blockIdx.x) / tiles);
  const int tile = int(blockIdx.x) % tiles, first = tile * Tile::rows, dim = int(in.g.head_dim);
  const int keys = int(in.g.keys_per_item()), queries = int(item.queries);
  const int count = keys - first < Tile::rows ? keys - first : Tile::rows;
  const bool active = Tile::first_row() < count;

  stage_keys<Tile, Tile::rows>(in, item, first, count, k_tile, v_tile);
  typename Tile::Sums k_sums, v_sums;
  SSAM_UNROLL for (int i = 0; i < Tile::each; ++i) {
    SSAM_UNROLL for (int c = 0; c < Tile::columns; ++c) k_sums[i][c] = v_sums[i][c] = S(0);
  }

  for (int begin = 0; begin < queries; begin += Tile::others) {
    const int length = queries - begin < Tile::others ? queries - begin : Tile::others;
    __syncthreads();  // the last tile is no longer read
    stage_queries<Tile, Tile::others>(in.g, item, begin, length, in.q, q_tile);
    stage_queries<Tile, Tile::others>(in.g, item, begin, length, above.dout, dout_tile);
    for (int t = int(threadIdx.x); t < Tile::others; t += Tile::threads) {
      const int query = begin + (t < length ? t : 0);
      const Index row = item.query_row(in.g, query);
      terms[t] = QueryTerms<const S>(in.terms, item, query, row);
      lse[t] = above.lse[item.index * in.g.queries_per_item() + query];
      delta[t] = above.delta[row * in.g.heads + item.head];
    }
    __syncthreads();
    if (relative) {
      stage_terms<Tile>(in.terms, terms, length, first, count, Tile::key_stride, scores_room);
      __syncthreads();
    }
    typename Tile::Scores scores, gradients;
    if (active) {
      Tile::dot(k_tile, q_tile, dim, length, scores);
      Tile::dot(v_tile, dout_tile, dim, length, gradients);
      SSAM_UNROLL for (int j = 0; j < Tile::each_other; ++j) {
        const int t = Tile::other(j);
        SSAM_UNROLL for (int i = 0; i < Tile::each; ++i) {
          const S term = relative ? scores_room[t * Tile::key_stride + Tile::row(i)] : S(0);
          const S probability = Tile::exponential(in.scale * scores[i][j] + term - lse[t]);
          scores[i][j] = t < length ? probability : S(0);
          gradients[i][j] = scores[i][j] * (gradients[i][j] - delta[t]);
        }
      }
    }
    if (Tile::weights_in_shared && relative) __syncthreads();  // the terms are no longer read
    if (!active) continue;
    Tile::add_weighted(scores, scores_room, dout_tile, dim, length, v_sums);
    Tile::add_weighted(gradients, scores_room, q_tile, dim, length, k_sums);
  }

  SSAM_UNROLL for (int i = 0; i < Tile::each; ++i) {
    const int r = Tile::row(i);
    const Index row = r < count ? item.key_row(in.g, first + r) : -1;
    if (row < 0) continue;
    store_columns<Tile>(dk.at(row, item.column), k_sums[i], in.scale, dim, dk.vectorized);
    store_columns<Tile>(dv.at(row, item.column), v_sums[i], S(1), dim, dv.vectorized);
  }
  if (pad_k == nullptr) return;
  S* room = detail::dynamic_shared<S>();
  const Index pad = (item.index / in.g.heads * tiles + tile) * in.g.heads * dim + item.column;
  sum_padded<Tile>(in.g, item, first, count, k_sums, in.scale, room, pad_k + pad);
  sum_padded<Tile>(in.g, item, first, count, v_sums, S(1), room, pad_v + pad);
}

}  // namespace cuda_kernels

/// Backward of attention_forward; `out` and `lse` are its results, the scores are computed again from them. dq, dk, dv
/// are overwritten; dpad_row (only its k and v parts receive something), drel_h and drel_w are added to and may be
/// empty. Two kernels compute the scores, one for dk and dv and one for dq, so that every sum has one owner and a fixed
/// order. The workspace holds the relative terms and their gradients and, for dpad_row, a partial sum per window and
/// tile of keys. Throws ShapeError, also where head_dim > 128.
template <class S, CudaDevice D>
void attention_backward(Context<D>& context, const AttentionGeometry& g, InMatrix<S, D> q, InMatrix<S, D> k,
                        InMatrix<S, D> v, In<S, D> pad_row, In<S, D> rel_h, In<S, D> rel_w, InMatrix<S, D> out,
                        In<S, D> lse, InMatrix<S, D> dout, MatrixView<S, D> dq, MatrixView<S, D> dk,
                        MatrixView<S, D> dv, MaybeOut<S, D> dpad_row, MaybeOut<S, D> drel_h, MaybeOut<S, D> drel_w) {
  using cuda_kernels::AttentionMatrix, cuda_kernels::delta_threads;
  constexpr const char* op = "attention_backward";
  detail::require_attention<S, D>(g, q, k, v, pad_row, rel_h, rel_w, op);
  detail::require_attention_results<S, D>(g, q, out, lse, op);
  detail::require_attention_gradients<S, D>(q, k, rel_h, rel_w, dout, dq, dk, dv, dpad_row, drel_h, drel_w, op);
  const Index dim = g.head_dim, cols = q.cols;
  WorkspaceScope scope(context);

  const auto delta = allocate<S>(context, {q.rows, g.heads});
  detail::launch(context, op, cuda_kernels::attention_delta_kernel<S>,
                 detail::block_count(delta.size(), delta_threads / detail::warp_size), delta_threads, 0,
                 AttentionMatrix<const S>(dout, dim), AttentionMatrix<const S>(out, dim), q.rows, g.heads, dim,
                 delta.data());
  TensorView<S, D> tables;
  MatrixView<S, D> dterms_room;
  cuda_kernels::RelativeTerms<const S> terms;
  cuda_kernels::RelativeTerms<S> dterms;
  if (!rel_h.empty()) {
    tables = detail::stack_tables<S>(context, g, rel_h, rel_w);
    const auto room = detail::allocate_terms<S>(context, g);
    detail::compute_terms<S>(context, g, q, tables, room);
    dterms_room = detail::allocate_terms<S>(context, g);
    terms = detail::relative_terms<const S, D>(g, room);
    dterms = detail::relative_terms<S, D>(g, dterms_room);
  }

  const cuda_kernels::AttentionInputs<S> inputs(g, q, k, v, pad_row, terms);
  const cuda_kernels::AttentionGradientInputs<S> above{AttentionMatrix<const S>(dout, dim), lse.data(), delta.data()};
  detail::with_attention_tile<S, D>(dim, op, [&]<class Tile>(std::type_identity<Tile>) {
    const Index query_tiles = (g.queries_per_item() + Tile::rows - 1) / Tile::rows;
    const Index key_tiles = (g.keys_per_item() + Tile::rows - 1) / Tile::rows;
    TensorView<S, D> pad_k, pad_v;
    if (g.window > 0 && !dpad_row.empty()) {
      const Shape partial{g.items() / g.heads * key_tiles, cols};
      pad_k = allocate<S>(context, partial);
      pad_v = allocate<S>(context, partial);
    }
    detail::launch(context, op, cuda_kernels::attention_query_gradient_kernel<Tile, S>,
                   detail::attention_blocks(g, query_tiles, op), Tile::threads, Tile::Layout::query_gradient_bytes,
                   inputs, above, query_tiles, AttentionMatrix<S>(dq, dim), dterms);
    detail::launch(context, op, cuda_kernels::attention_key_gradient_kernel<Tile, S>,
                   detail::attention_blocks(g, key_tiles, op), Tile::threads, Tile::Layout::key_gradient_bytes, inputs,
                   above, key_tiles, AttentionMatrix<S>(dk, dim), AttentionMatrix<S>(dv, dim), pad_k.data(),
                   pad_v.data());
    if (pad_k.empty()) return;
    sum_rows<S>(context, pad_k.matrix(), TensorView<S, D>(dpad_row.data() + cols, {cols}));
    sum_rows<S>(context, pad_v.matrix(), TensorView<S, D>(dpad_row.data() + 2 * cols, {cols}));
  });
  if (!rel_h.empty()) detail::terms_backward<S>(context, g, q, tables, dterms_room, dq, drel_h, drel_w);
}

}  // namespace ssam::inline SSAM_ABI::ops
