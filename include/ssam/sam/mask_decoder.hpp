#pragma once

#include <ssam/nn/convolution.hpp>
#include <ssam/sam/two_way_transformer.hpp>

namespace ssam::inline SSAM_ABI {

/// Which of the decoder's four masks are wanted: the single one (0) or the three of an ambiguous prompt (1 to 3).
enum class MaskOutput {
  single,  ///< mask 0
  multi    ///< masks 1, 2 and 3
};

/// SAM's mask decoder.
template <class Scalar, class Device, class Recipe>
class MaskDecoder {
 public:
  using View = TensorView<Scalar, Device>;                        ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;             ///< a tensor to read
  using Transformer = TwoWayTransformer<Scalar, Device, Recipe>;  ///< of tokens and image
  using MaskTraining = typename Recipe::DecoderMask;  ///< of tokens, upscaling and the single mask's hypernetwork
  using Token = Parameter<Scalar, Device, WeightsOf<MaskTraining>>;  ///< rows of [C]
  using Upscale = ConvTranspose2x2<Scalar, Device, MaskTraining>;    ///< twice the side
  using Head = HeadMlp<Scalar, Device, MaskTraining>;                ///< the single mask's hypernetwork
  /// The other masks' hypernetworks and the IoU head.
  using MultimaskHead = HeadMlp<Scalar, Device, typename Recipe::DecoderMultimask>;
  static constexpr Part part = Part::decoder;                 ///< of all its parameters
  static constexpr Index mask_tokens_count = 4;               ///< masks it can give
  static constexpr Index own_tokens = 1 + mask_tokens_count;  ///< of the IoU and of the masks
  /// What forward leaves for backward.
  struct Record {
    typename Transformer::Record transformer;                           ///< of the two-way transformer
    typename Upscale::Record upscale0;                                  ///< of the first doubling
    typename Upscale::Record upscale3;                                  ///< of the second
    typename LayerNorm<Scalar, Device, MaskTraining>::Record upscale1;  ///< of the norm between them
    typename Head::Record head;                                         ///< of the single mask's hypernetwork
    ConstView normed;                                                   ///< before the first GELU [P, 2h, 2w, C/4]
    ConstView raised;                                                   ///< before the second GELU [P, 4h, 4w, C/8]
    ConstView upscaled;                                                 ///< behind it, the same shape
    ConstView hyper;                                                    ///< the hypernetwork's answer [P, C/8]
    Shape embedding;                                                    ///< [images, h, w, C]
    Index prompts = 0;                                                  ///< P
    Index tokens = 0;                                                   ///< of each prompt, the decoder's own included
  };
  /// What predict answers.
  struct Result {
    View low_res;  ///< mask logits [P, masks, 4h, 4w]
    View iou;      ///< predicted IoU [P, masks]
  };

  constexpr MaskDecoder() = default;  ///< empty, to be assigned
  /// All parameters 0.
  constexpr explicit MaskDecoder(const SamConfig& config)
      : iou_token(Shape{1, config.out_channels}),
        mask_tokens(Shape{mask_tokens_count, config.out_channels}),
        transformer(config),
        upscale0(config.out_channels, config.out_channels / 4),
        upscale1(config.out_channels / 4, 1e-6),
        upscale3(config.out_channels / 4, config.out_channels / 8),
        hypernetwork(config.out_channels, config.out_channels, config.out_channels / 8),
        iou_head(config.out_channels, config.iou_hidden, mask_tokens_count),
        dense_prompt_(config.dense_prompt()) {
    for (Index i = 1; i < mask_tokens_count; ++i) {
      multimask_hypernetworks.emplace_back(config.out_channels, config.out_channels, config.out_channels / 8);
    }
  }

