#pragma once

#include <array>
#include <concepts>
#include <ssam/core/naming_layers.hpp>
#include <ssam/sam/image_encoder.hpp>
#include <ssam/sam/mask_decoder.hpp>
#include <ssam/sam/prompt_encoder.hpp>

namespace ssam::inline SSAM_ABI {

/// What makes an embedding of an image, built from a SamConfig:
/// - forward(context, images [B, S, S, 3], record, keep) const -> embedding [B, S / patch_size, S / patch_size,
///   out_channels], in the workspace; without `keep` nothing else stays there;
/// - backward(context, record, dembedding, dimages): adds to the gradients of what is trained; `dimages` is empty where
///   nobody wants it. `record.embedding` is the embedding's shape.
/// - It can be built for the device Meta in a constant expression, to be counted.
template <class E, class Scalar, class Device>
concept ImageEncoder = Visitable<E> && std::constructible_from<E, const SamConfig&> &&
    requires(E& encoder, const E& same, Context<Device>& context, TensorView<Scalar, Device> out,
             TensorView<const Scalar, Device> in, typename E::Record& record) {
  { same.forward(context, in, record, true) } -> std::convertible_to<TensorView<Scalar, Device>>;
  encoder.backward(context, record, in, out);
  { record.embedding } -> std::convertible_to<Shape>;
};

/// Segment Anything with a recipe's adapters: image encoder, prompt encoder, mask decoder. Parameter names are the
/// checkpoint's own. Another image encoder is an `Encoder<Scalar, Device, Recipe>`.
template <class Scalar, class Device, class Recipe = recipes::ZeroShot,
          template <class, class, class> class Encoder = ImageEncoderViT>
class Sam {
  static_assert(detail::recipe_is_sound<Recipe, Scalar, Device>());
  static_assert(ImageEncoder<Encoder<Scalar, Device, Recipe>, Scalar, Device>,
                "ssam: what is to encode the images is no ImageEncoder: see ssam/sam/sam.hpp");

 public:
  using Scalar_ = Scalar;                               ///< of parameters and activations
  using Device_ = Device;                               ///< where they are
  using View = TensorView<Scalar, Device>;              ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;   ///< a tensor to read
  using Image = Encoder<Scalar, Device, Recipe>;        ///< of images
  using Decoder = MaskDecoder<Scalar, Device, Recipe>;  ///< of masks

  constexpr Sam() = default;  ///< empty, to be assigned
  /// All parameters 0. Throws ConfigError for a configuration (`built_for`) that cannot be built.
  constexpr explicit Sam(const SamConfig& built_for)
      : config((built_for.check(), built_for)), image_encoder(config), prompt_encoder(config), mask_decoder(config) {}

  /// Normalised images [B, S, S, 3] -> embedding [B, h, w, C]. Keeps nothing but the embedding in the workspace.
  View encode(Context<Device>& context, ConstView images) const {
    typename Image::Record record;
    return naming_layers(*this, [&] { return image_encoder.forward(context, images, record, false); });
  }

  /// Masks of `prompts` (and of text tokens [P, n, C], appended to the points and boxes; may be empty) on an embedding
  /// [E, h, w, C]. The result lives in the workspace.
  typename Decoder::Result decode(Context<Device>& context, ConstView embedding, const Prompts& prompts, ConstView text,
                                  MaskOutput output) const {
    return naming_layers(*this, [&] { return masks(context, embedding, prompts, text, output); });
  }

  /// content_hash of the checkpoint that was loaded: what adapters and runs know it by. "" before.
  std::string base_hash() const { return base_hash_.data(); }
  /// Said by what loads a checkpoint. `hash` has 32 digits.
  void set_base_hash(const std::string& hash) { hash.copy(base_hash_.data(), base_hash_.size() - 1); }

  /// SAM's names: image_encoder, prompt_encoder, mask_decoder.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.child("image_encoder", self.image_encoder);
    visitor.child("prompt_encoder", self.prompt_encoder);
    visitor.child("mask_decoder", self.mask_decoder);
  }

  SamConfig config;                                                              ///< what it was built for
  Image image_encoder;                                                           ///< of images
  PromptEncoder<Scalar, Device, typename Recipe::PromptEncoder> prompt_encoder;  ///< of points, boxes and masks
  Decoder mask_decoder;                                                          ///< of masks

 private:
  typename Decoder::Result masks(Context<Device>& context, ConstView embedding, const Prompts& prompts, ConstView text,
                                 MaskOutput output) const {
    const Index h = embedding.dim(1), w = embedding.dim(2), channels = embedding.dim(3);
    const ConstView positions = prompt_encoder.dense_positions(context, h, w);
    const ConstView dense = prompt_encoder.dense(context, prompts, h, w);
    ConstView sparse = prompt_encoder.sparse(context, prompts);
    if (!text.empty()) {
      const Index count = text.dim(0), points = sparse.dim(1), words = text.dim(1);
      const View joined = allocate<Scalar>(context, {count, points + words, channels});
      const Index row = (points + words) * channels;
      if (points > 0) {
        ops::require(sparse.dim(0) == count, "Sam::decode", "as many text prompts as prompts", text, sparse);
        ops::copy_matrix<Scalar>(context, sparse.matrix(count), {joined.data(), count, points * channels, row});
      }
      ops::copy_matrix<Scalar>(context, text.matrix(count),
                               {joined.data() + points * channels, count, words * channels, row});
      sparse = joined;
    }
    return mask_decoder.predict(context, embedding, positions, sparse, dense, output);
  }

  std::array<char, 33> base_hash_ = {};  // a model is built in constant expressions, too
};

}  // namespace ssam::inline SSAM_ABI
