#pragma once

#include <functional>
#include <ssam/eval/report.hpp>
#include <ssam/sam/postprocess.hpp>
#include <ssam/sam/ssam_model.hpp>
#include <ssam/train/batch.hpp>

namespace ssam {

/// Scores of a model on one split.
struct Evaluation {
  Report report;    ///< at the original image sizes
  double loss = 0;  ///< the training loss at the model's image size, mean over samples of its value per batch
};

namespace detail {

/// Sets context.training for a scope; what else it is set to inside (batch_statistics) is undone as well.
template <class Device>
class TrainingMode {
 public:
  TrainingMode(Context<Device>& context, bool training)
      : context_(context),
        training_(std::exchange(context.training, training)),
        batch_statistics_(context.batch_statistics) {}
  TrainingMode(const TrainingMode&) = delete;
  ~TrainingMode() {
    context_.training = training_;
    context_.batch_statistics = batch_statistics_;
  }

 private:
  Context<Device>& context_;
  bool training_, batch_statistics_;
};

/// Evaluates one split: images are encoded a batch at a time, and each is decoded for all its labels.
template <class Scalar, class Device, class Recipe>
class Evaluator {
 public:
  using View = TensorView<Scalar, Device>;
  using ConstView = TensorView<const Scalar, Device>;

  Evaluator(Context<Device>& context, SsamModel<Scalar, Device, Recipe>& model, const Dataset& data,
            const TextFeatures& features, Index batch, const ops::MaskLossOptions& loss)
      : context_(context),
        model_(model),
        data_(data),
        loss_options_(loss),
        batch_(batch),
        labels_(static_cast<Index>(data.labels().size())),
        size_(data.image_size()),
        evaluation_{Report(data.labels())},
        probability_({batch, size_, size_}),
        masks_({batch, size_, size_}) {
    const std::vector<float> table = feature_table(features, data.labels());
    text_ = Tensor<Scalar, Device>({labels_, features.dim()}, {table.begin(), table.end()});
  }

  Evaluation run(const std::function<void(Index, Index)>& progress) {
    const TrainingMode<Device> mode(context_, false);
    WorkspaceScope<Device> scope(context_);
    tokens_ = model_.embed_text(context_, text_);
    const Index group = std::min(batch_, data_.items());
    std::vector<float> values(static_cast<std::size_t>(group * size_ * size_ * 3));
    Tensor<Scalar, Device> images({group, size_, size_, 3});
    for (Index first = 0; first < data_.items(); first += group) {
      const Index count = std::min(group, data_.items() - first);
      std::vector<LabelMasks> truth(static_cast<std::size_t>(count), LabelMasks({}, {}));
      context_.parallel_for(count, [&](Index i) {
        data_.load((first + i) * labels_, std::nullopt, values.data() + i * size_ * size_ * 3, nullptr);
        truth[static_cast<std::size_t>(i)] = data_.original_masks(first + i);
      });
      upload<Scalar, Device>(context_, values.data(), {images.data(), {count * size_ * size_ * 3}});
      WorkspaceScope<Device> encoded(context_);
      const View embedding = model_.sam.encode(context_, {images.data(), {count, size_, size_, 3}});
      for (Index i = 0; i < count; ++i) {
        const Shape one{1, embedding.dim(1), embedding.dim(2), embedding.dim(3)};
        decode(first + i, {embedding.slice(i).data(), one}, truth[static_cast<std::size_t>(i)]);
        if (progress) progress(first + i + 1, data_.items());
      }
    }
    close_batch();
    ops::download<double>(context_, loss_, &evaluation_.loss);
    evaluation_.loss /= static_cast<double>(data_.size());
    return std::move(evaluation_);
  }

 private:
  /// All labels of one image, as many at a time as are left of the loss's batch.
  void decode(Index item, ConstView embedding, const LabelMasks& truth) {
    for (Index label = 0; label < labels_;) {
      const Index count = std::min(labels_ - label, batch_ - filled_);
      WorkspaceScope<Device> scope(context_);
      const Shape words{count, 1, tokens_.dim(2)};
      const ConstView tokens{tokens_.slice(label).data(), words};
      const auto result = model_.sam.decode(context_, embedding, Prompts{}, tokens, MaskOutput::single);
      add_to_batch(item * labels_ + label, result.low_res);
      for (Index i = 0; i < count; ++i) score(label + i, result.low_res.slice(i), truth);
      label += count;
      if (filled_ == batch_) close_batch();
    }
  }

