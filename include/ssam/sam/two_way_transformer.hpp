#pragma once

#include <ssam/adapt/recipe.hpp>
#include <ssam/nn/attention.hpp>
#include <ssam/nn/mlp.hpp>
#include <ssam/nn/norm.hpp>
#include <ssam/sam/config.hpp>

namespace ssam::inline SSAM_ABI {

/// Positional terms of the decoder: of the tokens [P, T, C] (they are the tokens themselves) and of the image, one row
/// [M * C] for every prompt. An empty view: no such term.
template <class Scalar, class Device>
struct DecoderPositions {
  TensorView<const Scalar, Device> tokens;  ///< [P, T, C]
  TensorView<const Scalar, Device> image;   ///< [M * C]
};

namespace detail {
/// a + positions, or a itself where there are none.
template <class Scalar, class Device>
TensorView<const Scalar, Device> with_tokens(Context<Device>& context, TensorView<const Scalar, Device> a,
                                             TensorView<const Scalar, Device> positions) {
  if (positions.empty()) return a;
  const TensorView<Scalar, Device> sum = allocate<Scalar>(context, a.shape());
  ops::add<Scalar>(context, a, positions, sum);
  return sum;
}
template <class Scalar, class Device>
TensorView<const Scalar, Device> with_image(Context<Device>& context, TensorView<const Scalar, Device> a,
                                            TensorView<const Scalar, Device> row) {
  if (row.empty()) return a;
  const TensorView<Scalar, Device> sum = allocate<Scalar>(context, a.shape());
  ops::copy<Scalar>(context, a, sum);
  ops::add_row<Scalar>(context, row, sum.matrix(a.dim(0)));
  return sum;
}
}  // namespace detail

/// One TwoWayAttentionBlock: tokens attend to themselves and to the image, the image attends to the tokens.
template <class Scalar, class Device, class Recipe>
class TwoWayBlock {
 public:
  using View = TensorView<Scalar, Device>;                                     ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;                          ///< a tensor to read
  using LinearLike = typename Recipe::template DecoderLinear<Scalar, Device>;  ///< of the attention and the MLP
  using Attention = CrossAttention<Scalar, Device, LinearLike>;  ///< to half the channels, but for the tokens' own
  using Norm = LayerNorm<Scalar, Device, typename Recipe::DecoderNorm>;  ///< behind every residual
  using MlpBlock = Mlp<Scalar, Device, LinearLike, Activation::relu>;    ///< of tokens
  using Positions = DecoderPositions<Scalar, Device>;                    ///< of tokens and image
  /// What forward leaves for backward.
  struct Record {
    typename Attention::Record self_attn;       ///< of the tokens' attention to themselves
    typename Attention::Record token_to_image;  ///< ... to the image
    typename Attention::Record image_to_token;  ///< of the image's to the tokens
    typename Norm::Record norm1;                ///< of norm1
    typename Norm::Record norm2;                ///< of norm2
    typename Norm::Record norm3;                ///< of norm3
    typename Norm::Record norm4;                ///< of norm4
    typename MlpBlock::Record mlp;              ///< of the MLP
    bool positions = false;                     ///< whether there were positional terms
  };

  constexpr TwoWayBlock() = default;  ///< empty, to be assigned
  /// All parameters 0. The first block's self-attention (`first`) has neither positions nor a residual.
  constexpr TwoWayBlock(const SamConfig& config, bool first)
      : self_attn(config.out_channels, config.out_channels, config.decoder_heads),
        norm1(config.out_channels, 1e-5),
        cross_attn_token_to_image(config.out_channels, config.out_channels / 2, config.decoder_heads),
        norm2(config.out_channels, 1e-5),
        mlp(config.out_channels, config.decoder_mlp),
        norm3(config.out_channels, 1e-5),
        norm4(config.out_channels, 1e-5),
        cross_attn_image_to_token(config.out_channels, config.out_channels / 2, config.decoder_heads),
        first_(first) {}

