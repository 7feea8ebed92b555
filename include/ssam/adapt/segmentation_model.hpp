#pragma once

#include <span>
#include <ssam/adapt/parameter_count.hpp>
#include <ssam/data/preparation.hpp>
#include <ssam/nn/contracts.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// What P answers are asked for, one label each: models take the text features or the numbers, as they are made.
template <class Scalar, class Device>
struct LabelPrompts {
  TensorView<const Scalar, Device> text = {};  ///< text features [P, dim]; empty where the model's text_dim() is 0
  std::span<const Index> labels = {};          ///< places in the list of labels [P]
};

/// What training, evaluation, loading and adapter files ask of a network.
/// - `Scalar_`, `Device_`, `Record`, `visit`: its types and parameters;
/// - `name()`, what it is called in files ("sam", "u_net"), `recipe()`, what is trained of it ("ssam", "lora"),
///   `rule()` ("paper", "release"; "" without), `configuration()`, which a to_json beside its type writes down,
///   `count()`, what is trained, `image_size()`, `preparation()`, `text_dim()` (0: it takes no text features),
///   `base_hash()` and `set_base_hash(hash)`, the content of the checkpoint it began with ("" without one);
/// - `normalizes_prompts`: whether it normalises over the prompts of a batch, so that a batch of equal ones, or of one,
///   has no statistics;
/// - forward(context, images [B, S, S, 3], prompts of P = a multiple of B, record) -> probability [P, S, S], everything
///   for backward(context, record, dprobability) kept in the workspace;
/// - encode_image(context, images [B, S, S, 3]) -> features of any shape [B, ...], and decode_labels(context, features
///   of one image, prompts) -> logits [P, h, w] of any size: an image is encoded once for all its labels. Not in
///   training.
template <class Model>
concept SegmentationModel = Visitable<Model> &&
    requires(Model& model, const Model& same, Context<typename Model::Device_>& context, typename Model::Record& record,
             TensorView<const typename Model::Scalar_, typename Model::Device_> values,
             const LabelPrompts<typename Model::Scalar_, typename Model::Device_>& prompts) {
  { Model::normalizes_prompts } -> std::convertible_to<bool>;
  { same.name() } -> std::convertible_to<std::string>;
  { same.recipe() } -> std::convertible_to<std::string>;
  { same.rule() } -> std::convertible_to<std::string>;
  same.configuration();
  { same.count() } -> std::convertible_to<ParameterCount>;
  { same.image_size() } -> std::convertible_to<Index>;
  { same.preparation() } -> std::convertible_to<const Preparation&>;
  { same.text_dim() } -> std::convertible_to<Index>;
  { same.base_hash() } -> std::convertible_to<std::string>;
  model.set_base_hash(std::string());
  { model.forward(context, values, prompts, record) } -> std::convertible_to<decltype(values)>;
  model.backward(context, record, values);
  { model.encode_image(context, values) } -> std::convertible_to<decltype(values)>;
  { model.decode_labels(context, values, prompts) } -> std::convertible_to<decltype(values)>;
};

/// A SegmentationModel whose training leaves encode_image as it is, and says so: `trains_encoder` is false, and
/// forward_features(context, features [B, ...], prompts, record) is `forward` from the features of B images on. Trainer
/// and validation then encode an image once, and keep its features (TrainOptions::embedding_bytes).
template <class Model>
concept TrainsBehindFeatures =
    SegmentationModel<Model> && !Model::trains_encoder &&
    requires(Model & model, Context<typename Model::Device_>& context, typename Model::Record& record,
             TensorView<const typename Model::Scalar_, typename Model::Device_> features,
             const LabelPrompts<typename Model::Scalar_, typename Model::Device_>& prompts) {
  { model.forward_features(context, features, prompts, record) } -> std::convertible_to<decltype(features)>;
};

/// Whether training changes anything of a model.
template <class Model>
bool trains_anything(const Model& model) {
  bool found = false;
  walk(model, [&](const Path&, const auto& parameter, Group, Layout) {
    found = found || std::remove_cvref_t<decltype(parameter)>::trained;
  });
  return found;
}

}  // namespace ssam::inline SSAM_ABI
