#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <ssam/nn/linear.hpp>
#include <ssam/nn/norm.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Extents of a CLIP text encoder; the default is that of CLIP ViT-B/32.
struct ClipTextConfig {
  Index vocabulary = 49408;  ///< rows of token_embedding.weight
  Index context = 77;        ///< rows of positional_embedding: tokens of a prompt, at most
  Index width = 512;         ///< channels of a token
  Index heads = 8;           ///< of every attention
  Index layers = 12;         ///< residual blocks
  Index features = 512;      ///< values of a text feature: columns of text_projection
  bool quick_gelu = true;    ///< OpenAI's x * sigmoid(1.702 x) between the two layers of an MLP; else GELU

  /// Throws ConfigError for extents that no encoder has.
  constexpr void check() const {
    if (vocabulary < 1 || context < 1 || width < 1 || layers < 0 || features < 1) {
      throw ConfigError("the extents of a CLIP text encoder must be positive");
    }
    if (heads < 1 || width % heads != 0) {
      throw ConfigError("the heads of a CLIP text encoder must divide its width");
    }
  }
};

/// A residual block of CLIP's text transformer ("transformer.resblocks.N"): x + attention(norm(x)), then x +
/// MLP(norm(x)). A token sees itself and those before it.
template <class Scalar, class Device>
class ClipBlock {
 public:
  using View = TensorView<Scalar, Device>;           ///< a tensor to write
  using Plain = Linear<Scalar, Device>;              ///< frozen
  using Vector = Parameter<Scalar, Device, Frozen>;  ///< frozen

  constexpr ClipBlock() = default;  ///< empty, to be assigned
  /// All parameters 0.
  constexpr explicit ClipBlock(const ClipTextConfig& config)
      : ln_1(config.width, 1e-5),
        in_proj_weight(Shape{3 * config.width, config.width}),
        in_proj_bias(Shape{3 * config.width}),
        out_proj(Shape{config.width, config.width}),
        ln_2(config.width, 1e-5),
        c_fc(Shape{4 * config.width, config.width}),
        c_proj(Shape{config.width, 4 * config.width}),
        heads_(config.heads),
        quick_gelu_(config.quick_gelu) {}

  /// x [L, width], in place.
  void forward(Context<Device>& context, View x) const {
    WorkspaceScope<Device> scope(context);
    const View normed = allocate<Scalar>(context, x.shape()), added = allocate<Scalar>(context, x.shape());
    typename LayerNorm<Scalar, Device>::Record norm;
    typename Plain::Record unused;
    ln_1.forward(context, x, normed, norm);
    out_proj.forward(context, attend(context, normed).matrix(), added.matrix(), unused);
    ops::accumulate<Scalar>(context, added, x);

    ln_2.forward(context, x, normed, norm);
    const View hidden = allocate<Scalar>(context, {x.dim(0), 4 * x.dim(1)}),
               active = allocate<Scalar>(context, hidden.shape());
    c_fc.forward(context, normed.matrix(), hidden.matrix(), unused);
    activate(context, hidden, active);
    c_proj.forward(context, active.matrix(), added.matrix(), unused);
    ops::accumulate<Scalar>(context, added, x);
  }

  /// OpenAI's names.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.child("ln_1", self.ln_1);
    visitor.parameter("attn.in_proj_weight", self.in_proj_weight, Group::weights);
    visitor.parameter("attn.in_proj_bias", self.in_proj_bias, Group::biases);
    visitor.child("attn.out_proj", self.out_proj);
    visitor.child("ln_2", self.ln_2);
    visitor.child("mlp.c_fc", self.c_fc);
    visitor.child("mlp.c_proj", self.c_proj);
  }

  LayerNorm<Scalar, Device> ln_1;  ///< before the attention
  Vector in_proj_weight,           ///< queries, keys and values, [3 * width, width]
      in_proj_bias;                ///< [3 * width]
  Plain out_proj;                  ///< width -> width
  LayerNorm<Scalar, Device> ln_2;  ///< before the MLP
  Plain c_fc,                      ///< width -> 4 * width
      c_proj;                      ///< 4 * width -> width

 private:
  /// The heads' answers [L, width] to tokens [L, width]. Token i asks the first i + 1: prompts are short, and a mask
  /// would be an op of its own.
  View attend(Context<Device>& context, View x) const {
    const Index tokens = x.dim(0), width = x.dim(1);
    const View fused = allocate<Scalar>(context, {tokens, 3 * width}), out = allocate<Scalar>(context, x.shape());
    const View lse = allocate<Scalar>(context, {heads_});
    ops::linear<Scalar>(context, x.matrix(), in_proj_weight.value.view().matrix(3 * width), in_proj_bias.value,
                        fused.matrix());
    const auto rows = [&](Index first, Index count, Index part) {
      return MatrixView<Scalar, Device>(fused.data() + first * 3 * width + part * width, count, width, 3 * width);
    };
    for (Index i = 0; i < tokens; ++i) {
      const ops::AttentionGeometry geometry{
          .batch = 1, .heads = heads_, .head_dim = width / heads_, .queries = 1, .keys = i + 1};
      ops::attention_forward<Scalar>(context, geometry, rows(i, 1, 0), rows(0, i + 1, 1), rows(0, i + 1, 2), {}, {}, {},
                                     MatrixView<Scalar, Device>(out.data() + i * width, 1, width, width), lse);
    }
    return out;
  }

  void activate(Context<Device>& context, View x, View y) const {
    if (!quick_gelu_) return ops::gelu_forward<Scalar>(context, x, y);
    ops::copy<Scalar>(context, x, y);
    ops::scale<Scalar>(context, static_cast<Scalar>(1.702), y);
    ops::sigmoid_forward<Scalar>(context, y, y);
    const Index count = x.size();  // as one row: an elementwise product
    ops::multiply_row<Scalar>(context, {x.data(), 1, count, count}, TensorView<const Scalar, Device>(y.data(), {count}),
                              {y.data(), 1, count, count});
  }

  Index heads_ = 1;
  bool quick_gelu_ = true;
};