  /// Masks and predicted IoUs of P prompts; nothing is kept for a backward pass but the result.
  /// embedding [E, h, w, C] with P a multiple of E (image i serves prompts i P/E ...), image_positions [h w, C],
  /// sparse [P, n, C], dense [C] or [P, h, w, C].
  Result predict(Context<Device>& context, ConstView embedding, ConstView image_positions, ConstView sparse,
                 ConstView dense, MaskOutput output) const {
    const Index prompts = sparse.dim(0), masks = output == MaskOutput::single ? 1 : mask_tokens_count - 1;
    const Index first = output == MaskOutput::single ? 0 : 1, h = embedding.dim(1), w = embedding.dim(2);
    const Result result{allocate<Scalar>(context, {prompts, masks, 4 * h, 4 * w}),
                        allocate<Scalar>(context, {prompts, masks})};
    WorkspaceScope<Device> scope(context);
    Record record;
    const View tokens = run(context, embedding, image_positions, sparse, dense, record);
    const Index width = record.upscaled.dim(3), channels = embedding.dim(3);
    const View hyper = allocate<Scalar>(context, {prompts, masks, width});
    for (Index i = 0; i < masks; ++i) {
      const auto token = token_matrix(tokens, 1 + first + i, channels);
      const MatrixView<Scalar, Device> out{hyper.data() + i * width, prompts, width, masks * width};
      if (first + i == 0) {
        typename Head::Record head;
        hypernetwork.forward(context, token, out, head);
      } else {
        typename MultimaskHead::Record head;
        multimask_hypernetworks[static_cast<std::size_t>(first + i - 1)].forward(context, token, out, head);
      }
    }
    for (Index p = 0; p < prompts; ++p) {
      ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::yes, hyper.slice(p).matrix(),
                          record.upscaled.slice(p).matrix(), result.low_res.slice(p).matrix(masks));
    }
    const View iou = allocate<Scalar>(context, {prompts, mask_tokens_count});
    typename MultimaskHead::Record head;
    iou_head.forward(context, token_matrix(tokens, 0, channels), iou.matrix(), head);
    ops::copy_matrix<Scalar>(context, iou.matrix().columns(first, masks), result.iou.matrix());
    return result;
  }

