#pragma once

#include <ssam/nn/convolution.hpp>
#include <ssam/nn/norm.hpp>
#include <ssam/sam/config.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Prompts of `count` masks on one image, all of the same make-up, in pixels of the model's (resized) input.
struct Prompts {
  Index count = 0;             ///< masks that are asked for
  std::vector<double> points;  ///< [count, n, 2] as x, y; may be empty
  std::vector<int> labels;     ///< [count, n]: 1 foreground, 0 background, -1 padding
  std::vector<double> boxes;   ///< [count, 4] as x0, y0, x1, y1; may be empty
  std::vector<float> masks;    ///< [count, 4 h, 4 w] mask logits, h x w the embedding's grid; may be empty
};

/// SAM's prompt encoder. Where a recipe trains it (SAMed), training with labels gives a gradient to the no-mask
/// embedding only: the decoder adds it. (`Training` may be BiasesTrained: those of mask prompts.)
template <class Scalar, class Device, class Training = Frozen>
class PromptEncoder {
 public:
  using View = TensorView<Scalar, Device>;                           ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;                ///< a tensor to read
  using Embedding = Parameter<Scalar, Device, WeightsOf<Training>>;  ///< a row [1, C]
  using Conv = Convolution<Scalar, Device,
                           Linear<Scalar, Device, WeightsOf<Training>, BiasesOf<Training>>>;  ///< of a mask prompt
  using Norm = LayerNorm<Scalar, Device, Training>;                                           ///< between them

  constexpr PromptEncoder() = default;  ///< empty, to be assigned
  /// All parameters 0, the random-Fourier matrix included.
  constexpr explicit PromptEncoder(const SamConfig& config)
      : gaussian(Shape{2, config.out_channels / 2}),
        not_a_point(Shape{1, config.out_channels}),
        no_mask(Shape{1, config.out_channels}),
        mask0(1, config.mask_channels / 4, 2, 2, 0),
        mask1(config.mask_channels / 4, 1e-6),
        mask3(config.mask_channels / 4, config.mask_channels, 2, 2, 0),
        mask4(config.mask_channels, 1e-6),
        mask6(config.mask_channels, config.out_channels, 1, 1, 0),
        image_size_(config.image_size) {
    for (Embedding& embedding : points) embedding = Embedding(Shape{1, config.out_channels});
  }

  /// Random-Fourier positions of every cell of an h x w embedding, [h w, C] (a workspace tensor).
  View dense_positions(Context<Device>& context, Index h, Index w) const {
    const View positions = allocate<Scalar>(context, {h * w, 2 * gaussian.value.dim(1)});
    ops::fourier_grid<Scalar>(context, gaussian.value, h, w, positions);
    return positions;
  }

  /// Sparse tokens [count, n, C] of points and boxes: points first (padded by one "not a point" where there is no box),
  /// then two corners. Throws ConfigError on label values or list lengths that make no sense.
  View sparse(Context<Device>& context, const Prompts& prompts) const {
    check(prompts);
    const bool boxes = !prompts.boxes.empty();
    const Index given = prompts.count == 0 ? 0 : static_cast<Index>(prompts.labels.size()) / prompts.count;
    std::vector<ops::FourierToken> host;
    const auto append = [&](const double* at, Index kind) {
      const double side = static_cast<double>(image_size_);
      host.push_back({(at[0] + 0.5) / side, (at[1] + 0.5) / side, kind});
    };
    for (Index p = 0; p < prompts.count; ++p) {
      for (Index i = p * given; i < (p + 1) * given; ++i) {
        append(prompts.points.data() + 2 * i, prompts.labels[static_cast<std::size_t>(i)]);
      }
      if (given > 0 && !boxes) host.push_back({});
      for (Index side = 0; boxes && side < 2; ++side) append(prompts.boxes.data() + 4 * p + 2 * side, 2 + side);
    }
    const Index channels = no_mask.value.size(), count = static_cast<Index>(host.size());
    const View result =
        allocate<Scalar>(context, {prompts.count, prompts.count == 0 ? 0 : count / prompts.count, channels});
    if (count == 0) return result;
    WorkspaceScope<Device> scope(context);
    const View kinds = allocate<Scalar>(context, {4, channels});
    for (Index kind = 0; kind < 4; ++kind) ops::copy<Scalar>(context, points[kind].value, kinds.slice(kind));
    const auto tokens = allocate<ops::FourierToken>(context, {count});
    Memory<Device>::copy_from_host(tokens.data(), host.data(), host.size() * sizeof(host[0]));
    ops::fourier_tokens<Scalar>(context, gaussian.value, kinds, not_a_point.value, tokens, result);
    return result;
  }

