#pragma once

#include <ssam/sam/image_encoder.hpp>
#include <ssam/sam/mask_decoder.hpp>
#include <ssam/sam/prompt_encoder.hpp>
#include <ssam/text/text_affine.hpp>

namespace ssam::inline SSAM_ABI {

/// Segment Anything with a recipe's adapters: image encoder, prompt encoder, mask decoder. Parameter names are the
/// checkpoint's own.
template <class Scalar, class Device, class Recipe = recipes::ZeroShot>
class Sam {
 public:
  using View = TensorView<Scalar, Device>;
  using ConstView = TensorView<const Scalar, Device>;
  using Decoder = MaskDecoder<Scalar, Device, Recipe>;

  constexpr Sam() = default;
  /// Throws ConfigError for a configuration that cannot be built.
  constexpr explicit Sam(const SamConfig& built_for)
      : config((built_for.check(), built_for)), image_encoder(config), prompt_encoder(config), mask_decoder(config) {}

  /// Normalised images [B, S, S, 3] -> embedding [B, h, w, C]. Keeps nothing but the embedding in the workspace.
  View encode(Context<Device>& context, ConstView images) const {
    typename ImageEncoder<Scalar, Device, Recipe>::Record record;
    return image_encoder.forward(context, images, record, false);
  }

  /// Masks of `prompts` (and of text tokens [P, n, C], appended to the points and boxes; may be empty) on an embedding
  /// [E, h, w, C]. The result lives in the workspace.
  typename Decoder::Result decode(Context<Device>& context, ConstView embedding, const Prompts& prompts, ConstView text,
                                  MaskOutput output) const {
    const Index h = embedding.dim(1), w = embedding.dim(2), channels = embedding.dim(3);
    const Tensor<Scalar, Device> positions = prompt_encoder.dense_positions(h, w);
    const ConstView dense = prompt_encoder.dense(context, prompts, h, w);
    ConstView sparse = prompt_encoder.sparse(context, prompts);
    if (!text.empty()) {
      const Index count = text.dim(0), points = sparse.dim(1), words = text.dim(1);
      const View joined = allocate<Scalar>(context, {count, points + words, channels});
      const Index row = (points + words) * channels;
      if (points > 0) {
        ops::require(sparse.dim(0) == count, "Sam::decode", "as many text prompts as prompts");
        ops::copy_matrix<Scalar>(context, sparse.matrix(count), {joined.data(), count, points * channels, row});
      }
      ops::copy_matrix<Scalar>(context, text.matrix(count),
                               {joined.data() + points * channels, count, words * channels, row});
      sparse = joined;
    }
    return mask_decoder.predict(context, embedding, positions, sparse, dense, output);
  }

  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.child("image_encoder", self.image_encoder);
    visitor.child("prompt_encoder", self.prompt_encoder);
    visitor.child("mask_decoder", self.mask_decoder);
  }

  SamConfig config;
  ImageEncoder<Scalar, Device, Recipe> image_encoder;
  PromptEncoder<Scalar, Device> prompt_encoder;
  Decoder mask_decoder;
};

/// S-SAM's model: Sam and the text affine layer that turns a label's text feature into a prompt token.
template <class Scalar, class Device, class Recipe>
class SsamModel {
 public:
  using View = TensorView<Scalar, Device>;
  using ConstView = TensorView<const Scalar, Device>;
  using Text = TextAffine<Scalar, Device, typename Recipe::TextAffine>;
  struct Record {
    typename ImageEncoder<Scalar, Device, Recipe>::Record encoder;
    typename MaskDecoder<Scalar, Device, Recipe>::Record decoder;
    typename Text::Record text;
    ConstView probability;  // [P, S, S]
    Shape low_res, token;
  };

  constexpr SsamModel() = default;
  constexpr explicit SsamModel(const SamConfig& config)
      : sam(config), text_affine(config.text_dim, config.out_channels) {}

  /// Text features [P, text_dim] -> prompt tokens [P, 1, C], with TAL's running statistics.
  View embed_text(Context<Device>& context, ConstView text) {
    const View token = allocate<Scalar>(context, {text.dim(0), sam.config.out_channels});
    typename Text::Record record;
    const TrainingMode<Device> mode(context, false);
    text_affine.forward(context, text, token, record);
    return token.reshape({text.dim(0), 1, sam.config.out_channels});
  }