  /// The training path: only the single mask, everything kept for `backward`. embedding, image_positions, sparse and
  /// dense as of predict -> low_res [P, 4h, 4w]
  View forward(Context<Device>& context, ConstView embedding, ConstView image_positions, ConstView sparse,
               ConstView dense, Record& record) const {
    const Index prompts = sparse.dim(0);
    const View low_res = allocate<Scalar>(context, {prompts, 4 * embedding.dim(1), 4 * embedding.dim(2)});
    const View tokens = run(context, embedding, image_positions, sparse, dense, record);
    const View hyper = allocate<Scalar>(context, {prompts, record.upscaled.dim(3)});
    hypernetwork.forward(context, token_matrix(tokens, 1, embedding.dim(3)), hyper.matrix(), record.head);
    record.hyper = hyper;
    for (Index p = 0; p < prompts; ++p) {
      ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::yes, hyper.slice(p).matrix(),
                          record.upscaled.slice(p).matrix(), low_res.slice(p).matrix(1));
    }
    return low_res;
  }

  /// dlow_res [P, 4h, 4w]. Adds to the trained gradients and to ddense [C], that of a dense row (empty: not wanted);
  /// overwrites dembedding [E, h, w, C] (empty: not wanted) and dsparse [P, n, C].
  void backward(Context<Device>& context, const Record& record, ConstView dlow_res, View dembedding, View dsparse,
                View ddense = {}) {
    WorkspaceScope<Device> scope(context);
    const Index channels = record.embedding[3], h = record.embedding[1], w = record.embedding[2];
    const Index prompts = record.prompts, count = record.tokens;
    const View dtokens = allocate<Scalar>(context, {prompts, count, channels});
    const View dout = allocate<Scalar>(context, dtokens.shape());
    const View dkeys = allocate<Scalar>(context, {prompts, h * w, channels});
    const View dimage = dembedding.empty() && ddense.empty() ? View{} : allocate<Scalar>(context, dkeys.shape());
    ops::fill<Scalar>(context, dout, Scalar(0));
    backward_mask(context, record, dlow_res, dout, dkeys);
    transformer.backward(context, record.transformer, dout, dkeys, dtokens, dimage);

    const auto token = [&](Index first, Index n) {
      return MatrixView<const Scalar, Device>{dtokens.data() + first * channels, prompts, n * channels,
                                              count * channels};
    };
    if constexpr (Token::trained) {
      ops::sum_rows<Scalar>(context, token(0, 1), iou_token.ensure_grad());
      ops::sum_rows<Scalar>(context, token(1, mask_tokens_count), mask_tokens.ensure_grad());
    }
    if (!dsparse.empty() && dsparse.size() > 0) {
      ops::copy_matrix<Scalar>(context, token(own_tokens, count - own_tokens), dsparse.matrix(prompts));
    }
    if (dense_prompt_ && !ddense.empty()) ops::sum_rows<Scalar>(context, dimage.matrix(), ddense);
    if (dembedding.empty()) return;
    const Index images = record.embedding[0], each = prompts / images;
    ops::fill<Scalar>(context, dembedding, Scalar(0));
    for (Index e = 0; e < images; ++e) {
      const Index size = h * w * channels;
      const MatrixView<const Scalar, Device> one{dimage.data() + e * each * size, each, size, size};
      ops::sum_rows<Scalar>(context, one, dembedding.slice(e));
    }
  }

  /// SAM's names: transformer, iou_token, mask_tokens, output_upscaling.0/1/3, output_hypernetworks_mlps.0 to 3,
  /// iou_prediction_head.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.child("transformer", self.transformer);
    visitor.parameter("iou_token.weight", self.iou_token, Group::weights);
    visitor.parameter("mask_tokens.weight", self.mask_tokens, Group::weights);
    visitor.child("output_upscaling.0", self.upscale0);
    visitor.child("output_upscaling.1", self.upscale1);
    visitor.child("output_upscaling.3", self.upscale3);
    visitor.child("output_hypernetworks_mlps.0", self.hypernetwork);
    visitor.child("output_hypernetworks_mlps.1", self.multimask_hypernetworks[0]);
    visitor.child("output_hypernetworks_mlps.2", self.multimask_hypernetworks[1]);
    visitor.child("output_hypernetworks_mlps.3", self.multimask_hypernetworks[2]);
    visitor.child("iou_prediction_head", self.iou_head);
  }

  Token iou_token;                                     ///< [1, C]
  Token mask_tokens;                                   ///< [4, C]
  Transformer transformer;                             ///< of tokens and image
  Upscale upscale0;                                    ///< C -> C/4
  LayerNorm<Scalar, Device, MaskTraining> upscale1;    ///< of C/4 channels
  Upscale upscale3;                                    ///< C/4 -> C/8
  Head hypernetwork;                                   ///< of mask 0: C -> C/8
  std::vector<MultimaskHead> multimask_hypernetworks;  ///< of masks 1, 2 and 3: C -> C/8
  MultimaskHead iou_head;                              ///< C -> 4

 private:
  static MatrixView<const Scalar, Device> token_matrix(ConstView tokens, Index which, Index channels) {
    return {tokens.data() + which * channels, tokens.dim(0), channels, tokens.dim(1) * channels};
  }

  // Tokens, transformer and upscaling, which both forward paths share -> the transformer's tokens.
  View run(Context<Device>& context, ConstView embedding, ConstView image_positions, ConstView sparse, ConstView dense,
           Record& record) const {
    const Index prompts = sparse.dim(0), count = own_tokens + sparse.dim(1), channels = embedding.dim(3);
    const Index images = embedding.dim(0), h = embedding.dim(1), w = embedding.dim(2);
    if (images == 0 || prompts % images != 0) {
      throw ShapeError(ErrorText{.what = "prompts do not divide among the images",
                                 .expected = "a multiple of " + std::to_string(images),
                                 .found = std::to_string(prompts)});
    }
    record.prompts = prompts;
    record.tokens = count;
    record.embedding = embedding.shape();
    const View tokens = allocate<Scalar>(context, {prompts, count, channels});
    const auto place = [&](Index first, MatrixView<const Scalar, Device> source) {
      ops::copy_matrix<Scalar>(context, source,
                               {tokens.data() + first * channels, prompts, source.cols, count * channels});
    };
    place(0, {iou_token.value.data(), prompts, channels, 0});
    place(1, {mask_tokens.value.data(), prompts, mask_tokens_count * channels, 0});
    if (sparse.dim(1) > 0) place(own_tokens, sparse.matrix(prompts));

    const View image = allocate<Scalar>(context, {prompts, h * w, channels});
    const Index size = h * w * channels, each = prompts / images;
    for (Index e = 0; e < images; ++e) {
      ops::copy_matrix<Scalar>(context, {embedding.data() + e * size, each, size, 0},
                               {image.data() + e * each * size, each, size, size});
    }
    if (dense_prompt_) {
      if (dense.size() == channels) {
        ops::add_row<Scalar>(context, dense, image.matrix());
      } else {
        ops::accumulate<Scalar>(context, dense, image);
      }
    }
    const View new_tokens = allocate<Scalar>(context, tokens.shape()),
               new_image = allocate<Scalar>(context, image.shape());
    transformer.forward(context, tokens, image, image_positions, new_tokens, new_image, record.transformer);
    upscale(context, new_image.reshape({prompts, h, w, channels}), record);
    return new_tokens;
  }

  void upscale(Context<Device>& context, ConstView image, Record& record) const {
    const Index p = image.dim(0), h = image.dim(1), w = image.dim(2), channels = image.dim(3);
    const View a = allocate<Scalar>(context, {p, 2 * h, 2 * w, channels / 4}), b = allocate<Scalar>(context, a.shape());
    const View active = allocate<Scalar>(context, a.shape());
    upscale0.forward(context, image, a, record.upscale0);
    upscale1.forward(context, a, b, record.upscale1);
    ops::gelu_forward<Scalar>(context, b, active);
    const View c = allocate<Scalar>(context, {p, 4 * h, 4 * w, channels / 8}), d = allocate<Scalar>(context, c.shape());
    upscale3.forward(context, active, c, record.upscale3);
    ops::gelu_forward<Scalar>(context, c, d);
    record.normed = b;
    record.raised = c;
    record.upscaled = d;
  }

  // From the mask's gradient to those of the single mask's token (in dout) and of the transformer's image.
  void backward_mask(Context<Device>& context, const Record& record, ConstView dlow_res, View dout, View dimage) {
    WorkspaceScope<Device> scope(context);
    const Index prompts = record.prompts, channels = record.embedding[3];
    const View dupscaled = allocate<Scalar>(context, record.upscaled.shape());
    const View dhyper = allocate<Scalar>(context, record.hyper.shape());
    for (Index p = 0; p < prompts; ++p) {
      const auto dmask = dlow_res.slice(p).matrix(1);
      ops::matmul<Scalar>(context, ops::Transpose::yes, ops::Transpose::no, dmask, record.hyper.slice(p).matrix(),
                          dupscaled.slice(p).matrix());
      ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, dmask, record.upscaled.slice(p).matrix(),
                          dhyper.slice(p).matrix());
    }
    hypernetwork.backward(context, record.head, dhyper.matrix(),
                          {dout.data() + channels, prompts, channels, record.tokens * channels});
    ops::gelu_backward<Scalar>(context, record.raised, dupscaled, dupscaled);
    const View a = allocate<Scalar>(context, record.normed.shape()),
               b = allocate<Scalar>(context, record.normed.shape());
    upscale3.backward(context, record.upscale3, dupscaled, a);
    ops::gelu_backward<Scalar>(context, record.normed, a, a);
    upscale1.backward(context, record.upscale1, a, b);
    upscale0.backward(context, record.upscale0, b,
                      dimage.reshape({prompts, record.embedding[1], record.embedding[2], channels}));
  }

  bool dense_prompt_ = true;
};

}  // namespace ssam::inline SSAM_ABI