  /// The dense prompt of an h x w embedding: [count, h, w, C] where there are mask prompts, else the no-mask row [C].
  ConstView dense(Context<Device>& context, const Prompts& prompts, Index h, Index w) const {
    const Index channels = no_mask.value.size();
    if (prompts.masks.empty()) return no_mask.value.view().reshape({channels});
    if (static_cast<Index>(prompts.masks.size()) != prompts.count * 16 * h * w) {
      throw ConfigError(ErrorText{.what = "the mask prompt has the wrong size",
                                  .expected = Shape{prompts.count, 4 * h, 4 * w}.str(),
                                  .found = std::to_string(prompts.masks.size()) + " values"});
    }
    const View result = allocate<Scalar>(context, {prompts.count, h, w, channels});
    WorkspaceScope<Device> scope(context);
    const std::vector<Scalar> host(prompts.masks.begin(), prompts.masks.end());
    const View input = allocate<Scalar>(context, {prompts.count, 4 * h, 4 * w, 1});
    Memory<Device>::copy_from_host(input.data(), host.data(), host.size() * sizeof(Scalar));
    typename Conv::Record conv;
    typename Norm::Record norm;
    const View a = allocate<Scalar>(context, mask0.output_shape(input.shape())),
               an = allocate<Scalar>(context, a.shape());
    mask0.forward(context, input, a, conv);
    mask1.forward(context, a, an, norm);
    ops::gelu_forward<Scalar>(context, an, an);
    const View b = allocate<Scalar>(context, mask3.output_shape(an.shape())), bn = allocate<Scalar>(context, b.shape());
    mask3.forward(context, an, b, conv);
    mask4.forward(context, b, bn, norm);
    ops::gelu_forward<Scalar>(context, bn, bn);
    mask6.forward(context, bn, result, conv);
    return result;
  }

  /// SAM's names: pe_layer.positional_encoding_gaussian_matrix, point_embeddings.0 to 3, not_a_point_embed,
  /// mask_downscaling.0/1/3/4/6, no_mask_embed.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.parameter("pe_layer.positional_encoding_gaussian_matrix", self.gaussian, Group::buffer);
    constexpr const char* names[4] = {"point_embeddings.0.weight", "point_embeddings.1.weight",
                                      "point_embeddings.2.weight", "point_embeddings.3.weight"};
    for (int i = 0; i < 4; ++i) visitor.parameter(names[i], self.points[i], Group::weights);
    visitor.parameter("not_a_point_embed.weight", self.not_a_point, Group::weights);
    visitor.child("mask_downscaling.0", self.mask0);
    visitor.child("mask_downscaling.1", self.mask1);
    visitor.child("mask_downscaling.3", self.mask3);
    visitor.child("mask_downscaling.4", self.mask4);
    visitor.child("mask_downscaling.6", self.mask6);
    visitor.parameter("no_mask_embed.weight", self.no_mask, Group::weights);
  }

  Parameter<Scalar, Device, Frozen> gaussian;  ///< [2, C / 2], a buffer of the checkpoint
  Embedding points[4];                         ///< background, foreground, top-left corner, bottom-right corner
  Embedding not_a_point;                       ///< stands for padding
  Embedding no_mask;                           ///< dense prompt where there is no mask
  Conv mask0;                                  ///< 1 -> mask_channels / 4, 2x2, half the side
  Norm mask1;                                  ///< of mask_channels / 4
  Conv mask3;                                  ///< mask_channels / 4 -> mask_channels, 2x2, half the side
  Norm mask4;                                  ///< of mask_channels
  Conv mask6;                                  ///< mask_channels -> C, 1x1

 private:
  static void check(const Prompts& prompts) {
    const std::size_t count = static_cast<std::size_t>(prompts.count);
    const bool lengths = prompts.points.size() == 2 * prompts.labels.size() &&
                         (prompts.boxes.empty() || prompts.boxes.size() == 4 * count) &&
                         (count == 0 ? prompts.labels.empty() : prompts.labels.size() % count == 0);
    if (!lengths) throw ConfigError("the lists of points, labels and boxes of a prompt do not have matching lengths");
    for (const int label : prompts.labels) {
      if (label < -1 || label > 1) {
        throw ConfigError(ErrorText{.what = "a point label makes no sense",
                                    .expected = "1 (foreground), 0 (background) or -1 (padding)",
                                    .found = std::to_string(label)});
      }
    }
  }

  Index image_size_ = 0;
};

}  // namespace ssam::inline SSAM_ABI
