#pragma once

#include <functional>
#include <ssam/eval/report.hpp>
#include <ssam/sam/postprocess.hpp>
#include <ssam/train/batch.hpp>
#include <ssam/train/embedding_cache.hpp>
#include <ssam/train/finite.hpp>
#include <ssam/train/worst_cases.hpp>

namespace ssam::inline SSAM_ABI {

/// Said beside every evaluation's loss: the published code has the mean over batches of the loss of a whole batch,
/// whose dice term depends on how the samples are grouped.
inline constexpr const char* evaluation_loss_definition =
    "mean over (image, label) samples of each sample's own dice + focal loss at the model's image size; it does "
    "not depend on the batch.";

/// Scores of a model on one split. Sums, so that those of several processes can be added.
struct Evaluation {
  Report report;        ///< at the original image sizes
  Scores scores = {};   ///< the same image by image; their split is left to the caller
  WorstCases worst{};   ///< with their masks, as many as were asked for
  double sum_loss = 0;  ///< over the samples, see evaluation_loss_definition
  Index samples = 0;    ///< (image, label) pairs

  double loss() const { return sum_loss / static_cast<double>(samples); }  ///< mean over the samples; NaN without any

  /// Throws ShapeError when the labels differ, MismatchError when it was measured in another way.
  Evaluation& operator+=(const Evaluation& other) {
    report += other.report;
    scores += other.scores;
    worst += other.worst;
    sum_loss += other.sum_loss;
    samples += other.samples;
    return *this;
  }
};

/// How a split is evaluated.
struct EvaluateOptions {
  std::optional<TextFeatures> features = {};             ///< of the labels; none: hashed label names
  Index batch = 8;                                       ///< images that are read at a time: no number depends on it
  std::function<void(Index, Index)> progress = nullptr;  ///< called with (images done, images)
  ops::MaskLossOptions loss = {};                        ///< of the evaluation's loss
  /// Measures HD, HD95 and NSD: in millimetres where the source knows the spacing of its pixels, else in pixels.
  bool distances = false;
  double tolerance = 1;      ///< of the NSD, in the unit of the distances
  bool centerlines = false;  ///< measures clDice
  /// Features of the same model, as they are made now: found there or kept there. None: every image is encoded.
  EmbeddingCache* embeddings = nullptr;
  Index worst = 0;  ///< how many of the worst cases are kept, with their masks
};

namespace detail {

/// True, or a sentence of the compiler about what is missing.
template <class Model, class Data, class Device>
consteval bool are_trainable() {
  static_assert(SegmentationModel<Model>,
                "ssam: what is to be trained or evaluated is no SegmentationModel: see "
                "ssam/adapt/segmentation_model.hpp");
  static_assert(SampleSource<Data>,
                "ssam: what samples are to come from is no SampleSource: see ssam/data/sample_source.hpp");
  if constexpr (SegmentationModel<Model>) {
    static_assert(std::is_same_v<typename Model::Device_, Device>,
                  "ssam: the model and the context are of different devices");
  }
  return SegmentationModel<Model> && SampleSource<Data>;
}

/// There must be samples, of the model's image size.
template <class Model, class Data>
void require_samples(const Model& model, const Data& data) {
  if (data.items() == 0) throw ConfigError("there are no samples to train or evaluate with: add images");
  if (data.image_size() == model.image_size()) return;
  throw MismatchError(ErrorText{.what = "the data set was opened for another image size than the model's",
                                .expected = std::to_string(model.image_size()),
                                .found = std::to_string(data.image_size())});
}

/// What an evaluation measures: in millimetres where the source knows the spacing of its first picture. Throws
/// ConfigError for a tolerance that is none.
template <class Data>
Measures measures_of(const Data& data, const EvaluateOptions& options) {
  check_tolerance(options.tolerance);
  Measures measures{.centerlines = options.centerlines};
  if (!options.distances) return measures;
  measures.tolerance = options.tolerance;
  measures.unit = pixel_spacing_of(data, 0) ? DistanceUnit::millimetres : DistanceUnit::pixels;
  return measures;
}

/// Evaluates one split: images are read a batch at a time; each is encoded alone, because the last bits of a matrix
/// product depend on its size, and decoded for all its labels.
template <class Model, class Data>
class Evaluator {
 public:
  using Scalar = typename Model::Scalar_;
  using Device = typename Model::Device_;
  using View = TensorView<Scalar, Device>;
  using ConstView = TensorView<const Scalar, Device>;

  Evaluator(Context<Device>& context, Model& model, const Data& data, const EvaluateOptions& options)
      : context_(context),
        model_(model),
        data_(data),
        options_(options),
        group_(std::min(options.batch, data.items())),
        labels_(static_cast<Index>(data.labels().size())),
        size_(data.image_size()),
        measures_(measures_of(data, options)),
        evaluation_{
            .report = Report(data.labels(), measures_), .scores = {measures_}, .worst = WorstCases(options.worst)},
        masks_({std::min(labels_, most_labels), size_, size_}),
        loss_(Shape{labels_}),
        losses_(static_cast<std::size_t>(labels_)) {
    const std::vector<float> table = feature_table(features_for(model, options.features), data.labels());
    text_ = Tensor<Scalar, Device>({labels_, model.text_dim()}, {table.begin(), table.end()});
    for (Index label = 0; label < labels_; ++label) numbers_.push_back(label);
    answers_.resize(static_cast<std::size_t>(std::min(labels_, most_labels)));
  }

