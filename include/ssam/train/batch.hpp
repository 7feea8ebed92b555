#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <ssam/adapt/segmentation_model.hpp>
#include <ssam/core/host_buffer.hpp>
#include <ssam/data/sample_source.hpp>
#include <ssam/ops/ops.hpp>
#include <ssam/text/features.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {
/// Queues a copy of host floats to a device tensor, as its scalar type.
template <class Scalar, class Device>
void upload(Context<Device>& context, const float* values, TensorView<Scalar, Device> to) {
  if constexpr (std::is_same_v<Scalar, float>) {
    ops::upload<Scalar>(context, values, to);
  } else {
    const std::vector<Scalar> converted(values, values + to.size());
    ops::upload<Scalar>(context, converted.data(), to);
    context.synchronize();
  }
}

/// The text features that a model takes: those given, else hashed label names; none for a model that takes none. Throws
/// MismatchError for features of another length.
template <class Model>
std::optional<TextFeatures> features_for(const Model& model, const std::optional<TextFeatures>& given) {
  if (model.text_dim() == 0) return std::nullopt;
  if (!given) return TextFeatures::hashed(model.text_dim());
  if (given->dim() == model.text_dim()) return given;
  throw MismatchError(ErrorText{.what = "the text features do not fit the model",
                                .expected = std::to_string(model.text_dim()) + " values",
                                .found = std::to_string(given->dim())});
}

/// The text features of a data set's labels, [labels, dim].
inline std::vector<float> feature_table(const std::optional<TextFeatures>& features,
                                        const std::vector<std::string>& labels) {
  std::vector<float> table;
  if (!features) return table;
  for (const std::string& label : labels) {
    const std::vector<float> row = features->at(label);
    table.insert(table.end(), row.begin(), row.end());
  }
  return table;
}
}  // namespace detail

/// The samples of one step in memory that is used again for the next: images, and for each `together` (image, label)
/// pairs of it. 1: every pair has its own copy of the image, changed in its own way; the number of labels: an image
/// comes with all of them and is encoded once.
template <class Scalar, class Device, SampleSource Data>
class Batch {
 public:
  /// Keeps a reference to `data`. `most`: images of the largest batch, each with `together` labels. Throws
  /// MismatchError for a label without features.
  Batch(const Data& data, const std::optional<TextFeatures>& features, Index most, Index together)
      : data_(data),
        size_(data.image_size()),
        dim_(features ? features->dim() : 0),
        together_(together),
        table_(detail::feature_table(features, data.labels())),
        image_values_(most * size_ * size_ * 3),
        text_values_(most * together * dim_),
        mask_values_(most * together * size_ * size_),
        images_({most, size_, size_, 3}),
        text_({most * together, dim_}),
        masks_({most * together, size_, size_}),
        labels_(static_cast<std::size_t>(most * together)) {}

  /// Fills the batch, one image per thread at a time; `groups` are numbers of images: group g holds the samples g *
  /// together, g * together + 1, ... What a sample looks like depends on its number and on `augmentation` only. Throws
  /// as Dataset::load.
  void load(Context<Device>& context, std::span<const Index> groups,
            const std::optional<AugmentationSeed>& augmentation) {
    count_ = static_cast<Index>(groups.size());
    const auto label_of = [&](Index group) { return data_.sample(group * together_).label; };
    one_text_ = together_ == 1 && std::all_of(groups.begin(), groups.end(),
                                              [&](Index group) { return label_of(group) == label_of(groups.front()); });
    context.synchronize();  // the device may still copy the batch before
    const Index pixels = size_ * size_;
    context.parallel_for(count_, [&](Index i) {
      const Index first = groups[static_cast<std::size_t>(i)] * together_;
      std::optional<AugmentationSeed> changes = augmentation;
      if (changes && together_ > 1) changes->like = first;
      for (Index k = 0; k < together_; ++k) {
        const Index at = i * together_ + k;
        data_.load(first + k, changes, k == 0 ? image_values_.data() + i * pixels * 3 : nullptr,
                   mask_values_.data() + at * pixels);
        const Index label = data_.sample(first + k).label;
        labels_[static_cast<std::size_t>(at)] = label;
        std::copy_n(table_.data() + label * dim_, dim_, text_values_.data() + at * dim_);
      }
    });
    upload_front(context, image_values_, count_ * pixels * 3, images_);
    upload_front(context, text_values_, samples() * dim_, text_);
    upload_front(context, mask_values_, samples() * pixels, masks_);
  }

  /// (image, label) pairs.
  Index samples() const { return count_ * together_; }
  /// Whether all of them have the same label.
  bool one_text() const { return one_text_; }
  /// Normalised, [images, S, S, 3].
  TensorView<const Scalar, Device> images() const { return {images_.data(), {count_, size_, size_, 3}}; }
  /// The values of image `i` of them, on the host.
  std::span<const float> image_values(Index i) const {
    const Index pixels = size_ * size_ * 3;
    return {image_values_.data() + i * pixels, static_cast<std::size_t>(pixels)};
  }
  /// Text features [samples, dim] and label numbers [samples].
  LabelPrompts<Scalar, Device> prompts() const {
    return {{text_.data(), {samples(), dim_}}, {labels_.data(), static_cast<std::size_t>(samples())}};
  }
  /// [samples, S, S]: 1 where the label is, else 0; fractions with soft masks.
  TensorView<const Scalar, Device> masks() const { return {masks_.data(), {samples(), size_, size_}}; }

 private:
  using Values = HostBuffer<float, Device>;

  /// The first `count` values, to the front of a tensor.
  static void upload_front(Context<Device>& context, const Values& values, Index count, Tensor<Scalar, Device>& to) {
    detail::upload<Scalar, Device>(context, values.data(), {to.data(), {count}});
  }

  const Data& data_;
  Index size_, dim_, together_, count_ = 0;
  bool one_text_ = false;
  std::vector<float> table_;
  Values image_values_, text_values_, mask_values_;
  Tensor<Scalar, Device> images_, text_, masks_;
  std::vector<Index> labels_;
};

}  // namespace ssam::inline SSAM_ABI
