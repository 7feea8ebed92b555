// A network of one's own, as small as it can be: two 3x3 convolutions and a 1x1, for one label. What a
// SegmentationModel must have is said in ssam/adapt/segmentation_model.hpp; the trainer, evaluation and adapter files
// then work with it, as they do with SAM and with the U-Net.
//
//     11_your_own_network FOLDER

#include <cstdio>
#include <ssam/ssam.hpp>

using namespace ssam;

struct TinyConfig {
  Index image_size;
};
/// What an adapter file says of the network that it belongs to.
nlohmann::json to_json(const TinyConfig& config) { return {{"image_size", config.image_size}}; }

class TinyNet {
 public:
  using Scalar_ = float;  // with an underscore, since templates like the U-Net call their parameters Scalar and Device
  using Device_ = Cpu;
  using View = TensorView<float, Cpu>;
  using ConstView = TensorView<const float, Cpu>;
  using Layer = Convolution<float, Cpu, Linear<float, Cpu, Trained, Trained>>;
  struct Record {
    Layer::Record layer[3];
    ConstView active[2], probability;  // behind each ReLU; the answer
  };
  static constexpr bool normalizes_prompts = false;

  explicit TinyNet(Index size) : config_{size} {}

  std::string name() const { return "tiny_net"; }
  std::string recipe() const { return "all"; }
  std::string rule() const { return ""; }
  const TinyConfig& configuration() const { return config_; }
  ParameterCount count() const { return parameter_count_of(*this); }
  Index image_size() const { return config_.image_size; }
  const Preparation& preparation() const { return preparation_; }
  Index text_dim() const { return 0; }          // it takes no text
  std::string base_hash() const { return ""; }  // it begins with no checkpoint
  void set_base_hash(const std::string&) {}

  void initialize(Random random) {
    walk(*this, [&](const Path&, auto& parameter, Group group, Layout) {
      if (group != Group::weights) return;
      const double scale = std::sqrt(2.0 * double(parameter.value.dim(0)) / double(parameter.value.size()));
      for (Index i = 0; i < parameter.value.size(); ++i) {
        parameter.value.data()[i] = static_cast<float>(scale * random.normal());
      }
    });
  }

  /// Images [B, S, S, 3] -> probability [B, S, S]; the label is always the one there is.
  View forward(Context<Cpu>& context, ConstView images, const LabelPrompts<float, Cpu>&, Record& record) const {
    const View answer = logits(context, images, record);
    ops::sigmoid_forward<float>(context, answer, answer);
    record.probability = answer;
    return answer.reshape({images.dim(0), image_size(), image_size()});
  }
  void backward(Context<Cpu>& context, const Record& record, ConstView dprobability) {
    WorkspaceScope<Cpu> scope(context);
    View dy = allocate<float>(context, record.probability.shape());
    ops::sigmoid_backward<float>(context, record.probability, dprobability.reshape(dy.shape()), dy);
    for (int i = 2; i > 0; --i) {
      const View dx = allocate<float>(context, record.active[i - 1].shape());
      layers_[i].backward(context, record.layer[i], dy, dx);
      ops::relu_backward<float>(context, record.active[i - 1], dx, dx);
      dy = dx;
    }
    layers_[0].backward(context, record.layer[0], dy, {});
  }
  /// Not in training: features of an image, here its logits, and the answer to a label.
  View encode_image(Context<Cpu>& context, ConstView images) const {
    Record unused;
    return logits(context, images, unused);
  }
  ConstView decode_labels(Context<Cpu>&, ConstView features, const LabelPrompts<float, Cpu>&) const {
    return features.reshape({1, image_size(), image_size()});
  }

  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.child("first", self.layers_[0]);
    visitor.child("second", self.layers_[1]);
    visitor.child("last", self.layers_[2]);
  }

 private:
  View logits(Context<Cpu>& context, ConstView x, Record& record) const {
    for (int i = 0;; ++i) {
      const View y = allocate<float>(context, layers_[i].output_shape(x.shape()));
      layers_[i].forward(context, x, y, record.layer[i]);
      if (i == 2) return y;
      ops::relu_forward<float>(context, y, y);
      x = record.active[i] = y;
    }
  }

  Layer layers_[3] = {{3, 8, 3, 1, 1}, {8, 8, 3, 1, 1}, {8, 1, 1, 1, 0}};  // in, out, kernel, stride, padding
  TinyConfig config_;
  Preparation preparation_;
};
static_assert(SegmentationModel<TinyNet>);

/// Bright rectangles on noise.
MemorySamples draw(int count, Index size, std::uint64_t seed) {
  MemorySamples samples({"rectangle"}, size);
  Random random(seed);
  for (int i = 0; i < count; ++i) {
    Image image(size, size);
    Mask mask(size, size);
    const Index left = random.below(size / 2), top = random.below(size / 2);
    for (Index p = 0; p < size * size; ++p) {
      const Index x = p % size - left, y = p / size - top;
      mask.at(p / size, p % size) = x >= 0 && x < size / 3 && y >= 0 && y < size / 2 ? 1 : 0;
      const Index grey = 60 + 60 * mask.at(p / size, p % size) + random.below(100);
      std::fill_n(image.pixel(p / size, p % size), 3, static_cast<std::uint8_t>(grey));
    }
    samples.add(image, {mask});
  }
  return samples;
}

/// Trains, reads the best epoch back, and says how good it is on pictures that were not trained on.
template <class Model>
double learn(Model model, const std::filesystem::path& folder) {
  Context<Cpu> context;
  train(context, model, draw(24, 32, 1), {.options = {.epochs = 12, .batch = 4, .lr = 1e-2}, .out = folder});
  load_adapter(model, folder / "best");
  const double dsc = evaluate(context, model, draw(8, 32, 2)).report.mean_dice();
  std::printf("%s: %lld parameters, DSC %.3f\n", model.name().c_str(), static_cast<long long>(model.count().total),
              dsc);
  return dsc;
}

int main(int argc, char** argv) {
  if (argc < 2) return std::printf("usage: 11_your_own_network FOLDER\n"), 2;
  const std::filesystem::path folder = argv[1];
  TinyNet tiny(32);
  tiny.initialize(Random(1));
  UNet<float, Cpu> unet(UNetConfig{.image_size = 32, .labels = 1, .width = 4});
  Random random(1);
  unet.initialize(random);
  return learn(tiny, folder / "tiny_net") > 0.8 && learn(unet, folder / "u_net") > 0.8 ? 0 : 1;
}
