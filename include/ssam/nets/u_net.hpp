#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <ssam/adapt/model_state.hpp>
#include <ssam/adapt/segmentation_model.hpp>
#include <ssam/data/preprocess.hpp>
#include <ssam/nn/batch_norm.hpp>
#include <ssam/nn/convolution.hpp>
#include <ssam/nn/initialization.hpp>

namespace ssam::inline SSAM_ABI {

/// What shapes a U-Net.
struct UNetConfig {
  Index image_size = 256;        ///< side of the input, a multiple of 16
  Index labels = 1;              ///< one output each
  Index width = 64;              ///< channels of the first level; each of the four below has twice as many
  Preparation preparation = {};  ///< of pictures and masks

  /// Throws ConfigError.
  constexpr void check() const {
    if (image_size > 0 && image_size % 16 == 0 && labels > 0 && width > 0) return;
    throw ConfigError(ErrorText{.what = "this U-Net cannot be built",
                                .expected = "image_size divisible by 16, positive labels and width"});
  }
};

/// The extents of a U-Net as JSON.
inline nlohmann::json to_json(const UNetConfig& config) {
  return {{"image_size", config.image_size}, {"labels", config.labels}, {"width", config.width}};
}

/// Two times convolution 3x3 with padding, batch norm (unless `Normalized` is false), ReLU.
template <class Scalar, class Device, bool Normalized>
class DoubleConvolution {
 public:
  using View = TensorView<Scalar, Device>;                                              ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;                                   ///< a tensor to read
  using Layer = Convolution<Scalar, Device, Linear<Scalar, Device, Trained, Trained>>;  ///< 3x3
  using Norm = BatchNorm<Scalar, Device, Trained>;                                      ///< behind it
  /// What forward leaves for backward.
  struct Record {
    typename Layer::Record layer[2];  ///< of the two convolutions
    typename Norm::Record norm[2];    ///< of the two norms
    ConstView active[2];              ///< behind the two ReLUs
  };

  constexpr DoubleConvolution() = default;  ///< empty, to be assigned
  /// From `in` to `out` channels.
  constexpr DoubleConvolution(Index in, Index out)
      : first(in, out, 3, 1, 1), first_norm(out), second(out, out, 3, 1, 1), second_norm(out) {}

  /// x [B, H, W, in] -> y [B, H, W, out]. In training everything for backward stays in the workspace.
  void forward(Context<Device>& context, ConstView x, View y, Record& record) {
    const View middle = allocate<Scalar>(context, y.shape());
    step(context, first, first_norm, x, middle, record, 0);
    step(context, second, second_norm, middle, y, record, 1);
  }

  /// x [B, H, W, in] -> y [B, H, W, out] outside of training, which keeps nothing.
  void infer(Context<Device>& context, ConstView x, View y) const {
    WorkspaceScope<Device> scope(context);
    const View middle = allocate<Scalar>(context, y.shape());
    infer_step(context, first, first_norm, x, middle);
    infer_step(context, second, second_norm, middle, y);
  }

  /// Adds to the gradients; dy is used up, dx overwritten unless it is empty.
  void backward(Context<Device>& context, const Record& record, View dy, View dx) {
    WorkspaceScope<Device> scope(context);
    const View dmiddle = allocate<Scalar>(context, dy.shape());
    back(context, second, second_norm, record, 1, dy, dmiddle);
    back(context, first, first_norm, record, 0, dmiddle, dx);
  }

  /// Names as in the widespread implementation of milesial.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.child("double_conv.0", self.first);
    if constexpr (Normalized) visitor.child("double_conv.1", self.first_norm);
    visitor.child("double_conv.3", self.second);
    if constexpr (Normalized) visitor.child("double_conv.4", self.second_norm);
  }

  Layer first;       ///< in -> out
  Norm first_norm;   ///< over out
  Layer second;      ///< out -> out
  Norm second_norm;  ///< over out

 private:
  static void step(Context<Device>& context, const Layer& layer, Norm& norm, ConstView x, View y, Record& record,
                   int i) {
    if constexpr (Normalized) {
      const View raw = allocate<Scalar>(context, y.shape());
      layer.forward(context, x, raw, record.layer[i]);
      norm.forward(context, raw, y, record.norm[i]);
    } else {
      layer.forward(context, x, y, record.layer[i]);
    }
    ops::relu_forward<Scalar>(context, y, y);
    record.active[i] = y;
  }
  static void infer_step(Context<Device>& context, const Layer& layer, const Norm& norm, ConstView x, View y) {
    typename Layer::Record record;
    layer.forward(context, x, y, record);
    if constexpr (Normalized) norm.infer(context, y, y);
    ops::relu_forward<Scalar>(context, y, y);
  }
  static void back(Context<Device>& context, Layer& layer, Norm& norm, const Record& record, int i, View dy, View dx) {
    ops::relu_backward<Scalar>(context, record.active[i], dy, dy);
    if constexpr (Normalized) norm.backward(context, record.norm[i], dy, dy);
    layer.backward(context, record.layer[i], dy, dx);
  }
};

