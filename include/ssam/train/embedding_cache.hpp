#pragma once

#include <cstddef>
#include <span>
#include <ssam/adapt/segmentation_model.hpp>
#include <ssam/io/content_hash.hpp>
#include <ssam/io/dtype.hpp>
#include <ssam/ops/ops.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Features of pictures (what encode_image makes of one) in host memory, for as long as what makes them does not
/// change. They are found by the content of the model's input, so that a picture has the ones it had, bit for bit, and
/// an augmented one has its own. What is kept stays: where there is room for half of the pictures, every pass finds
/// that half. It is of one model, whose weights its keys do not hold: clear it when anything in front of the features
/// changes (another model, an adapter loaded or merged, an encoder trained).
class EmbeddingCache {
 public:
  /// When the features of a picture are kept.
  enum class Keep {
    at_once,     ///< it comes in every pass
    second_time  ///< it may be changed at random and never come again: only its hash is kept, until it does
  };

  /// Takes at most `limit` bytes; 0: keeps nothing.
  explicit EmbeddingCache(std::size_t limit) : limit_(limit) {}

  /// The features of the picture whose normalised `values` [S, S, 3] the model is given: those that are kept, in the
  /// workspace, or what `encode()` makes, a tensor view there. What is kept in another Scalar is not found. Throws
  /// ShapeError where `encode()` makes features of another shape than those that are kept: they are of another model.
  template <class Scalar, class Device, class Encode>
  TensorView<Scalar, Device> features(Context<Device>& context, std::span<const float> values, Keep keep,
                                      const Encode& encode) {
    if (limit_ == 0) return encode();
    std::string hash = content_hash({reinterpret_cast<const char*>(values.data()), values.size_bytes()}) +
                       dtype_name(dtype_of<Scalar>());
    const auto found = pictures_.find(hash);
    if (found != pictures_.end() && !found->second.values.empty()) {
      const Features& kept = found->second;
      const TensorView<Scalar, Device> features = allocate<Scalar>(context, kept.shape);
      ops::upload<Scalar>(context, reinterpret_cast<const Scalar*>(kept.values.data()), features);
      ++reused_;
      return features;
    }
    const TensorView<Scalar, Device> features = encode();
    require_shape(features.shape());
    const bool now = found != pictures_.end() || keep == Keep::at_once;
    const std::size_t size = now ? static_cast<std::size_t>(features.size()) * sizeof(Scalar) : 0;
    const std::size_t more = size + (found == pictures_.end() ? of_a_picture : 0);
    if (bytes_ + more > limit_) return features;
    bytes_ += more;
    Features& kept = pictures_[std::move(hash)];
    if (!now) return features;
    shape_ = kept.shape = features.shape();
    kept.values.resize(size);
    ops::download<Scalar>(context, features, reinterpret_cast<Scalar*>(kept.values.data()));
    return features;
  }

  /// Forgets every picture, but not how often features were there.
  void clear() {
    pictures_.clear();
    bytes_ = 0;
    shape_ = {};
  }

  std::size_t bytes() const { return bytes_; }  ///< taken, those of hashes counted roughly
  Index reused() const { return reused_; }      ///< times that features were there

 private:
  struct Features {
    Shape shape;
    std::vector<std::byte> values;  // none: the picture came once
  };
  /// Throws ShapeError unless what is kept has this shape.
  void require_shape(const Shape& shape) const {
    if (shape_.rank() == 0 || shape_ == shape) return;
    throw ShapeError(ErrorText{.what = "the kept features are of another model",
                               .expected = shape_.str(),
                               .found = shape.str(),
                               .advice = "clear the EmbeddingCache, or give each model one of its own"});
  }
  static constexpr std::size_t of_a_picture = 256;  // a hash, its text and its place in the map

  std::size_t limit_, bytes_ = 0;
  Index reused_ = 0;
  Shape shape_;  // of all that is kept; rank 0: nothing is
  std::unordered_map<std::string, Features> pictures_;
};

namespace detail {

/// A model's training forward pass of a batch. Where nothing in front of the features is trained, each picture is
/// encoded alone, as evaluation does it (the last bits of a matrix product depend on its size), or not at all where
/// `embeddings` has its features.
template <class Model, class Batch>
auto forward_batch(Context<typename Model::Device_>& context, Model& model, const Batch& batch,
                   typename Model::Record& record, EmbeddingCache& embeddings) {
  if constexpr (TrainsBehindFeatures<Model>) {
    using Scalar = typename Model::Scalar_;
    using View = TensorView<Scalar, typename Model::Device_>;
    const auto images = batch.images();
    const auto features_of = [&](Index i) {
      const TrainingMode<typename Model::Device_> mode(context, false);
      return embeddings.features<Scalar>(context, batch.image_values(i), EmbeddingCache::Keep::second_time, [&] {
        return View(model.encode_image(context, {images.slice(i).data(), {1, images.dim(1), images.dim(2), 3}}));
      });
    };
    const View first = features_of(0);
    Shape shape{images.dim(0)};
    for (int axis = 1; axis < first.shape().rank(); ++axis) shape.push_back(first.shape()[axis]);
    const View features = allocate<Scalar>(context, shape);
    for (Index i = 0; i < images.dim(0); ++i) {
      WorkspaceScope<typename Model::Device_> scope(context);
      ops::copy<Scalar>(context, (i == 0 ? first : features_of(i)).slice(0), features.slice(i));
    }
    return model.forward_features(context, features, batch.prompts(), record);
  } else {
    return model.forward(context, batch.images(), batch.prompts(), record);
  }
}

}  // namespace detail

}  // namespace ssam::inline SSAM_ABI
