#pragma once

#include <memory>
#include <ssam/data/preprocess.hpp>
#include <ssam/sam/adapter.hpp>
#include <ssam/sam/open_sam.hpp>
#include <ssam/sam/postprocess.hpp>
#include <ssam/sam/prompt.hpp>
#include <ssam/text/features.hpp>
#if defined(SSAM_WITH_OPENCV)
#include <ssam/data/image.hpp>
#endif

namespace ssam::inline SSAM_ABI {

/// How a predictor is opened.
struct PredictorOptions {
  std::filesystem::path adapter = {};         ///< folder of a trained adapter of the predictor's recipe; "": none
  std::optional<TextFeatures> features = {};  ///< of labels beyond the adapter's own; see features_to_ask()
  SamChoice choice = {};                      ///< what is known better than the checkpoint's own word
  int threads = 0;                            ///< of the context; 0: all cores
};

/// Segment Anything for one image after the other: an image is encoded once and then asked any number of prompts. Like
/// segment-anything's SamPredictor, whose answers it gives, with labels beside points, box and mask.
///
/// A model may be shared by any number of predictors, each used by one thread at a time.
template <class Recipe = recipes::ZeroShot, class Device = Cpu, class Scalar = float>
class SamPredictor {
 public:
  using Model = TextPromptedSam<Scalar, Device, Recipe>;  ///< what answers
  using View = TensorView<Scalar, Device>;                ///< a tensor to write
  using ConstView = TensorView<const Scalar, Device>;     ///< a tensor to read

  /// Opens a checkpoint: backbone, configuration and preparation of pictures are found by themselves. An adapter is
  /// loaded and merged; labels are asked for with the text features that it, or the checkpoint, was trained with.
  /// Throws as open_sam_checkpoint, load_weights, load_adapter.
  explicit SamPredictor(const std::filesystem::path& checkpoint, const PredictorOptions& options = {})
      : SamPredictor(nullptr, std::make_shared<Context<Device>>(options.threads)) {
    std::optional<AdapterInfo> info;
    if (!options.adapter.empty()) info = read_adapter_info(options.adapter);
    SamCheckpoint opened = open_sam_checkpoint(checkpoint, options.choice, info ? &*info : nullptr);
    auto model = std::make_shared<Model>(opened.config);
    load_weights(*model, std::move(opened.weights), checkpoint.string());
    has_text_affine_ = opened.has_text_affine || info;
    if (info) {
      prepare(*context_, *model);
      opened.text = load_adapter(*model, options.adapter).trained_text();
      merge(*context_, *model);
    }
    trained_ = std::move(opened.text);
    features_ = options.features;
    take_model(std::move(model));
  }

  /// A model that is ready to answer, and a context to compute in. `features`: of labels; none: hashed label names.
  SamPredictor(std::shared_ptr<const Model> model, std::shared_ptr<Context<Device>> context,
               std::optional<TextFeatures> features = {})
      : context_(std::move(context)), features_(std::move(features)), has_text_affine_(true) {
    if (model) take_model(std::move(model));
  }

  const SamConfig& config() const { return model_->sam.config; }  ///< of the model
  Context<Device>& context() { return *context_; }                ///< what it computes in
  bool has_image() const { return original_.height > 0; }         ///< whether prompts can be asked
  ImageSize image_size() const { return original_; }              ///< of the image, as it was given

  /// Encodes an image of any size.
  void set_image(const Image& image) {
    set_input(preprocess(image, config().image_size, config().preparation), {image.height, image.width});
  }
  /// The same of pixels in memory: `rgb` [height, width, 3], 8 bits each.
  void set_image(const std::uint8_t* rgb, Index height, Index width) {
    Image image(height, width);
    std::copy_n(rgb, image.rgb.size(), image.rgb.data());
    set_image(image);
  }
#if defined(SSAM_WITH_OPENCV)
  /// The same of a PNG, JPEG or BMP. Throws as load_image.
  void set_image(const std::filesystem::path& file) { set_image(load_image(file, config().preparation.intensity)); }
#else
  /// Not in this build: needs OpenCV.
  template <std::convertible_to<std::filesystem::path> File>
  void set_image(const File&) {
    static_assert(is_meta<File>,
                  "ssam: a picture's file needs OpenCV, which this build was not given: hand over its "
                  "pixels (an Image, or rgb, height, width)");
  }
#endif
  /// Encodes an image that was prepared: normalised floats `input` [S, S, 3], which stand for an image of size
  /// `original`. Throws ShapeError, and Error where the embedding is not finite.
  void set_input(const std::vector<float>& input, ImageSize original) {
    const Index side = config().image_size;
    if (static_cast<Index>(input.size()) != side * side * 3) {
      throw ShapeError(ErrorText{.what = "the prepared image has the wrong size",
                                 .expected = Shape{side, side, 3}.str(),
                                 .found = std::to_string(input.size()) + " values"});
    }
    original_ = {};
    WorkspaceScope<Device> scope(*context_);
    const TrainingMode<Device> mode(*context_, false);
    const std::vector<Scalar> values(input.begin(), input.end());
    const View images = allocate<Scalar>(*context_, {1, side, side, 3});
    ops::upload<Scalar>(*context_, values.data(), images);
    ops::copy<Scalar>(*context_, model_->sam.encode(*context_, images), embedding_.view());
    require_finite(download(embedding_), "the image embedding");
    original_ = original;
  }