/// U-Net (MICCAI 2015), the first traditional row of S-SAM's tables: four levels of double convolutions and 2x2
/// pooling, the way back up by 2x2 transposed convolutions with skip connections, one output per label. A
/// SegmentationModel: all of it is trained, labels are told apart by their place in the list.
template <class Scalar, class Device, bool Normalized = true>
class UNet {
 public:
  using Scalar_ = Scalar;                                       ///< of its weights
  using Device_ = Device;                                       ///< where they are
  using View = TensorView<Scalar, Device>;                      ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;           ///< a tensor to read
  using Block = DoubleConvolution<Scalar, Device, Normalized>;  ///< of a level
  using Up = ConvTranspose2x2<Scalar, Device, Trained>;         ///< between levels
  using Out = Linear<Scalar, Device, Trained, Trained>;         ///< 1x1 convolution to the labels
  static constexpr Index levels = 4;                            ///< below the first
  static constexpr bool normalizes_prompts = false;             ///< see SegmentationModel
  /// What forward leaves for backward.
  struct Record {
    typename Block::Record down[levels + 1];  ///< from the input down
    typename Block::Record up[levels];        ///< from the bottom up
    typename Up::Record raise[levels];        ///< from the bottom up
    typename Out::Record out;                 ///< of the last layer
    ConstView skip[levels];                   ///< answers of the levels on the way down
    ConstView probability;                    ///< [P, S, S]
    std::vector<Index> labels;                ///< of the P answers
    Index images = 0;                         ///< B
  };

  constexpr UNet() = default;  ///< empty, to be assigned
  /// Throws ConfigError for a configuration (`built_for`) that cannot be built. Weights are zero: `initialize` them, or
  /// `load_state`.
  constexpr explicit UNet(const UNetConfig& built_for)
      : config((built_for.check(), built_for)), outc(Shape{config.labels, 1, 1, config.width}) {
    for (Index level = 0; level <= levels; ++level) {
      down.emplace_back(level == 0 ? 3 : channels(level - 1), channels(level));
    }
    for (Index level = levels; level-- > 0;) {
      raise.emplace_back(channels(level + 1), channels(level));
      up.emplace_back(2 * channels(level), channels(level));
    }
  }

  std::string name() const { return "u_net"; }  ///< in files
  /// All of it is trained.
  std::string recipe() const { return Normalized ? "u_net" : "u_net_without_batch_norm"; }
  std::string rule() const { return ""; }                                ///< there is one
  const UNetConfig& configuration() const { return config; }             ///< its extents
  ParameterCount count() const { return parameter_count_of(*this); }     ///< all of it is trained
  Index image_size() const { return config.image_size; }                 ///< side of the input
  const Preparation& preparation() const { return config.preparation; }  ///< of pictures
  Index text_dim() const { return 0; }                                   ///< it takes no text
  std::string base_hash() const { return base_hash_.data(); }            ///< of the file it began with, or ""
  /// Said by what loads a file, whose content has this `hash`.
  void set_base_hash(const std::string& hash) { hash.copy(base_hash_.data(), base_hash_.size() - 1); }

  /// PyTorch's way: weights and biases uniform in +-1/sqrt(fan in), norms 1 and 0.
  void initialize(Random& random) {
    Index fan_in = 1;  // of a layer's weight, and then of its bias
    walk(*this, [&](const Path&, auto& parameter, Group group, Layout layout) {
      if (group != Group::weights && group != Group::biases) return;
      const Shape& shape = parameter.value.shape();
      if (group == Group::weights) {
        fan_in = layout == Layout::conv_transpose_2x2 ? shape[0] : shape.elements() / shape[0];
      }
      initialize_uniform(parameter.value, fan_in, random);
    });
    for (Block& block : down) initialize(block, random);
    for (Block& block : up) initialize(block, random);
  }