  /// queries [P, T, C] and keys [P, M, C], with the positional terms `at` -> new_queries, new_keys, the same shapes.
  /// The first block's self-attention has neither positions nor a residual.
  void forward(Context<Device>& context, ConstView queries, ConstView keys, const Positions& at, View new_queries,
               View new_keys, Record& record) const {
    record.positions = !at.tokens.empty();
    const View s1 = allocate<Scalar>(context, queries.shape()), q1 = allocate<Scalar>(context, queries.shape());
    const ConstView self = first_ ? queries : detail::with_tokens<Scalar, Device>(context, queries, at.tokens);
    self_attn.forward(context, self, self, queries, s1, record.self_attn);
    if (!first_) ops::accumulate<Scalar>(context, queries, s1);
    norm1.forward(context, s1, q1, record.norm1);

    const View s2 = allocate<Scalar>(context, queries.shape()), q2 = allocate<Scalar>(context, queries.shape());
    const ConstView placed_keys = detail::with_image<Scalar, Device>(context, keys, at.image);
    cross_attn_token_to_image.forward(context, detail::with_tokens<Scalar, Device>(context, q1, at.tokens), placed_keys,
                                      keys, s2, record.token_to_image);
    ops::accumulate<Scalar>(context, q1, s2);
    norm2.forward(context, s2, q2, record.norm2);

    const View s3 = allocate<Scalar>(context, queries.shape());
    mlp.forward(context, q2, s3, record.mlp);
    ops::accumulate<Scalar>(context, q2, s3);
    norm3.forward(context, s3, new_queries, record.norm3);

    const View s4 = allocate<Scalar>(context, keys.shape());
    cross_attn_image_to_token.forward(context, placed_keys,
                                      detail::with_tokens<Scalar, Device>(context, new_queries, at.tokens), new_queries,
                                      s4, record.image_to_token);
    ops::accumulate<Scalar>(context, keys, s4);
    norm4.forward(context, s4, new_keys, record.norm4);
  }

  /// dnew_queries [P, T, C] (used up) and dnew_keys [P, M, C]. Adds to the trained gradients and to dpositions [P, T,
  /// C]; overwrites dqueries and wanted_dkeys (empty: not wanted).
  void backward(Context<Device>& context, const Record& record, View dnew_queries, ConstView dnew_keys, View dqueries,
                View wanted_dkeys, View dpositions) {
    WorkspaceScope<Device> scope(context);
    const View dkeys = wanted_dkeys.empty() ? allocate<Scalar>(context, dnew_keys.shape()) : wanted_dkeys;
    const View a = allocate<Scalar>(context, dqueries.shape()), b = allocate<Scalar>(context, dqueries.shape());
    const View c = allocate<Scalar>(context, dqueries.shape()), d = allocate<Scalar>(context, dqueries.shape());
    const bool wants_keys = !wanted_dkeys.empty();
    const View k1 = wants_keys ? allocate<Scalar>(context, dkeys.shape()) : View{};
    const View k2 = wants_keys ? allocate<Scalar>(context, dkeys.shape()) : View{};

    norm4.backward(context, record.norm4, dnew_keys, dkeys);
    cross_attn_image_to_token.backward(context, record.image_to_token, dkeys, k1, a, b);
    if (wants_keys) ops::accumulate<Scalar>(context, k1, dkeys);
    ops::accumulate<Scalar>(context, a, dnew_queries);
    ops::accumulate<Scalar>(context, b, dnew_queries);
    if (record.positions) ops::accumulate<Scalar>(context, a, dpositions);

    norm3.backward(context, record.norm3, dnew_queries, a);
    mlp.backward(context, record.mlp, a, b);
    ops::accumulate<Scalar>(context, a, b);

    norm2.backward(context, record.norm2, b, a);
    cross_attn_token_to_image.backward(context, record.token_to_image, a, b, k1, k2);
    if (wants_keys) {
      ops::accumulate<Scalar>(context, k1, dkeys);
      ops::accumulate<Scalar>(context, k2, dkeys);
    }
    ops::accumulate<Scalar>(context, b, a);
    if (record.positions) ops::accumulate<Scalar>(context, b, dpositions);

    norm1.backward(context, record.norm1, a, d);
    self_attn.backward(context, record.self_attn, d, a, b, c);
    if (first_) {
      ops::copy<Scalar>(context, a, dqueries);
    } else {
      ops::add<Scalar>(context, a, d, dqueries);
      if (record.positions) {
        ops::accumulate<Scalar>(context, a, dpositions);
        ops::accumulate<Scalar>(context, b, dpositions);
      }
    }
    ops::accumulate<Scalar>(context, b, dqueries);
    ops::accumulate<Scalar>(context, c, dqueries);
  }

  /// SAM's names, those of the members.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.child("self_attn", self.self_attn);
    visitor.child("norm1", self.norm1);
    visitor.child("cross_attn_token_to_image", self.cross_attn_token_to_image);
    visitor.child("norm2", self.norm2);
    visitor.child("mlp", self.mlp);
    visitor.child("norm3", self.norm3);
    visitor.child("norm4", self.norm4);
    visitor.child("cross_attn_image_to_token", self.cross_attn_image_to_token);
  }

  Attention self_attn;                  ///< tokens to tokens
  Norm norm1;                           ///< behind self_attn
  Attention cross_attn_token_to_image;  ///< C -> C/2 -> C
  Norm norm2;                           ///< behind cross_attn_token_to_image
  MlpBlock mlp;                         ///< of tokens
  Norm norm3;                           ///< behind mlp
  Norm norm4;                           ///< behind cross_attn_image_to_token
  Attention cross_attn_image_to_token;  ///< C -> C/2 -> C

