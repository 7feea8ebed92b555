#pragma once

#include <ssam/adapt/recipe_check.hpp>
#include <ssam/nn/attention.hpp>
#include <ssam/nn/convolution.hpp>
#include <ssam/nn/mlp.hpp>
#include <ssam/nn/norm.hpp>
#include <ssam/sam/config.hpp>

namespace ssam::inline SSAM_ABI {

/// One transformer block of SAM's ViT: x + attn(norm1(x)), then + mlp(norm2(.)).
template <class Scalar, class Device, class Recipe>
class EncoderBlock {
 public:
  using View = TensorView<Scalar, Device>;                      ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;           ///< a tensor to read
  using Norm = detail::BlockNormLayer<Recipe, Scalar, Device>;  ///< norm1 and norm2
  /// Windows, or the whole grid where the block is global.
  using Attention = WindowAttention<Scalar, Device, detail::QkvLinear<Recipe, Scalar, Device>,
                                    detail::ProjLinear<Recipe, Scalar, Device>, typename Recipe::RelativePositions>;
  using AttentionBranch = typename Recipe::template AttentionBranch<Scalar, Device>;      ///< behind the attention
  using ParallelMlpBranch = typename Recipe::template ParallelMlpBranch<Scalar, Device>;  ///< beside the MLP
  using SerialMlpBranch = typename Recipe::template SerialMlpBranch<Scalar, Device>;      ///< behind the MLP
  /// C -> 4 C -> C.
  using MlpBlock = Mlp<Scalar, Device, typename Recipe::template MlpLinear<Scalar, Device>, Activation::gelu>;
  /// What forward leaves for backward.
  struct Record {
    typename Norm::Record norm1;                         ///< of the first norm
    typename Norm::Record norm2;                         ///< of the second
    typename Attention::Record attn;                     ///< of the attention
    typename MlpBlock::Record mlp;                       ///< of the MLP
    typename AttentionBranch::Record attention_branch;   ///< of the branch behind the attention
    typename ParallelMlpBranch::Record parallel_branch;  ///< ... beside the MLP
    typename SerialMlpBranch::Record serial_branch;      ///< ... behind the MLP
  };

  constexpr EncoderBlock() = default;  ///< empty, to be assigned
  /// Block `index` (from 0) of a model, all parameters 0.
  constexpr EncoderBlock(const SamConfig& config, Index index)
      : norm1(config.embed_dim, config.block_norm_eps()),
        attn(config.embed_dim, config.heads, config.is_global(index) ? 0 : config.window,
             config.is_global(index) ? config.grid() : config.window, config.relative_positions()),
        norm2(config.embed_dim, config.block_norm_eps()),
        mlp(config.embed_dim, 4 * config.embed_dim),
        attention_branch(config.embed_dim),
        parallel_branch(config.embed_dim),
        serial_branch(config.embed_dim) {}

  /// x [B, H, W, C] -> y, same shape
  void forward(Context<Device>& context, ConstView x, View y, Record& record) const {
    const View normed = allocate<Scalar>(context, x.shape()), middle = allocate<Scalar>(context, x.shape());
    norm1.forward(context, x, normed, record.norm1);
    attn.forward(context, normed, middle, record.attn);
    add_serial(context, attention_branch, middle, record.attention_branch);
    ops::accumulate<Scalar>(context, x, middle);
    const View normed2 = allocate<Scalar>(context, x.shape());
    norm2.forward(context, middle, normed2, record.norm2);
    mlp.forward(context, normed2, y, record.mlp);
    add_serial(context, serial_branch, y, record.serial_branch);
    parallel_branch.forward(context, normed2.matrix(), y.matrix(), record.parallel_branch);
    ops::accumulate<Scalar>(context, middle, y);
  }

  /// dy, dx [B, H, W, C]. Adds to the trained gradients; overwrites dx.
  void backward(Context<Device>& context, const Record& record, ConstView dy, View dx) {
    WorkspaceScope<Device> scope(context);
    const View dnormed = allocate<Scalar>(context, dy.shape()), dmiddle = allocate<Scalar>(context, dy.shape());
    mlp.backward(context, record.mlp, through_serial(context, serial_branch, dy, record.serial_branch), dnormed);
    parallel_branch.backward(context, record.parallel_branch, dy.matrix(), dnormed.matrix());
    norm2.backward(context, record.norm2, dnormed, dmiddle);
    ops::accumulate<Scalar>(context, dy, dmiddle);
    attn.backward(context, record.attn, through_serial(context, attention_branch, dmiddle, record.attention_branch),
                  dnormed);
    norm1.backward(context, record.norm1, dnormed, dx);
    ops::accumulate<Scalar>(context, dmiddle, dx);
  }

  /// norm1, attn, norm2, mlp under SAM's names; branches as Space_Adapter, MLP_Adapter, MLP_Serial_Adapter.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.child("norm1", self.norm1);
    visitor.child("attn", self.attn);
    visitor.child("norm2", self.norm2);
    visitor.child("mlp", self.mlp);
    visitor.child("Space_Adapter", self.attention_branch);
    visitor.child("MLP_Adapter", self.parallel_branch);
    visitor.child("MLP_Serial_Adapter", self.serial_branch);
  }