  /// Normalised images [B, S, S, 3], P labels -> probability [P, S, S]; image i is asked for P / B of them. Everything
  /// for backward stays in the workspace.
  View forward(Context<Device>& context, ConstView images, const LabelPrompts<Scalar, Device>& prompts,
               Record& record) {
    check_input(images, prompts);
    record.images = images.dim(0);
    record.labels.assign(prompts.labels.begin(), prompts.labels.end());
    ConstView x = images;
    for (Index level = 0; level <= levels; ++level) {
      const View y = allocate<Scalar>(context, level_shape(record.images, level));
      down[at(level)].forward(context, x, y, record.down[level]);
      x = y;
      if (level == levels) break;
      record.skip[level] = y;
      const View pooled = allocate<Scalar>(context, {y.dim(0), y.dim(1) / 2, y.dim(2) / 2, y.dim(3)});
      ops::max_pool_forward<Scalar>(context, y, pooled);
      x = pooled;
    }
    for (Index i = 0; i < levels; ++i) {
      const Index level = levels - 1 - i;
      const View joined = join(context, raise[at(i)], x, record.skip[level], record.raise[i]);
      const View y = allocate<Scalar>(context, level_shape(record.images, level));
      up[at(i)].forward(context, joined, y, record.up[i]);
      x = y;
    }
    const View logits = allocate<Scalar>(context, {x.dim(0), x.dim(1), x.dim(2), config.labels});
    outc.forward(context, x.matrix(), logits.matrix(), record.out);
    const View probability = pick(context, logits, prompts.labels);
    ops::sigmoid_forward<Scalar>(context, probability, probability);
    record.probability = probability;
    return probability;
  }

  /// Adds the gradients of a loss with dLoss/dprobability [P, S, S].
  void backward(Context<Device>& context, const Record& record, ConstView dprobability) {
    WorkspaceScope<Device> scope(context);
    const Index size = config.image_size;
    const View dpicked = allocate<Scalar>(context, dprobability.shape());
    ops::sigmoid_backward<Scalar>(context, record.probability, dprobability, dpicked);
    const View dlogits = allocate<Scalar>(context, {record.images, size, size, config.labels});
    ops::fill<Scalar>(context, dlogits, Scalar(0));
    each_label(record.labels, dlogits, [&](Index p, MatrixView<Scalar, Device> column) {
      ops::accumulate_matrix<Scalar>(context, std::as_const(dpicked).slice(p).matrix(size * size), column);
    });
    View dx = allocate<Scalar>(context, level_shape(record.images, 0));
    outc.backward(context, record.out, dlogits.matrix(), dx.matrix());
    View dskip[levels];
    for (Index i = levels; i-- > 0;) {
      const Index level = levels - 1 - i;
      const Index width = channels(level);
      dskip[level] = allocate<Scalar>(context, level_shape(record.images, level));
      const View dbelow = allocate<Scalar>(context, level_shape(record.images, level + 1));
      WorkspaceScope<Device> inner(context);
      const Shape& shape = dskip[level].shape();
      const View djoined = allocate<Scalar>(context, {shape[0], shape[1], shape[2], 2 * width});
      up[at(i)].backward(context, record.up[i], dx, djoined);
      const MatrixView<const Scalar, Device> both = std::as_const(djoined).matrix();
      ops::copy_matrix<Scalar>(context, both.columns(0, width), dskip[level].matrix());
      const View draised = allocate<Scalar>(context, shape);
      ops::copy_matrix<Scalar>(context, both.columns(width, width), draised.matrix());
      raise[at(i)].backward(context, record.raise[i], draised, dbelow);
      dx = dbelow;
    }
    for (Index level = levels; level > 0; --level) {
      WorkspaceScope<Device> inner(context);
      const View dpooled = allocate<Scalar>(context, pooled_shape(record.images, level - 1));
      const View dabove = allocate<Scalar>(context, level_shape(record.images, level - 1));
      down[at(level)].backward(context, record.down[level], dx, dpooled);
      ops::max_pool_backward<Scalar>(context, record.skip[level - 1], dpooled, dabove);
      ops::accumulate<Scalar>(context, dabove, dskip[level - 1]);
      dx = dskip[level - 1];
    }
    down[0].backward(context, record.down[0], dx, {});
  }

  /// Normalised images [B, S, S, 3] -> logits of every label [B, S, S, labels], with the running statistics.
  View encode_image(Context<Device>& context, ConstView images) const {
    const View logits = allocate<Scalar>(context, {images.dim(0), config.image_size, config.image_size, config.labels});
    WorkspaceScope<Device> scope(context);
    ConstView x = images, skip[levels];
    for (Index level = 0; level <= levels; ++level) {
      const View y = allocate<Scalar>(context, level_shape(images.dim(0), level));
      down[at(level)].infer(context, x, y);
      x = y;
      if (level == levels) break;
      skip[level] = y;
      const View pooled = allocate<Scalar>(context, pooled_shape(images.dim(0), level));
      ops::max_pool_forward<Scalar>(context, y, pooled);
      x = pooled;
    }
    for (Index i = 0; i < levels; ++i) {
      const Index level = levels - 1 - i;
      typename Up::Record unused;
      const View y = allocate<Scalar>(context, level_shape(images.dim(0), level));
      WorkspaceScope<Device> inner(context);
      const View joined = join(context, raise[at(i)], x, skip[level], unused);
      up[at(i)].infer(context, joined, y);
      x = y;
    }
    typename Out::Record unused;
    outc.forward(context, x.matrix(), logits.matrix(), unused);
    return logits;
  }
  /// The logits of P labels of one image [P, S, S], out of all of them [1, S, S, labels].
  View decode_labels(Context<Device>& context, ConstView logits, const LabelPrompts<Scalar, Device>& prompts) const {
    return pick(context, logits, prompts.labels);
  }