  Evaluation run() {
    const TrainingMode<Device> mode(context_, false);
    WorkspaceScope<Device> scope(context_);
    const Index pixels = size_ * size_ * 3;
    std::vector<float> values(static_cast<std::size_t>(group_ * pixels));
    Tensor<Scalar, Device> image({1, size_, size_, 3});
    for (Index first = 0; first < data_.items(); first += group_) {
      const Index count = std::min(group_, data_.items() - first);
      std::vector<LabelMasks> truth(static_cast<std::size_t>(count), LabelMasks({}, {}));
      context_.parallel_for(count, [&](Index i) {
        data_.load((first + i) * labels_, std::nullopt, values.data() + i * pixels, nullptr);
        truth[static_cast<std::size_t>(i)] = data_.original_masks(first + i);
      });
      expect_group(first + group_);
      for (Index i = 0; i < count; ++i) {
        WorkspaceScope<Device> encoded(context_);
        const std::span<const float> picture(values.data() + i * pixels, static_cast<std::size_t>(pixels));
        const auto encode = [&] {
          upload<Scalar, Device>(context_, picture.data(), image.view());
          return View(model_.encode_image(context_, image));
        };
        const View features = options_.embeddings == nullptr
                                  ? encode()
                                  : options_.embeddings->template features<Scalar>(
                                        context_, picture, EmbeddingCache::Keep::at_once, encode);
        judge(first + i, features, truth[static_cast<std::size_t>(i)]);
        if (options_.progress) options_.progress(first + i + 1, data_.items());
      }
    }
    return std::move(evaluation_);
  }

 private:
  /// Has the images of a group read while this thread computes.
  void expect_group(Index first) const {
    std::vector<Index> samples;
    for (Index i = first; i < std::min(first + group_, data_.items()); ++i) samples.push_back(i * labels_);
    expect_samples(data_, samples);
  }

  /// Labels of one image that are decoded together: the same, whatever the batch, so that every number is.
  static constexpr Index most_labels = 8;

  /// All labels of one image.
  void judge(Index item, ConstView features, const LabelMasks& truth) {
    ops::fill<double>(context_, loss_.view(), 0);
    for (Index label = 0; label < labels_; label += most_labels) {
      const Index count = std::min(labels_ - label, most_labels);
      WorkspaceScope<Device> scope(context_);
      const LabelPrompts<Scalar, Device> prompts{
          ConstView{text_.data() + label * model_.text_dim(), {count, model_.text_dim()}},
          {numbers_.data() + label, static_cast<std::size_t>(count)}};
      const ConstView logits = model_.decode_labels(context_, features, prompts);
      add_losses(item, label, logits);
      for (Index i = 0; i < count; ++i)
        answers_[static_cast<std::size_t>(i)].mask = answer(item, label + i, logits.slice(i), truth.size());
      const PixelSpacing spacing = spacing_of(item);
      context_.parallel_for(count, [&](Index i) {
        Answer& given = answers_[static_cast<std::size_t>(i)];
        given.truth = truth.binary(label + i);
        given.score = score_masks(given.mask.values, given.truth.values, truth.size().height, truth.size().width,
                                  measures_, spacing);
      });
      for (Index i = 0; i < count; ++i) record(item, label + i, answers_[static_cast<std::size_t>(i)]);
    }
    ops::download<double>(context_, loss_, losses_.data());
    for (Index label = 0; label < labels_; ++label) {
      const double loss = losses_[static_cast<std::size_t>(label)];
      if (!std::isfinite(loss)) throw_not_finite(item, label, "the loss of the model's answer");
      evaluation_.sum_loss += loss;
    }
    evaluation_.samples += labels_;
  }

  /// The loss of each label of [first, first + masks) at the model's image size, to its place in loss_.
  void add_losses(Index item, Index first, ConstView low_res) {
    const Index count = low_res.dim(0), pixels = size_ * size_;
    WorkspaceScope<Device> scope(context_);
    const View probability = allocate<Scalar>(context_, {count, size_, size_, 1});
    ops::resize_bilinear_forward<Scalar>(context_, low_res.reshape({count, low_res.dim(1), low_res.dim(2), 1}),
                                         probability);
    ops::sigmoid_forward<Scalar>(context_, probability, probability);
    mask_values_.resize(static_cast<std::size_t>(count * pixels));
    context_.parallel_for(count, [&](Index i) {
      data_.load(item * labels_ + first + i, std::nullopt, nullptr, mask_values_.data() + i * pixels);
    });
    upload<Scalar, Device>(context_, mask_values_.data(), {masks_.data(), {count * pixels}});
    for (Index i = 0; i < count; ++i) {
      ops::mask_loss<Scalar>(context_, ConstView{probability.slice(i).data(), {pixels}},
                             ConstView{masks_.data() + i * pixels, {pixels}}, options_.loss, View{}, 1,
                             {loss_.data() + first + i, {1}});
    }
  }

