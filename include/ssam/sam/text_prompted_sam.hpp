#pragma once

#include <ssam/adapt/segmentation_model.hpp>
#include <ssam/sam/config.hpp>
#include <ssam/sam/sam.hpp>
#include <ssam/text/text_affine.hpp>

namespace ssam::inline SSAM_ABI {

/// S-SAM's model: Sam and the text affine layer that turns a label's text feature into a prompt token.
template <class Scalar, class Device, class Recipe, template <class, class, class> class Encoder = ImageEncoderViT>
class TextPromptedSam {
  static_assert(detail::recipe_is_sound<Recipe, Scalar, Device>());

 public:
  using Scalar_ = Scalar;                                                ///< of parameters and activations
  using Device_ = Device;                                                ///< where they are
  using View = TensorView<Scalar, Device>;                               ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;                    ///< a tensor to read
  using Text = TextAffine<Scalar, Device, typename Recipe::TextAffine>;  ///< of labels
  /// What forward leaves for backward.
  struct Record {
    typename Encoder<Scalar, Device, Recipe>::Record encoder;      ///< of the image encoder
    typename MaskDecoder<Scalar, Device, Recipe>::Record decoder;  ///< of the mask decoder
    typename Text::Record text;                                    ///< of the text affine layer
    ConstView probability;                                         ///< the answer [P, S, S]
    Shape low_res;                                                 ///< [P, 4h, 4w]
    Shape token;                                                   ///< [P, C]
  };

  constexpr TextPromptedSam() = default;  ///< empty, to be assigned
  /// All parameters 0. Throws ConfigError for a configuration that cannot be built.
  constexpr explicit TextPromptedSam(const SamConfig& config)
      : sam(config), text_affine(config.text_dim, config.out_channels) {
    if constexpr (!std::is_same_v<Device, Meta>) {
      static_assert(
          trains_anything || requires { Recipe::zero_shot; },
          "ssam: this recipe trains nothing; override something of FrozenRecipe, or use recipes::ZeroShot");
    }
  }

  static constexpr bool normalizes_prompts = Recipe::TextAffine::trained;  ///< TAL's batch norm, where it is trained
  std::string name() const { return to_string(sam.config.variant); }       ///< "sam" or "svdsam_release"
  std::string recipe() const { return Recipe::name; }                      ///< Recipe::name
  std::string rule() const { return to_string(Recipe::rule); }             ///< "paper" or "release"
  const SamConfig& configuration() const { return sam.config; }            ///< what it was built for
  /// What the recipe trains, whatever the model was prepared or merged into.
  ParameterCount count() const { return parameter_count_of(TextPromptedSam<float, Meta, Recipe, Encoder>(sam.config)); }
  Index image_size() const { return sam.config.image_size; }                 ///< side of the input in pixels
  const Preparation& preparation() const { return sam.config.preparation; }  ///< of pictures and masks
  Index text_dim() const { return sam.config.text_dim; }                     ///< values of a text feature
  std::string base_hash() const { return sam.base_hash(); }                  ///< see Sam::base_hash
  /// Said by what loads a checkpoint. `hash` has 32 digits.
  void set_base_hash(const std::string& hash) { sam.set_base_hash(hash); }

  /// Text features `text` [P, text_dim] -> prompt tokens [P, 1, C], with TAL's running statistics.
  View embed_text(Context<Device>& context, ConstView text) const {
    const View token = allocate<Scalar>(context, {text.dim(0), sam.config.out_channels});
    text_affine.infer(context, text, token);
    return token.reshape({text.dim(0), 1, sam.config.out_channels});
  }

  /// Normalised images [B, S, S, 3] -> embedding [B, h, w, C].
  View encode_image(Context<Device>& context, ConstView images) const { return sam.encode(context, images); }
  /// One image's embedding [1, h, w, C] -> the single-mask logits of P labels [P, 4h, 4w].
  View decode_labels(Context<Device>& context, ConstView embedding, const LabelPrompts<Scalar, Device>& prompts) const {
    const View low_res =
        sam.decode(context, embedding, Prompts{}, embed_text(context, prompts.text), MaskOutput::single).low_res;
    return low_res.reshape({low_res.dim(0), low_res.dim(2), low_res.dim(3)});
  }

  /// The training forward pass: normalised images [B, S, S, 3], one label each (`labels`), text features [B, text_dim]
  /// (or an equal number for every image, an image's one after the other) -> probability of the label per pixel [P, S,
  /// S]: single-mask logits, bilinear to the image size, sigmoid. Everything that `backward` needs stays in the
  /// workspace, so the caller holds a WorkspaceScope around the step.
  View forward(Context<Device>& context, ConstView images, const LabelPrompts<Scalar, Device>& labels, Record& record) {
    return forward(context, images, labels.text, record);
  }
  /// The same of `images`, asked with `text` features alone.
  View forward(Context<Device>& context, ConstView images, ConstView text, Record& record) {
    check_images(images);
    check_text(text);
    return naming_layers(*this, [&] {
      return answer(context, sam.image_encoder.forward(context, images, record.encoder, trains_encoder), text, record);
    });
  }
  /// The same from the `embeddings` of images [B, h, w, C] on, asked with `labels`, for a recipe that trains nothing of
  /// the image encoder.
  View forward_features(Context<Device>& context, ConstView embeddings, const LabelPrompts<Scalar, Device>& labels,
                        Record& record) {
    static_assert(!trains_encoder, "ssam: this recipe trains the image encoder: give it the images");
    check_text(labels.text);
    return naming_layers(*this, [&] { return answer(context, embeddings, labels.text, record); });
  }