  /// The training forward pass: normalised images [B, S, S, 3], one text feature each [B, text_dim] -> probability of
  /// the label per pixel [B, S, S]: single-mask logits, bilinear to the image size, sigmoid. Everything that `backward`
  /// needs stays in the workspace, so the caller holds a WorkspaceScope around the step.
  View forward(Context<Device>& context, ConstView images, ConstView text, Record& record) {
    const Index prompts = text.dim(0), size = images.dim(1);
    const View token = allocate<Scalar>(context, {prompts, sam.config.out_channels});
    text_affine.forward(context, text, token, record.text);
    const View embedding = sam.image_encoder.forward(context, images, record.encoder, trains_encoder);
    const Index h = embedding.dim(1), w = embedding.dim(2), channels = embedding.dim(3);
    if (positions_.size() != h * w * channels) positions_ = sam.prompt_encoder.dense_positions(h, w);
    const ConstView no_mask = sam.prompt_encoder.no_mask.value.view().reshape({channels});
    const View low_res = sam.mask_decoder.forward(context, embedding, positions_, token.reshape({prompts, 1, channels}),
                                                  no_mask, record.decoder);
    const View probability = allocate<Scalar>(context, {prompts, size, size});
    ops::resize_bilinear_forward<Scalar>(context, low_res.reshape({prompts, 4 * h, 4 * w, 1}),
                                         probability.reshape({prompts, size, size, 1}));
    ops::sigmoid_forward<Scalar>(context, probability, probability);
    record.probability = probability;
    record.low_res = low_res.shape();
    record.token = token.shape();
    return probability;
  }

  /// Adds the gradients of a loss with dLoss/dprobability [P, S, S] to everything the recipe trains.
  void backward(Context<Device>& context, const Record& record, ConstView dprobability) {
    WorkspaceScope<Device> scope(context);
    const Shape& full = record.probability.shape();
    const View dlogits = allocate<Scalar>(context, full), dlow_res = allocate<Scalar>(context, record.low_res);
    const View dembedding = allocate<Scalar>(context, record.encoder.embedding);
    const View dtoken = allocate<Scalar>(context, record.token);
    ops::sigmoid_backward<Scalar>(context, record.probability, dprobability, dlogits);
    ops::resize_bilinear_backward<Scalar>(context, dlogits.reshape({full[0], full[1], full[2], 1}),
                                          dlow_res.reshape({full[0], record.low_res[1], record.low_res[2], 1}));
    sam.mask_decoder.backward(context, record.decoder, dlow_res, dembedding,
                              dtoken.reshape({record.token[0], 1, record.token[1]}));
    if constexpr (Recipe::TextAffine::trained) text_affine.backward(context, record.text, dtoken);
    if constexpr (trains_encoder) sam.image_encoder.backward(context, record.encoder, dembedding, {});
  }

  /// To be called when the prompt encoder's weights were replaced: what was derived from them is made anew.
  void forget_positions() { positions_ = {}; }

  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.inlined(self.sam);
    visitor.child("text_affine", self.text_affine);
  }

  Sam<Scalar, Device, Recipe> sam;
  Text text_affine;

 private:
  /// Whether any parameter of the encoder is trained; where none is, it keeps no activations and runs no backward pass.
  static constexpr bool trains_encoder = [] {
    SamConfig small;
    small.image_size = small.patch_size = 16;
    small.embed_dim = small.out_channels = small.decoder_mlp = small.iou_hidden = 16;
    small.depth = small.heads = small.decoder_heads = 1;
    ImageEncoder<Scalar, Meta, Recipe> encoder(small);
    bool trained = false;
    walk(encoder, [&trained](const Path&, auto& parameter, Group, Layout) {
      trained = trained || std::remove_cvref_t<decltype(parameter)>::trained;
    });
    return trained;
  }();

  Tensor<Scalar, Device> positions_;
};

}  // namespace ssam::inline SSAM_ABI