  /// Names as in the widespread implementation of milesial.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    constexpr const char* downs[] = {"inc", "down1.maxpool_conv.1", "down2.maxpool_conv.1", "down3.maxpool_conv.1",
                                     "down4.maxpool_conv.1"};
    constexpr const char* raises[] = {"up1.up", "up2.up", "up3.up", "up4.up"};
    constexpr const char* ups[] = {"up1.conv", "up2.conv", "up3.conv", "up4.conv"};
    for (std::size_t level = 0; level < self.down.size(); ++level) visitor.child(downs[level], self.down[level]);
    for (std::size_t i = 0; i < self.up.size(); ++i) {
      visitor.child(raises[i], self.raise[i]);
      visitor.child(ups[i], self.up[i]);
    }
    visitor.child("outc.conv", self.outc);
  }

  UNetConfig config;        ///< what it was built for
  std::vector<Block> down;  ///< of every level, the input's first
  std::vector<Up> raise;    ///< from the bottom up
  std::vector<Block> up;    ///< from the bottom up
  Out outc;                 ///< to the labels

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  constexpr Index channels(Index level) const { return config.width << level; }
  Shape level_shape(Index images, Index level) const {
    return {images, config.image_size >> level, config.image_size >> level, channels(level)};
  }
  Shape pooled_shape(Index images, Index level) const {
    return {images, config.image_size >> (level + 1), config.image_size >> (level + 1), channels(level)};
  }

  static void initialize(Block& block, Random& random) {
    block.first_norm.initialize(random);
    block.second_norm.initialize(random);
  }

  void check_input(ConstView images, const LabelPrompts<Scalar, Device>& prompts) const {
    const Index size = config.image_size, count = static_cast<Index>(prompts.labels.size());
    if (images.shape().rank() != 4 || !(images.shape() == Shape{images.dim(0), size, size, 3})) {
      throw ShapeError(ErrorText{.what = "the U-Net was built for images of another shape",
                                 .expected = "[B, " + std::to_string(size) + ", " + std::to_string(size) + ", 3]",
                                 .found = images.shape().str()});
    }
    if (images.dim(0) == 0 || count % images.dim(0) != 0) {
      throw ShapeError(ErrorText{.what = "prompts do not divide among the images",
                                 .expected = "a multiple of " + std::to_string(images.dim(0)),
                                 .found = std::to_string(count)});
    }
  }

  /// skip and the raised x side by side, [B, H, W, 2 C].
  static View join(Context<Device>& context, const Up& layer, ConstView x, ConstView skip,
                   typename Up::Record& record) {
    const Index width = skip.dim(3);
    const View joined = allocate<Scalar>(context, {skip.dim(0), skip.dim(1), skip.dim(2), 2 * width});
    WorkspaceScope<Device> scope(context);
    const View raised = allocate<Scalar>(context, skip.shape());
    layer.forward(context, x, raised, record);
    ops::copy_matrix<Scalar>(context, skip.matrix(), joined.matrix().columns(0, width));
    ops::copy_matrix<Scalar>(context, std::as_const(raised).matrix(), joined.matrix().columns(width, width));
    return joined;
  }

  /// f(p, the column of label p of its image) for every answer p. Throws ShapeError for a label there is no output for.
  template <class Element, class F>
  void each_label(std::span<const Index> labels, TensorView<Element, Device> logits, const F& f) const {
    const Index pixels = logits.dim(1) * logits.dim(2), all = logits.dim(3);
    const Index each = static_cast<Index>(labels.size()) / logits.dim(0);
    for (Index p = 0; p < static_cast<Index>(labels.size()); ++p) {
      const Index label = labels[at(p)];
      if (label < 0 || label >= all) {
        throw ShapeError(ErrorText{.what = "the U-Net has no output for a label",
                                   .expected = "a place in 0.." + std::to_string(all - 1),
                                   .found = std::to_string(label)});
      }
      f(p, MatrixView<Element, Device>{logits.slice(p / each).data() + label, pixels, 1, all});
    }
  }

  View pick(Context<Device>& context, ConstView logits, std::span<const Index> labels) const {
    const Index h = logits.dim(1), w = logits.dim(2);
    const View picked = allocate<Scalar>(context, {static_cast<Index>(labels.size()), h, w});
    each_label(labels, logits, [&](Index p, MatrixView<const Scalar, Device> column) {
      ops::copy_matrix<Scalar>(context, column, picked.slice(p).matrix(h * w));
    });
    return picked;
  }

  std::array<char, 33> base_hash_ = {};
};

}  // namespace ssam::inline SSAM_ABI
