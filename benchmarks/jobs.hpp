#pragma once

#include <ssam/sam/state.hpp>
#include <ssam/train/adamw.hpp>

/// What the benchmarks of the host and of a GPU have in common: SAM ViT-B's jobs at their real shapes, and the
/// arithmetic that they need.
namespace bench {

using namespace ssam;

constexpr double count(Index n) { return static_cast<double>(n); }

/// A tensor of random values.
template <class Device>
Tensor<float, Device> filled(const Shape& shape, double low, double high) {
  Random random(static_cast<std::uint64_t>(shape.elements()));
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (float& value : values) value = static_cast<float>(random.uniform(low, high));
  return Tensor<float, Device>(shape, values);
}

/// One attention of the encoder: 12 heads of 64 channels on a grid of `side` x `side` tokens.
template <class Device>
class EncoderAttention {
 public:
  /// `window`: 0 for the whole grid. `relative`: with relative positions.
  EncoderAttention(Index batch, Index side, Index window, bool relative = true)
      : geometry_{.batch = batch,
                  .heads = heads,
                  .head_dim = dim,
                  .queries = side * side,
                  .keys = side * side,
                  .grid_h = side,
                  .grid_w = side,
                  .window = window},
        qkv_(filled<Device>({batch * side * side, 3 * channels}, -1, 1)),
        pad_(filled<Device>({3 * channels}, -1, 1)),
        table_(relative ? filled<Device>({2 * geometry_.table_h() - 1, dim}, -1, 1) : Tensor<float, Device>()),
        dout_(filled<Device>({batch * side * side, channels}, -1, 1)),
        out_({batch * side * side, channels}),
        dqkv_({batch * side * side, 3 * channels}),
        lse_({ops::attention_lse_size(geometry_)}) {}

  void forward(Context<Device>& context) {
    ops::attention_forward<float>(context, geometry_, part(qkv_, 0), part(qkv_, 1), part(qkv_, 2), pad_, table_, table_,
                                  out_.view().matrix(), lse_.view());
  }
  /// After a forward pass. The tables are frozen, as in most recipes.
  void backward(Context<Device>& context) {
    ops::attention_backward<float>(context, geometry_, part(qkv_, 0), part(qkv_, 1), part(qkv_, 2), pad_, table_,
                                   table_, out_.view().matrix(), lse_, dout_.view().matrix(), part(dqkv_, 0),
                                   part(dqkv_, 1), part(dqkv_, 2), {}, {}, {});
  }

  /// Operations of a forward pass: two products and, where there are positions, their terms. Padded tokens are keys
  /// like any other and no queries.
  double flops_forward() const {
    const double relative = table_.empty() ? 0 : count(geometry_.table_h() + geometry_.table_w());
    return 2 * count(out_.size()) * (2 * count(geometry_.keys_per_item()) + relative);
  }
  /// Of a backward pass: the scores again, and the gradients of scores, queries, keys and values.
  double flops_backward() const { return flops_forward() / 2 * 5; }
  double bytes_forward() const { return 4 * count(out_.size()) * sizeof(float); }   ///< read and written, at least
  double bytes_backward() const { return 8 * count(out_.size()) * sizeof(float); }  ///< the same

 private:
  static constexpr Index heads = 12, dim = 64, channels = heads * dim;
  template <class Matrix>
  static auto part(Matrix& matrix, Index i) {
    return matrix.view().matrix().columns(i * channels, channels);
  }

  ops::AttentionGeometry geometry_;
  Tensor<float, Device> qkv_, pad_, table_, dout_, out_, dqkv_, lse_;
};

/// Embedding images.
template <class Device>
class Embedding {
 public:
  Embedding(Context<Device>& context, Index size, Index images)
      : model_(vit_b(size)), images_(filled<Device>({images, size, size, 3}, -2, 2)) {
    randomize(model_, Random(1));
    prepare(context, model_);
  }
  void operator()(Context<Device>& context) {
    WorkspaceScope<Device> scope(context);
    model_.sam.encode(context, images_);
  }