  /// The embedding of the image, [1, C, h, w] as published: what `set_embedding` takes.
  HostTensor embedding() const {
    require_image();
    const Shape& shape = embedding_.shape();
    WorkspaceScope<Device> scope(*context_);
    const View channels_first = allocate<Scalar>(*context_, {1, shape[3], shape[1], shape[2]});
    ops::nhwc_to_nchw<Scalar>(*context_, embedding_, channels_first);
    return HostTensor::from(channels_first.shape(), download(channels_first));
  }
  /// Takes an embedding that was saved, of an image of size `original`. Throws ShapeError.
  void set_embedding(const HostTensor& saved, ImageSize original) {
    const Shape& shape = embedding_.shape();
    if (!(saved.shape == Shape{1, shape[3], shape[1], shape[2]})) {
      throw ShapeError(ErrorText{.what = "the embedding is not one of this model",
                                 .expected = Shape{1, shape[3], shape[1], shape[2]}.str(),
                                 .found = saved.shape.str()});
    }
    WorkspaceScope<Device> scope(*context_);
    const std::vector<Scalar> values = saved.to<Scalar>();
    const View channels_first = allocate<Scalar>(*context_, saved.shape);
    ops::upload<Scalar>(*context_, values.data(), channels_first);
    ops::nchw_to_nhwc<Scalar>(*context_, channels_first, embedding_.view());
    context_->synchronize();
    original_ = original;
  }

  /// Answers one prompt. Throws Error before an image was set, ConfigError for a prompt that makes no sense,
  /// MismatchError for a label without text features, Error where the answer is not finite.
  Prediction predict(const SamPrompt& prompt) { return predict(std::vector<SamPrompt>{prompt}).front(); }

  /// Answers prompts; those of one make-up, one behind the other, are decoded together.
  std::vector<Prediction> predict(const std::vector<SamPrompt>& prompts) {
    std::vector<Prediction> answers;
    for (std::size_t first = 0; first < prompts.size();) {
      std::size_t end = first + 1;
      while (end < prompts.size() && end - first < most_together && alike(prompts[first], prompts[end])) ++end;
      WorkspaceScope<Device> scope(*context_);
      const auto result = decode({prompts.data() + first, end - first});
      for (Index p = 0; p < result.low_res.dim(0); ++p) {
        answers.push_back(full_size(result, p));
        require_finite(answers.back().low_res, "the mask of prompt " + std::to_string(answers.size()));
        require_finite(answers.back().iou, "the predicted IoU of prompt " + std::to_string(answers.size()));
      }
      first = end;
    }
    return answers;
  }

  /// The decoder's answers to prompts of one make-up, as they are: low_res [P, M, 4g, 4g] and iou [P, M], workspace
  /// tensors.
  typename Sam<Scalar, Device, Recipe>::Decoder::Result decode(std::span<const SamPrompt> prompts) {
    require_image();
    if (prompts.empty()) throw ConfigError("there is no prompt to answer");
    const TrainingMode<Device> mode(*context_, false);
    const SamPrompt& first = prompts.front();
    Prompts together{static_cast<Index>(prompts.size()), {}, {}, {}, {}};
    std::vector<Scalar> text;
    for (const SamPrompt& prompt : prompts) append(prompt, together, text);
    ConstView tokens;
    if (!first.label.empty()) {
      const View features = allocate<Scalar>(*context_, {together.count, model_->text_dim()});
      ops::upload<Scalar>(*context_, text.data(), features);
      tokens = model_->embed_text(*context_, features);
    }
    const bool multi = first.multimask_output && first.label.empty();
    return model_->sam.decode(*context_, embedding_, together, tokens, multi ? MaskOutput::multi : MaskOutput::single);
  }

  /// Mask logits `low_res` [h, w] of the decoder at the image's own size, [height, width]; a workspace tensor.
  View upscale(ConstView low_res) {
    const ImageSize inside = inside_size();
    return postprocess_masks<Scalar, Device>(*context_, low_res.reshape({1, 1, low_res.dim(-2), low_res.dim(-1)}),
                                             config().image_size, inside.height, inside.width, original_.height,
                                             original_.width)
        .reshape({original_.height, original_.width});
  }

  /// The elements of a tensor on the host, as floats. Waits for the device.
  std::vector<float> download(ConstView view) const {
    std::vector<Scalar> values(static_cast<std::size_t>(view.size()));
    ops::download<Scalar>(*context_, view, values.data());
    return {values.begin(), values.end()};
  }

 private:
  /// Prompts that are decoded together: each takes tens of megabytes at 1024 px.
  static constexpr std::size_t most_together = 8;

  void take_model(std::shared_ptr<const Model> model) {
    model_ = std::move(model);
    const Index grid = config().grid();
    embedding_ = Tensor<Scalar, Device>({1, grid, grid, config().out_channels});
  }