  /// Adds the gradients of a loss with dLoss/dprobability [P, S, S] to everything the recipe trains.
  void backward(Context<Device>& context, const Record& record, ConstView dprobability) {
    naming_layers(*this, [&] { differentiate(context, record, dprobability); });
  }

  /// Sam's own names, and text_affine.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.inlined(self.sam);
    visitor.child("text_affine", self.text_affine);
  }

  Sam<Scalar, Device, Recipe, Encoder> sam;  ///< without labels
  Text text_affine;                          ///< text_dim -> C

 private:
  View answer(Context<Device>& context, ConstView embedding, ConstView text, Record& record) {
    const Index prompts = text.dim(0), size = sam.config.image_size;
    const View token = allocate<Scalar>(context, {prompts, sam.config.out_channels});
    text_affine.forward(context, text, token, record.text);
    const Index h = embedding.dim(1), w = embedding.dim(2), channels = embedding.dim(3);
    const ConstView positions = sam.prompt_encoder.dense_positions(context, h, w);
    const ConstView no_mask = sam.prompt_encoder.no_mask.value.view().reshape({channels});
    const View low_res = sam.mask_decoder.forward(context, embedding, positions, token.reshape({prompts, 1, channels}),
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

  void differentiate(Context<Device>& context, const Record& record, ConstView dprobability) {
    WorkspaceScope<Device> scope(context);
    const Shape& full = record.probability.shape();
    const View dlogits = allocate<Scalar>(context, full), dlow_res = allocate<Scalar>(context, record.low_res);
    const View dembedding = trains_encoder ? allocate<Scalar>(context, record.encoder.embedding) : View{};
    const View dtoken = allocate<Scalar>(context, record.token);
    ops::sigmoid_backward<Scalar>(context, record.probability, dprobability, dlogits);
    ops::resize_bilinear_backward<Scalar>(context, dlogits.reshape({full[0], full[1], full[2], 1}),
                                          dlow_res.reshape({full[0], record.low_res[1], record.low_res[2], 1}));
    View dno_mask;  // where it is not added, nothing has reached it
    if (sam.config.dense_prompt()) dno_mask = sam.prompt_encoder.no_mask.ensure_grad();
    if (!dno_mask.empty()) dno_mask = dno_mask.reshape({dno_mask.size()});
    sam.mask_decoder.backward(context, record.decoder, dlow_res, dembedding,
                              dtoken.reshape({record.token[0], 1, record.token[1]}), dno_mask);
    if constexpr (Recipe::TextAffine::trained) text_affine.backward(context, record.text, dtoken);
    if constexpr (trains_encoder) sam.image_encoder.backward(context, record.encoder, dembedding, {});
  }

  void check_images(ConstView images) const {
    const Index size = sam.config.image_size;
    if (images.shape().rank() == 4 && images.shape() == Shape{images.dim(0), size, size, 3}) return;
    throw ShapeError(ErrorText{.what = "the model was built for images of another shape",
                               .expected = "[B, " + std::to_string(size) + ", " + std::to_string(size) + ", 3]",
                               .found = images.shape().str()});
  }

  void check_text(ConstView text) const {
    if (text.shape().rank() == 2 && text.dim(1) == sam.config.text_dim) return;
    throw ShapeError(ErrorText{.what = "the model was built for other text features",
                               .expected = "[P, " + std::to_string(sam.config.text_dim) + "]",
                               .found = text.shape().str()});
  }

  /// Whether training changes any parameter of a part, said by a small one without a device.
  template <class Part>
  static constexpr bool trains(const Part& part) {
    bool trained = false;
    walk(part, [&trained](const Path&, const auto& parameter, Group, Layout) {
      trained = trained || changes_in_training<decltype(parameter)>;
    });
    return trained;
  }
  static constexpr SamConfig small = [] {
    SamConfig config;
    config.image_size = config.patch_size = 16;
    config.embed_dim = config.out_channels = config.decoder_mlp = config.iou_hidden = 16;
    config.depth = config.heads = config.decoder_heads = 1;
    return config;
  }();

 public:
  /// Where training changes nothing of the encoder (running statistics neither), it keeps no activations and runs no
  /// backward pass.
  static constexpr bool trains_encoder = trains(Encoder<Scalar, Meta, Recipe>(small));

 private:
  static constexpr bool trains_anything = trains_encoder || Recipe::TextAffine::trained ||
                                          Recipe::PromptEncoder::trained ||
                                          trains(MaskDecoder<Scalar, Meta, Recipe>(small));
};

}  // namespace ssam::inline SSAM_ABI