 private:
  TextPromptedSam<float, Device, recipes::ZeroShot> model_;
  Tensor<float, Device> images_;
};

/// Gives an SVD layer factors at random in place of its weight's: no step's time depends on their values, and the
/// decomposition of a whole model takes many steps' time.
template <class Device, class Layer>
void draw_factors(Context<Device>& context, Layer& layer) {
  using Values = std::remove_cvref_t<decltype(layer.factors.s)>;
  const Index out = layer.weight.value.dim(0), in = layer.weight.value.size() / out, rank = std::min(out, in);
  const auto draw = [](const Shape& shape, double low, double high) {
    Random random(static_cast<std::uint64_t>(shape.elements()));
    std::vector<float> values(static_cast<std::size_t>(shape.elements()));
    for (float& value : values) value = static_cast<float>(random.uniform(low, high));
    return Values(shape, values);
  };
  const double bound = 1 / std::sqrt(count(rank));
  layer.set_factors(context, {draw({out, rank}, -bound, bound), draw({rank}, 0.5, 1), draw({rank, in}, -bound, bound)});
}

/// One step of a training: forward, loss, backward, AdamW.
template <class Device, class Recipe>
class TrainingStep {
 public:
  /// `images` of `size` pixels a side, each asked for `labels` labels; `recompute`: see ImageEncoderViT.
  TrainingStep(Context<Device>& context, Index size, Index images, Index labels = 1, bool recompute = false)
      : model_(vit_b(size)),
        images_(filled<Device>({images, size, size, 3}, -2, 2)),
        text_(filled<Device>({images * labels, 512}, -1, 1)),
        loss_(Shape{1}) {
    randomize(model_, Random(1));
    walk_layers(model_, [&](const Path&, auto& layer) {
      if constexpr (FactoredLayer<decltype(layer)>) draw_factors(context, layer);
    });
    prepare(context, model_);
    model_.sam.image_encoder.recompute = recompute;
    Tensor<float, Cpu> inside = filled<Cpu>({images * labels, size, size}, 0, 1);
    for (Index i = 0; i < inside.size(); ++i) inside.data()[i] = inside.data()[i] > 0.5f ? 1.0f : 0.0f;
    masks_ = Tensor<float, Device>(inside.shape(), inside.to_host());
    context.training = true;
  }
  void operator()(Context<Device>& context) {
    WorkspaceScope<Device> scope(context);
    const auto probability = model_.forward(context, images_, text_, record_);
    const auto dprobability = allocate<float>(context, probability.shape());
    ops::mask_loss<float>(context, probability, masks_, {}, dprobability, 1, loss_.view());
    model_.backward(context, record_, dprobability);
    optimizer_.step(context, model_);
  }

 private:
  using Model = TextPromptedSam<float, Device, Recipe>;
  Model model_;
  typename Model::Record record_;
  Tensor<float, Device> images_, text_, masks_;
  Tensor<double, Device> loss_;
  AdamW<float, Device> optimizer_;
};

/// What is done with the weights of the encoder's linear layers.
enum class Method {
  encode,  ///< the encoder's forward pass alone
  ssam,    ///< S-SAM step
  lora,    ///< LoRA step
  full     ///< step of full fine-tuning
};

/// Operations that a step needs, two per multiply-add, by where they are spent.
struct StepFlops {
  double linear = 0;        ///< linear layers of the encoder's blocks, adapters among them
  double windows = 0;       ///< attention in windows
  double global = 0;        ///< attention to the whole grid
  double convolutions = 0;  ///< patch embedding and neck
  double decoder = 0;       ///< the mask decoder's large products
  double total() const { return linear + windows + global + convolutions + decoder; }
};

/// Of one step with `images` images, each asked for `labels` labels.
inline StepFlops step_flops(const SamConfig& config, Method method, Index images, Index labels) {
  const double c = count(config.embed_dim), out = count(config.out_channels), side = count(config.grid());
  const Index rows = images * config.grid() * config.grid();
  const double n = count(rows), patch = count(config.patch_size * config.patch_size * 3);
  // Multiply-adds of a linear layer: its answer, its input's gradient and, where it is trained whole, its weight's.
  const auto linear = [&](Index m, Index k) {
    const double product = n * count(m) * count(k), rank = count(std::min(m, k));
    if (method == Method::encode) return product;
    if (method == Method::full) return 3 * product;
    if (method == Method::lora) return 2 * product + 3 * 4 * n * count(m + k);  // rank 4
    using Layer = SVDLinear<float, Cpu>;
    return Layer::cheaper_form(rows, m, k) == Layer::Form::factored ? 2 * n * rank * count(m + k)
                                                                    : 3 * product + 2 * rank * count(m) * count(k);
  };
  const double passes = method == Method::encode ? 1 : method == Method::full ? 3 : 2;
  const double attention = method == Method::encode ? 1 : 3.5;  // two products forward, five backward
  StepFlops flops;
  for (Index block = 0; block < config.depth; ++block) {
    const Index d = config.embed_dim;
    flops.linear += 2 * (linear(3 * d, d) + linear(d, d) + linear(4 * d, d) + linear(d, 4 * d));
    const double extent = config.is_global(block) ? side : count(config.window);
    (config.is_global(block) ? flops.global : flops.windows) +=
        2 * attention * n * c * (2 * extent * extent + 2 * extent);
  }
  flops.convolutions = 2 * n * (patch * c + passes * out * (c + 9 * out));
  if (method != Method::encode) {
    // Two blocks with four projections of the image, two in front of the last attention; both doublings, the masks.
    const double projections = 10 * out * out / 2, raised = out * out + 4 * out / 4 * out / 2 + 16 * out / 8;
    flops.decoder = 2 * passes * n * count(labels) * (projections + raised);
  }
  return flops;
}

}  // namespace bench