  void require_image() const {
    if (has_image()) return;
    throw Error(ErrorText{.what = "there is no image to ask about", .advice = "call set_image first"});
  }

  /// Size of the image inside the model's input.
  ImageSize inside_size() const {
    return prepared_size(original_.height, original_.width, config().image_size, config().preparation);
  }

  static bool alike(const SamPrompt& a, const SamPrompt& b) {
    return a.points.size() == b.points.size() && a.box.has_value() == b.box.has_value() &&
           a.mask_input.empty() == b.mask_input.empty() && a.label.empty() == b.label.empty() &&
           a.multimask_output == b.multimask_output;
  }

  /// Adds a prompt to the decoder's, its coordinates as those of the image inside the model's input.
  void append(const SamPrompt& prompt, Prompts& to, std::vector<Scalar>& text) const {
    if (prompt.points.empty() && !prompt.box && prompt.mask_input.empty() && prompt.label.empty()) {
      throw ConfigError(ErrorText{.what = "the prompt is empty", .expected = "points, a box, a mask or a label"});
    }
    if (!prompt.point_labels.empty() && prompt.point_labels.size() != prompt.points.size()) {
      throw ConfigError(ErrorText{.what = "the prompt has another number of point labels than of points",
                                  .expected = std::to_string(prompt.points.size()),
                                  .found = std::to_string(prompt.point_labels.size())});
    }
    const ImageSize inside = inside_size();
    const auto place = [&](double x, double y, std::vector<double>& at) {
      require_inside("x", x, original_.width);
      require_inside("y", y, original_.height);
      at.push_back(x * (static_cast<double>(inside.width) / static_cast<double>(original_.width)));
      at.push_back(y * (static_cast<double>(inside.height) / static_cast<double>(original_.height)));
    };
    for (std::size_t i = 0; i < prompt.points.size(); ++i) {
      place(prompt.points[i][0], prompt.points[i][1], to.points);
      to.labels.push_back(prompt.point_labels.empty() ? 1 : prompt.point_labels[i]);
    }
    if (prompt.box) {
      place((*prompt.box)[0], (*prompt.box)[1], to.boxes);
      place((*prompt.box)[2], (*prompt.box)[3], to.boxes);
    }
    require_finite_input(prompt.mask_input);
    to.masks.insert(to.masks.end(), prompt.mask_input.begin(), prompt.mask_input.end());
    if (prompt.label.empty()) return;
    if (!has_text_affine_) {
      throw ConfigError(ErrorText{.what = "this model cannot be asked for a label: nothing has trained its text affine "
                                          "layer (SAM itself knows no text)",
                                  .advice = "use a trained adapter, or a checkpoint that one was merged into"});
    }
    // Not before: a model whose features nobody has answers to points all the same.
    if (!asked_) asked_ = features_to_ask(trained_, features_, model_->text_dim());
    const std::vector<float> feature = asked_->at(prompt.label);
    if (static_cast<Index>(feature.size()) != model_->text_dim()) {
      throw MismatchError(ErrorText{.what = "the text features do not fit the model",
                                    .expected = std::to_string(model_->text_dim()) + " values",
                                    .found = std::to_string(feature.size())});
    }
    text.insert(text.end(), feature.begin(), feature.end());
  }

  static void require_inside(const char* axis, double at, Index extent) {
    if (at >= 0 && at <= static_cast<double>(extent)) return;
    throw ConfigError(ErrorText{.what = "a point or box lies outside the image",
                                .expected = std::string(axis) + " in 0.." + std::to_string(extent),
                                .found = std::to_string(at)});
  }
  static void require_finite_input(const std::vector<float>& mask) {
    if (count_nonfinite<float>(mask) > 0) throw ConfigError("the mask of the prompt is not finite");
  }

  template <class Result>
  Prediction full_size(const Result& result, Index p) {
    Prediction answer{.masks = result.low_res.dim(1),
                      .height = original_.height,
                      .width = original_.width,
                      .low_res_size = result.low_res.dim(3),
                      .logits = {},
                      .iou = download(result.iou.slice(p)),
                      .low_res = download(result.low_res.slice(p))};
    for (Index m = 0; m < answer.masks; ++m) {
      WorkspaceScope<Device> scope(*context_);
      const std::vector<float> full = download(upscale(result.low_res.slice(p).slice(m)));
      answer.logits.insert(answer.logits.end(), full.begin(), full.end());
    }
    return answer;
  }

  std::shared_ptr<Context<Device>> context_;
  std::shared_ptr<const Model> model_;
  TrainedText trained_;                        ///< of the text affine layer; nothing where nobody recorded it
  std::optional<TextFeatures> features_;       ///< those given
  mutable std::optional<TextFeatures> asked_;  ///< those that labels are asked with
  bool has_text_affine_ = false;
  Tensor<Scalar, Device> embedding_;  // [1, h, w, C]
  ImageSize original_;
};

/// SamPredictor("sam_vit_b.pth") is one of SAM without an adapter, on the host, in float.
SamPredictor(const char*)->SamPredictor<>;
/// The same of a path.
SamPredictor(std::filesystem::path)->SamPredictor<>;

}  // namespace ssam::inline SSAM_ABI
