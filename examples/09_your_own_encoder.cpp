// An image encoder of one's own under SAM's decoder: patches, a convolution and a norm in place of the transformer.
// What an ImageEncoder must have is said in ssam/sam/sam.hpp; labels, training and counting stay as they are.
//
//     09_your_own_encoder FOLDER

#include <cstdio>
#include <ssam/ssam.hpp>

using namespace ssam;

template <class Scalar, class Device, class Recipe>
class ConvolutionEncoder {
 public:
  using View = TensorView<Scalar, Device>;
  using ConstView = TensorView<const Scalar, Device>;
  using Layer = Convolution<Scalar, Device, Linear<Scalar, Device, Trained, Trained>>;
  using Norm = LayerNorm<Scalar, Device, Trained, Trained>;
  struct Record {
    typename Layer::Record patch, mix;
    typename Norm::Record norm;
    ConstView patches;  // [B, h, w, C] behind the GELU's input
    Shape embedding;    // [B, h, w, C]
  };

  constexpr ConvolutionEncoder() = default;
  constexpr explicit ConvolutionEncoder(const SamConfig& config)
      : patch(3, config.out_channels, config.patch_size, config.patch_size, 0),
        mix(config.out_channels, config.out_channels, 3, 1, 1),
        norm(config.out_channels, 1e-6) {}

  /// Images [B, S, S, 3] -> embedding [B, h, w, C]. (It keeps everything: it is small.)
  View forward(Context<Device>& context, ConstView images, Record& record, bool /*keep*/) const {
    record.embedding = patch.output_shape(images.shape());
    const View patches = allocate<Scalar>(context, record.embedding),
               active = allocate<Scalar>(context, record.embedding),
               mixed = allocate<Scalar>(context, record.embedding), y = allocate<Scalar>(context, record.embedding);
    patch.forward(context, images, patches, record.patch);
    ops::gelu_forward<Scalar>(context, patches, active);
    mix.forward(context, active, mixed, record.mix);
    norm.forward(context, mixed, y, record.norm);
    record.patches = patches;
    return y;
  }

  void backward(Context<Device>& context, const Record& record, ConstView dembedding, View dimages) {
    WorkspaceScope<Device> scope(context);
    const View dmixed = allocate<Scalar>(context, record.embedding),
               dactive = allocate<Scalar>(context, record.embedding);
    norm.backward(context, record.norm, dembedding, dmixed);
    mix.backward(context, record.mix, dmixed, dactive);
    ops::gelu_backward<Scalar>(context, record.patches, dactive, dactive);
    patch.backward(context, record.patch, dactive, dimages);
  }

  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.child("patch", self.patch);
    visitor.child("mix", self.mix);
    visitor.child("norm", self.norm);
  }

  Layer patch, mix;
  Norm norm;
};

/// What else is trained: the decoder's mask branch and the label prompts.
struct WithDecoder : FrozenRecipe {
  static constexpr const char* name = "with_decoder";
  template <class S, class D>
  using DecoderLinear = Linear<S, D, Trained, Trained>;
  using DecoderNorm = Trained;
  using DecoderMask = Trained;
  using TextAffine = Trained;
};
template <class Device>
using Model = TextPromptedSam<float, Device, WithDecoder, ConvolutionEncoder>;

constexpr SamConfig tiny_sam = [] {
  SamConfig small = vit_b(64);
  small.patch_size = 8;
  small.out_channels = 32;
  small.decoder_heads = 4;
  small.decoder_mlp = small.iou_hidden = 64;
  small.text_dim = 16;
  return small;
}();
// Patches of 8 x 8 x 3 and a 3 x 3 convolution of 32 channels, their biases, and the norm.
static_assert(parameter_count_of(Model<Meta>(tiny_sam).sam.image_encoder).total ==
              32 * (8 * 8 * 3 + 1) + 32 * (9 * 32 + 1) + 2 * 32);

/// A bright and a dark square on noise, one label each.
MemorySamples draw(int count, std::uint64_t seed) {
  MemorySamples samples({"bright", "dark"}, tiny_sam.image_size);
  Random random(seed);
  for (int i = 0; i < count; ++i) {
    Image image(64, 64);
    Mask masks[2] = {Mask(64, 64), Mask(64, 64)};
    const Index left = random.below(12), right = 32 + random.below(12), top = random.below(40);
    for (Index y = 0; y < 64; ++y) {
      for (Index x = 0; x < 64; ++x) {
        const bool row = y >= top && y < top + 20;
        const bool bright = row && x >= left && x < left + 20, dark = row && x >= right && x < right + 20;
        std::fill_n(image.pixel(y, x), 3,
                    static_cast<std::uint8_t>((bright ? 170
                                               : dark ? 20
                                                      : 95) +
                                              random.below(60)));
        masks[0].at(y, x) = bright ? 1 : 0;
        masks[1].at(y, x) = dark ? 1 : 0;
      }
    }
    samples.add(image, {masks[0], masks[1]});
  }
  return samples;
}

int main(int argc, char** argv) {
  if (argc < 2) return std::printf("usage: 09_your_own_encoder FOLDER\n"), 2;
  Model<Cpu> model(tiny_sam);
  randomize(model, Random(1));
  Context<Cpu> context;
  train(context, model, draw(24, 1),
        {.options = {.epochs = 20, .batch = 8, .labels_together = true, .lr = 3e-3}, .out = argv[1]});
  const double dsc = evaluate(context, model, draw(8, 2)).report.mean_dice();
  std::printf("%lld parameters, mean DSC %.3f\n", static_cast<long long>(model.count().total), dsc);
  return dsc > 0.8 ? 0 : 1;
}