  Norm norm1;                         ///< before the attention
  Attention attn;                     ///< of tokens
  Norm norm2;                         ///< before the MLP
  MlpBlock mlp;                       ///< of every token
  AttentionBranch attention_branch;   ///< Medical SAM Adapter's name for this site: Space_Adapter
  ParallelMlpBranch parallel_branch;  ///< ... MLP_Adapter
  SerialMlpBranch serial_branch;      ///< no published adapter has one here

 private:
  /// y += f(y). The branch keeps its input, so that is a copy.
  template <class Branch>
  static void add_serial(Context<Device>& context, const Branch& branch, View y, typename Branch::Record& record) {
    if constexpr (is_branch<Branch>) {
      const View input = allocate<Scalar>(context, y.shape());
      ops::copy<Scalar>(context, y, input);
      branch.forward(context, std::as_const(input).matrix(), y.matrix(), record);
    }
  }

  /// The gradient in front of a branch in series whose answer has the gradient dy.
  template <class Branch>
  static ConstView through_serial(Context<Device>& context, Branch& branch, ConstView dy,
                                  const typename Branch::Record& record) {
    if constexpr (is_branch<Branch>) {
      const View dx = allocate<Scalar>(context, dy.shape());
      ops::copy<Scalar>(context, dy, dx);
      branch.backward(context, record, dy.matrix(), dx.matrix());
      return dx;
    } else {
      return dy;
    }
  }
};

/// SAM's image encoder (ViT + neck), see ImageEncoder for others.
template <class Scalar, class Device, class Recipe>
class ImageEncoderViT {
 public:
  using View = TensorView<Scalar, Device>;             ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;  ///< a tensor to read
  using Block = EncoderBlock<Scalar, Device, Recipe>;  ///< transformer block
  /// The patch embedding's.
  using Patch = Convolution<Scalar, Device, typename Recipe::template PatchLinear<Scalar, Device>>;
  /// The neck's.
  using NeckConvolution = Convolution<Scalar, Device, typename Recipe::template NeckLinear<Scalar, Device>>;
  /// The neck's.
  using NeckNorm = LayerNorm<Scalar, Device, typename Recipe::NeckNormWeight, typename Recipe::NeckNormBias>;
  /// What a block is computed from once more.
  struct BlockInput {
    ConstView x;           ///< [B, H, W, C]
    Random::State random;  ///< of the context, so that dropout draws the same masks
  };
  /// What forward leaves for backward.
  struct Record {
    typename Patch::Record patch;                ///< of the patch embedding
    std::vector<typename Block::Record> blocks;  ///< of every block; of one alone where no block's activations are kept
    std::vector<BlockInput> inputs;              ///< of every block where blocks are recomputed, else empty
    typename NeckConvolution::Record neck0;      ///< of the neck's first convolution
    typename NeckConvolution::Record neck2;      ///< of its second
    typename NeckNorm::Record neck1;             ///< of the norm behind the first
    typename NeckNorm::Record neck3;             ///< of the norm behind the second
    Shape tokens;                                ///< [B, H, W, C] before the neck
    Shape embedding;                             ///< [B, H, W, C] behind the neck
    Shape images;                                ///< [B, S, S, 3]
  };

  constexpr ImageEncoderViT() = default;  ///< empty, to be assigned
  /// All parameters 0.
  constexpr explicit ImageEncoderViT(const SamConfig& config)
      : pos_embed(Shape{1, config.grid(), config.grid(), config.embed_dim}),
        patch_embed(3, config.embed_dim, config.patch_size, config.patch_size, 0),
        neck0(config.embed_dim, config.out_channels, 1, 1, 0),
        neck1(config.out_channels, 1e-6),
        neck2(config.out_channels, config.out_channels, 3, 1,
              config.variant == SamVariant::svdsam_release && Recipe::published_without_padding ? 0 : 1),
        neck3(config.out_channels, 1e-6) {
    for (Index i = 0; i < config.depth; ++i) blocks.emplace_back(config, i);
  }

  /// Normalised images [B, S, S, 3] -> embedding [B, S/patch, S/patch, out]. With `keep`, everything the backward pass
  /// needs stays in the workspace (behind `record`); without, only the embedding does.
  View forward(Context<Device>& context, ConstView images, Record& record, bool keep) const {
    record.images = images.shape();
    record.tokens = patch_embed.output_shape(images.shape());
    if (record.tokens[1] != pos_embed.value.dim(1) || record.tokens[2] != pos_embed.value.dim(2)) {
      throw ShapeError(ErrorText{.what = "the image size is not the one this model was built for",
                                 .expected = "a token grid of " + pos_embed.value.shape().str(),
                                 .found = record.tokens.str()});
    }
    Shape squeezed = record.tokens;
    squeezed = {squeezed[0], squeezed[1], squeezed[2], neck1.weight.value.dim(0)};
    record.embedding = neck2.output_shape(squeezed);
    const View embedding = allocate<Scalar>(context, record.embedding);
    if (keep) {
      run(context, images, squeezed, embedding, record, true);
    } else {
      WorkspaceScope<Device> scope(context);
      run(context, images, squeezed, embedding, record, false);
    }
    return embedding;
  }