  /// Probabilities and masks at the model's image size, for the loss.
  void add_to_batch(Index first_sample, ConstView low_res) {
    const Index count = low_res.dim(0), pixels = size_ * size_;
    const View probability{probability_.view().data() + filled_ * pixels, {count, size_, size_, 1}};
    ops::resize_bilinear_forward<Scalar>(context_, low_res.reshape({count, low_res.dim(2), low_res.dim(3), 1}),
                                         probability);
    ops::sigmoid_forward<Scalar>(context_, probability, probability);
    mask_values_.resize(static_cast<std::size_t>(count * pixels));
    context_.parallel_for(
        count, [&](Index i) { data_.load(first_sample + i, std::nullopt, nullptr, mask_values_.data() + i * pixels); });
    const View masks{masks_.view().data() + filled_ * pixels, {count, size_, size_}};
    upload<Scalar, Device>(context_, mask_values_.data(), masks);
    filled_ += count;
  }

  void close_batch() {
    if (filled_ == 0) return;
    const Shape shape{filled_, size_, size_};
    ops::mask_loss<Scalar>(context_, ConstView{probability_.data(), shape}, ConstView{masks_.data(), shape},
                           loss_options_, View{}, static_cast<double>(filled_), loss_.view());
    filled_ = 0;
  }

  /// One mask [1, h, w] of logits against the truth, at the size of the image on disk.
  void score(Index label, ConstView low_res, const LabelMasks& truth) {
    const ImageSize original = truth.size();
    const ImageSize inside = prepared_size(original.height, original.width, size_, data_.preparation());
    WorkspaceScope<Device> scope(context_);
    const View logits = postprocess_masks<Scalar>(context_, low_res.reshape({1, 1, low_res.dim(1), low_res.dim(2)}),
                                                  size_, inside.height, inside.width, original.height, original.width);
    logit_values_.resize(static_cast<std::size_t>(logits.size()));
    ops::download<Scalar>(context_, logits, logit_values_.data());
    prediction_.resize(logit_values_.size());
    std::transform(logit_values_.begin(), logit_values_.end(), prediction_.begin(),
                   [](Scalar logit) { return static_cast<std::uint8_t>(logit > 0); });
    evaluation_.report.add(label, count_pixels(prediction_, truth.binary(label).values));
  }

  Context<Device>& context_;
  SsamModel<Scalar, Device, Recipe>& model_;
  const Dataset& data_;
  ops::MaskLossOptions loss_options_;
  Index batch_, labels_, size_, filled_ = 0;
  Evaluation evaluation_;
  Tensor<Scalar, Device> text_, probability_, masks_;
  View tokens_;  // [labels, 1, C]
  std::vector<float> mask_values_;
  std::vector<Scalar> logit_values_;
  Tensor<double, Device> loss_{Shape{1}};  // a sum over samples
  std::vector<std::uint8_t> prediction_;
};

}  // namespace detail

/// Evaluates a model on a split, one text prompt per label: DSC and IoU of the masks (probability > 0.5) at the size of
/// the image on disk, and the loss. An image is encoded once, `batch` of them at a time, and decoded for all labels.
/// `progress(images done, images)` is called after each. Throws as Dataset::load, MismatchError for a label without
/// text features or a data set made for another image size, ConfigError for a batch below 1.
template <class Scalar, class Device, class Recipe>
Evaluation evaluate(Context<Device>& context, SsamModel<Scalar, Device, Recipe>& model, const Dataset& data,
                    const TextFeatures& features, Index batch,
                    const std::function<void(Index, Index)>& progress = nullptr,
                    const ops::MaskLossOptions& loss = {}) {
  if (batch < 1) throw ConfigError("the batch of an evaluation must be at least 1");
  if (data.image_size() != model.sam.config.image_size) {
    throw MismatchError(ErrorText{.what = "the data set was opened for another image size than the model's",
                                  .expected = std::to_string(model.sam.config.image_size),
                                  .found = std::to_string(data.image_size())});
  }
  return detail::Evaluator<Scalar, Device, Recipe>(context, model, data, features, batch, loss).run(progress);
}

}  // namespace ssam