/// CLIP's text encoder (Radford et al. 2021), as OpenAI's CLIP.encode_text: token and position embeddings, the causal
/// transformer, ln_final, and the projection of the end token. For inference; parameter names are OpenAI's.
template <class Scalar, class Device>
class ClipTextEncoder {
 public:
  using View = TensorView<Scalar, Device>;          ///< a tensor to write
  using Block = ClipBlock<Scalar, Device>;          ///< of the transformer
  using Table = Parameter<Scalar, Device, Frozen>;  ///< an embedding, or the projection

  constexpr ClipTextEncoder() = default;  ///< empty, to be assigned
  /// All parameters 0. Throws ConfigError for a configuration (`built_for`) that cannot be built.
  constexpr explicit ClipTextEncoder(const ClipTextConfig& built_for)
      : config((built_for.check(), built_for)),
        token_embedding(Shape{config.vocabulary, config.width}),
        positional_embedding(Shape{config.context, config.width}),
        ln_final(config.width, 1e-5),
        text_projection(Shape{config.width, config.features}) {
    for (Index i = 0; i < config.layers; ++i) blocks.emplace_back(config);
  }

  /// The feature [1, features] of a prompt, not normalised; in the workspace. `ids` are as ClipTokenizer::tokenize
  /// gives them: what comes after the first largest id, the end token, is not looked at. Throws ConfigError for an id
  /// that is not in the vocabulary, ShapeError for a prompt that is empty or too long.
  View forward(Context<Device>& context, std::span<const std::int32_t> ids) const {
    const Index tokens = checked_length(ids), width = config.width;
    const View feature = allocate<Scalar>(context, {1, config.features});
    WorkspaceScope<Device> scope(context);
    const View x = allocate<Scalar>(context, {tokens, width});
    for (Index i = 0; i < tokens; ++i) {
      const Scalar* row = token_embedding.value.view().data() + ids[static_cast<std::size_t>(i)] * width;
      ops::copy<Scalar>(context, TensorView<const Scalar, Device>(row, {width}), View(x.data() + i * width, {width}));
    }
    ops::accumulate<Scalar>(
        context, TensorView<const Scalar, Device>(positional_embedding.value.view().data(), {tokens, width}), x);
    for (const Block& block : blocks) block.forward(context, x);
    const View last = allocate<Scalar>(context, {1, width});
    typename LayerNorm<Scalar, Device>::Record norm;
    ln_final.forward(context, View(x.data() + (tokens - 1) * width, {1, width}), last, norm);
    ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, last.matrix(),
                        text_projection.value.view().matrix(width), feature.matrix());
    return feature;
  }

  /// The same of the prompt `ids`, on the host as floats.
  std::vector<float> feature(Context<Device>& context, std::span<const std::int32_t> ids) const {
    WorkspaceScope<Device> scope(context);
    std::vector<Scalar> values(static_cast<std::size_t>(config.features));
    ops::download<Scalar>(context, forward(context, ids), values.data());
    return {values.begin(), values.end()};
  }

  /// OpenAI's names.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.parameter("token_embedding.weight", self.token_embedding, Group::weights);
    visitor.parameter("positional_embedding", self.positional_embedding, Group::positional);
    visitor.children("transformer.resblocks", self.blocks);
    visitor.child("ln_final", self.ln_final);
    visitor.parameter("text_projection", self.text_projection, Group::weights);
  }

  /// content_hash of the weights that were loaded, "" before.
  std::string base_hash() const { return base_hash_.data(); }
  /// Said by what loads weights. `hash` has 32 digits.
  void set_base_hash(const std::string& hash) { hash.copy(base_hash_.data(), base_hash_.size() - 1); }

  ClipTextConfig config;               ///< what it was built for
  Table token_embedding,               ///< [vocabulary, width]
      positional_embedding;            ///< [context, width]
  std::vector<Block> blocks;           ///< in their order
  LayerNorm<Scalar, Device> ln_final;  ///< behind them
  Table text_projection;               ///< [width, features]

 private:
  std::array<char, 33> base_hash_ = {};  // a model is built in constant expressions, too

  /// Tokens up to the end token.
  Index checked_length(std::span<const std::int32_t> ids) const {
    if (ids.empty()) {
      throw ShapeError(ErrorText{.what = "a prompt without tokens",
                                 .expected = "at least the end token",
                                 .advice = "take the ids of ClipTokenizer::tokenize"});
    }
    for (const std::int32_t id : ids) {
      if (id < 0 || id >= config.vocabulary) {
        throw ConfigError(ErrorText{.what = "a token is not in the vocabulary of this text encoder",
                                    .expected = "0 to " + std::to_string(config.vocabulary - 1),
                                    .found = std::to_string(id),
                                    .advice = "take the tokenizer that belongs to the encoder"});
      }
    }
    const Index tokens = std::max_element(ids.begin(), ids.end()) - ids.begin() + 1;
    if (tokens > config.context) {
      throw ShapeError(ErrorText{.what = "a prompt is too long for this text encoder",
                                 .expected = "at most " + std::to_string(config.context) + " tokens",
                                 .found = std::to_string(tokens)});
    }
    return tokens;
  }
};

}  // namespace ssam::inline SSAM_ABI