  /// dembedding [B, h, w, out]. Adds to the trained gradients; `dimages` (overwritten) may be empty.
  void backward(Context<Device>& context, const Record& record, ConstView dembedding, View dimages) {
    WorkspaceScope<Device> scope(context);
    View dy = allocate<Scalar>(context, record.tokens), dx = allocate<Scalar>(context, record.tokens);
    {
      WorkspaceScope<Device> neck(context);
      const View a = allocate<Scalar>(context, record.embedding);
      const Shape squeezed{record.tokens[0], record.tokens[1], record.tokens[2], record.embedding[3]};
      const View b = allocate<Scalar>(context, squeezed), c = allocate<Scalar>(context, squeezed);
      neck3.backward(context, record.neck3, dembedding, a);
      neck2.backward(context, record.neck2, a, b);
      neck1.backward(context, record.neck1, b, c);
      neck0.backward(context, record.neck0, c, dy);
    }
    for (std::size_t i = blocks.size(); i-- > 0;) {
      if (record.inputs.empty()) {
        blocks[i].backward(context, record.blocks[i], dy, dx);
      } else {
        backward_again(context, blocks[i], record.inputs[i], dy, dx);
      }
      std::swap(dx, dy);
    }
    if constexpr (Recipe::PositionalEmbedding::trained) {
      ops::sum_rows<Scalar>(context, std::as_const(dy).matrix(record.tokens[0]), pos_embed.ensure_grad());
    }
    patch_embed.backward(context, record.patch, dy, dimages);
  }

  /// SAM's names: pos_embed, patch_embed.proj, blocks.0 ..., neck.0 ... neck.3.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.parameter("pos_embed", self.pos_embed, Group::positional);
    visitor.child("patch_embed.proj", self.patch_embed);
    visitor.children("blocks", self.blocks);
    visitor.child("neck.0", self.neck0);
    visitor.child("neck.1", self.neck1);
    visitor.child("neck.2", self.neck2);
    visitor.child("neck.3", self.neck3);
  }

  Parameter<Scalar, Device, typename Recipe::PositionalEmbedding> pos_embed;  ///< [1, grid, grid, C]
  Patch patch_embed;                                                          ///< 3 -> C, one patch a token
  std::vector<Block> blocks;                                                  ///< in their order
  NeckConvolution neck0;                                                      ///< C -> out, 1x1
  NeckNorm neck1;                                                             ///< of out channels
  NeckConvolution neck2;                                                      ///< out -> out, 3x3
  NeckNorm neck3;                                                             ///< of out channels
  /// How a block is trained: with all its activations kept, or with its input alone, from which the backward pass
  /// computes them once more, one block at a time. The gradients have the same bits; memory and time differ.
  bool recompute = false;

 private:
  /// The backward pass of a block after its forward pass, dropout masks as they were.
  static void backward_again(Context<Device>& context, Block& block, const BlockInput& kept, ConstView dy, View dx) {
    WorkspaceScope<Device> scope(context);
    typename Block::Record record;
    const Random::State now = context.random.state();
    context.random.set_state(kept.random);
    block.forward(context, kept.x, allocate<Scalar>(context, dy.shape()), record);
    context.random.set_state(now);
    block.backward(context, record, dy, dx);
  }

  void run(Context<Device>& context, ConstView images, const Shape& squeezed, View embedding, Record& record,
           bool keep) const {
    const bool keep_blocks = keep && !recompute;
    record.blocks.resize(keep_blocks ? blocks.size() : 1);
    record.inputs.resize(keep && recompute ? blocks.size() : 0);
    View x = allocate<Scalar>(context, record.tokens);
    patch_embed.forward(context, images, x, record.patch);
    ops::add_row<Scalar>(context, pos_embed.value, x.matrix(x.dim(0)));
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (keep_blocks) {
        const View y = allocate<Scalar>(context, record.tokens);
        blocks[i].forward(context, x, y, record.blocks[i]);
        x = y;
      } else if (keep) {
        const View y = allocate<Scalar>(context, record.tokens);
        record.inputs[i] = {x, context.random.state()};
        WorkspaceScope<Device> scope(context);
        blocks[i].forward(context, x, y, record.blocks[0]);
        x = y;
      } else {
        WorkspaceScope<Device> scope(context);
        const View y = allocate<Scalar>(context, record.tokens);
        blocks[i].forward(context, x, y, record.blocks[0]);
        ops::copy<Scalar>(context, y, x);
      }
    }
    const View a = allocate<Scalar>(context, squeezed), b = allocate<Scalar>(context, squeezed);
    const View c = allocate<Scalar>(context, record.embedding);
    neck0.forward(context, x, a, record.neck0);
    neck1.forward(context, a, b, record.neck1);
    neck2.forward(context, b, c, record.neck2);
    neck3.forward(context, c, embedding, record.neck3);
  }
};

}  // namespace ssam::inline SSAM_ABI