 private:
  bool first_ = false;
};

/// SAM's TwoWayTransformer of depth 2 with its last token-to-image attention.
template <class Scalar, class Device, class Recipe>
class TwoWayTransformer {
 public:
  using View = TensorView<Scalar, Device>;             ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;  ///< a tensor to read
  using Block = TwoWayBlock<Scalar, Device, Recipe>;   ///< one of the two
  using Positions = DecoderPositions<Scalar, Device>;  ///< of tokens and image
  /// What forward leaves for backward.
  struct Record {
    typename Block::Record layers[2];              ///< of the two blocks
    typename Block::Attention::Record final_attn;  ///< of the last attention
    typename Block::Norm::Record norm_final;       ///< of the last norm
    Shape queries;                                 ///< of the tokens [P, T, C]
    Shape keys;                                    ///< of the image [P, M, C]
  };

  constexpr TwoWayTransformer() = default;  ///< empty, to be assigned
  /// All parameters 0.
  constexpr explicit TwoWayTransformer(const SamConfig& config)
      : final_attn_token_to_image(config.out_channels, config.out_channels / 2, config.decoder_heads),
        norm_final_attn(config.out_channels, 1e-5),
        positions_(config.decoder_positions()) {
    layers.emplace_back(config, true);
    layers.emplace_back(config, false);
  }

  /// tokens [P, T, C], image [P, M, C], image_positions [M * C] -> new_tokens, new_image (overwritten).
  void forward(Context<Device>& context, ConstView tokens, ConstView image, ConstView image_positions, View new_tokens,
               View new_image, Record& record) const {
    record.queries = tokens.shape();
    record.keys = image.shape();
    const Positions at = positions_ ? Positions{tokens, image_positions} : Positions{};
    const View q1 = allocate<Scalar>(context, tokens.shape()), q2 = allocate<Scalar>(context, tokens.shape());
    const View k1 = allocate<Scalar>(context, image.shape());
    layers[0].forward(context, tokens, image, at, q1, k1, record.layers[0]);
    layers[1].forward(context, q1, k1, at, q2, new_image, record.layers[1]);
    const View sum = allocate<Scalar>(context, tokens.shape());
    final_attn_token_to_image.forward(context, detail::with_tokens<Scalar, Device>(context, q2, tokens),
                                      detail::with_image<Scalar, Device>(context, new_image, at.image), new_image, sum,
                                      record.final_attn);
    ops::accumulate<Scalar>(context, q2, sum);
    norm_final_attn.forward(context, sum, new_tokens, record.norm_final);
  }

  /// dnew_tokens [P, T, C] and dnew_image [P, M, C] (used up). Adds to the trained gradients; dtokens and dimage
  /// (empty: not wanted) are overwritten.
  void backward(Context<Device>& context, const Record& record, ConstView dnew_tokens, View dnew_image, View dtokens,
                View dimage) {
    WorkspaceScope<Device> scope(context);
    const View dpositions = allocate<Scalar>(context, record.queries), dq = allocate<Scalar>(context, record.queries);
    const View dk = allocate<Scalar>(context, record.keys);
    {
      WorkspaceScope<Device> inner(context);
      const View k1 = allocate<Scalar>(context, record.keys), k2 = allocate<Scalar>(context, record.keys);
      norm_final_attn.backward(context, record.norm_final, dnew_tokens, dq);
      final_attn_token_to_image.backward(context, record.final_attn, dq, dpositions, k1, k2);
      ops::accumulate<Scalar>(context, dpositions, dq);
      ops::accumulate<Scalar>(context, k1, dnew_image);
      ops::accumulate<Scalar>(context, k2, dnew_image);
    }
    layers[1].backward(context, record.layers[1], dq, dnew_image, dtokens, dk, dpositions);
    layers[0].backward(context, record.layers[0], dtokens, dk, dq, dimage, dpositions);
    ops::add<Scalar>(context, dq, dpositions, dtokens);
  }

  /// SAM's names, those of the members.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.children("layers", self.layers);
    visitor.child("final_attn_token_to_image", self.final_attn_token_to_image);
    visitor.child("norm_final_attn", self.norm_final_attn);
  }

  std::vector<Block> layers;                            ///< the two blocks
  typename Block::Attention final_attn_token_to_image;  ///< C -> C/2 -> C
  typename Block::Norm norm_final_attn;                 ///< behind it

 private:
  bool positions_ = true;
};

}  // namespace ssam::inline SSAM_ABI