  /// The mask that logits [h, w] of one label stand for, at the size of the image on disk.
  Mask answer(Index item, Index label, ConstView low_res, const ImageSize& original) {
    const ImageSize inside = prepared_size(original.height, original.width, size_, data_.preparation());
    WorkspaceScope<Device> scope(context_);
    const View logits = postprocess_masks<Scalar>(context_, low_res.reshape({1, 1, low_res.dim(0), low_res.dim(1)}),
                                                  size_, inside.height, inside.width, original.height, original.width);
    logit_values_.resize(static_cast<std::size_t>(logits.size()));
    ops::download<Scalar>(context_, logits, logit_values_.data());
    Mask mask(original.height, original.width);
    bool finite = true;
    std::transform(logit_values_.begin(), logit_values_.end(), mask.values.begin(), [&](Scalar logit) {
      finite = finite && std::isfinite(logit);
      return static_cast<std::uint8_t>(logit > 0);
    });
    if (!finite) throw_not_finite(item, label, "the model's answer");
    return mask;
  }

  /// Of a picture, or 1. Throws MismatchError where it is known and that of the first one is not, or the reverse.
  PixelSpacing spacing_of(Index item) const {
    if (!measures_.unit) return {};
    const bool known = *measures_.unit == DistanceUnit::millimetres;
    const std::optional<PixelSpacing> spacing = pixel_spacing_of(data_, item);
    if (spacing.has_value() == known) return spacing.value_or(PixelSpacing{});
    throw MismatchError(ErrorText{.what = "the spacing of the pixels is known for some pictures only",
                                  .where = data_.item_name(item),
                                  .expected = std::string(known ? "a" : "no") + " spacing, as of " + data_.item_name(0),
                                  .found = known ? "none" : "one",
                                  .advice = "evaluate the two kinds apart: distances would be in two units"});
  }

  struct Answer {
    Mask mask, truth;
    MaskScore score;
  };

  void record(Index item, Index label, Answer& answer) {
    evaluation_.report.add(label, answer.score);
    evaluation_.scores.rows.push_back({.image = data_.item_name(item),
                                       .split = {},
                                       .group = item_group_of(data_, item),
                                       .label = data_.labels()[static_cast<std::size_t>(label)],
                                       .score = answer.score});
    if (!evaluation_.worst.takes(answer.score)) return;
    evaluation_.worst.add(
        {evaluation_.scores.rows.back(), item, label, std::move(answer.mask), std::move(answer.truth)});
  }

  /// NaN is no blank mask.
  [[noreturn]] void throw_not_finite(Index item, Index label, const std::string& what) const {
    throw NotFiniteError(
        ErrorText{.what = what + " is not a finite number",
                  .where = data_.item_name(item) + ", label '" + data_.labels()[static_cast<std::size_t>(label)] + "'",
                  .advice = "the model's weights hold NaN, or numbers too large to compute with: use others"});
  }

  Context<Device>& context_;
  Model& model_;
  const Data& data_;
  const EvaluateOptions& options_;
  Index group_, labels_, size_;  // group_: images read together
  Measures measures_;
  Evaluation evaluation_;
  Tensor<Scalar, Device> text_, masks_;
  std::vector<Index> numbers_;
  std::vector<float> mask_values_;
  std::vector<Scalar> logit_values_;
  Tensor<double, Device> loss_;  // of each label of one image
  std::vector<double> losses_;
  std::vector<Answer> answers_;  // to labels that are decoded together
};

}  // namespace detail

/// Evaluates a model on a split, one label at a time: how the masks (probability > 0.5) score at the size of the image
/// on disk, and the loss. Each image is encoded once and decoded for all labels. No number depends on the batch or on
/// the threads. Throws as the source's `load`; MismatchError for a label without text features, a data set made for
/// another image size, and where distances are asked for of pictures some of which have a pixel spacing; ConfigError
/// without samples, for a batch below 1, a tolerance or a number of worst cases below 0; NotFiniteError, which names
/// image and label, for an answer that is NaN or infinite.
template <class Device, class Model, class Data>
Evaluation evaluate(Context<Device>& context, Model& model, const Data& data, const EvaluateOptions& options = {}) {
  if constexpr (detail::are_trainable<Model, Data, Device>()) {
    if (options.batch < 1) throw ConfigError("the batch of an evaluation must be at least 1");
    if (options.worst < 0) throw ConfigError("the number of worst cases of an evaluation must not be negative");
    detail::require_samples(model, data);
    return detail::Evaluator<Model, Data>(context, model, data, options).run();
  } else {
    return {.report = Report({})};
  }
}

}  // namespace ssam::inline SSAM_ABI
