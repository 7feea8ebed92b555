#pragma once

#include <ssam/data/preprocess.hpp>
#include <ssam/io/checkpoint_file.hpp>
#include <ssam/io/safetensors.hpp>
#include <ssam/sam/postprocess.hpp>
#include <ssam/sam/state.hpp>

#include "compare.hpp"
#include "replay_predictor.hpp"

namespace ssam::selftest {

namespace detail {

/// Everything of the encoder trains, so that the recorded gradient of every parameter can be compared.
template <class Scalar, class Device>
using EncoderModel = TextPromptedSam<Scalar, Device, recipes::FullFineTuning<Rule::paper>>;

template <class Scalar, class Device>
std::vector<Scalar> to_nchw(Context<Device>& context, TensorView<const Scalar, Device> nhwc) {
  WorkspaceScope<Device> scope(context);
  const TensorView<Scalar, Device> nchw =
      allocate<Scalar>(context, {nhwc.dim(0), nhwc.dim(3), nhwc.dim(1), nhwc.dim(2)});
  ops::nhwc_to_nchw<Scalar>(context, nhwc, nchw);
  return to_host<Scalar, Device>(context, nchw);
}
template <class Scalar, class Device>
TensorView<Scalar, Device> to_nhwc(Context<Device>& context, const HostTensor& stored) {
  const TensorView<Scalar, Device> nhwc =
      allocate<Scalar>(context, {stored.shape[0], stored.shape[2], stored.shape[3], stored.shape[1]});
  WorkspaceScope<Device> scope(context);
  const std::vector<Scalar> values = stored.to<Scalar>();
  ops::nchw_to_nhwc<Scalar>(context, to_device<Scalar, Device>(context, stored.shape, values), nhwc);
  return nhwc;
}

inline CaseResult compare_containers(const std::filesystem::path& folder, const StateDict& reference,
                                     const std::string& file) {
  Comparison comparison("sam container " + file);
  const StateDict other = load_checkpoint(folder / file);
  if (other.tensors.size() != reference.tensors.size()) comparison.fail("another number of tensors");
  for (const auto& [name, tensor] : reference.tensors) {
    if (!other.contains(name)) {
      comparison.fail(name + " is missing");
    } else if (!(other.at(name) == tensor)) {
      comparison.fail(name + " differs");
    }
  }
  return comparison.result();
}

template <class Scalar, class Device>
std::vector<CaseResult> replay_encoder(Context<Device>& context, EncoderModel<Scalar, Device>& model,
                                       const StateDict& io) {
  WorkspaceScope<Device> scope(context);
  auto& encoder = model.sam.image_encoder;
  const TensorView<Scalar, Device> images = to_nhwc<Scalar, Device>(context, io.at("image"));
  typename ImageEncoderViT<Scalar, Device, recipes::FullFineTuning<Rule::paper>>::Record record;
  const TensorView<Scalar, Device> embedding = encoder.forward(context, images, record, true);
  const TensorView<Scalar, Device> dimages = allocate<Scalar>(context, images.shape());
  encoder.backward(context, record, to_nhwc<Scalar, Device>(context, io.at("embedding_cotangent")), dimages);
  Comparison forward("sam embedding"), input("sam gradient of the image"), gradients("sam gradients of the encoder");
  forward.add("embedding", to_nchw<Scalar, Device>(context, embedding), io.at("embedding"));
  input.add("grad.image", to_nchw<Scalar, Device>(context, dimages), io.at("grad.image"));
  const double floor = 1e-3 * largest_with_prefix(io, "grad.image_encoder.");
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout layout) {
    if constexpr (requires { parameter.grad; }) {
      if (!path.starts_with("image_encoder")) return;
      const std::string name = "grad." + path.str();
      if (!io.contains(name)) return gradients.fail(name + " is not in the record");
      gradients.add(name, to_checkpoint(parameter.grad, group, layout).template to<Scalar>(), io.at(name), floor);
      parameter.grad = {};
    }
  });
  Comparison inference("sam embedding, nothing kept");
  inference.add("embedding", to_nchw<Scalar, Device>(context, model.sam.encode(context, images)), io.at("embedding"));
  return {forward.result(), inference.result(), input.result(), gradients.result()};
}

/// The recorded prompts of one kind: "points", "box", "points_box", "mask" or "all".
inline Prompts golden_prompts(const StateDict& io, const std::string& kind) {
  Prompts prompts;
  prompts.count = io.at("points").shape[0];
  if (kind == "points" || kind == "points_box" || kind == "all") {
    prompts.points = io.at("points").to<double>();
    for (const std::int64_t label : io.at("point_labels").to<std::int64_t>()) prompts.labels.push_back(int(label));
  }
  if (kind == "box" || kind == "points_box" || kind == "all") prompts.boxes = io.at("boxes").to<double>();
  if (kind == "mask" || kind == "all") prompts.masks = io.at("mask_input").to<float>();
  return prompts;
}

template <class Scalar, class Device>
CaseResult replay_prompt(Context<Device>& context, const EncoderModel<Scalar, Device>& model, const StateDict& io,
                         const std::string& kind) {
  WorkspaceScope<Device> scope(context);
  Comparison comparison("sam prompt " + kind);
  const Prompts prompts = golden_prompts(io, kind);
  const TensorView<Scalar, Device> both = to_nhwc<Scalar, Device>(context, io.at("embedding"));
  const Index h = both.dim(1), w = both.dim(2), channels = both.dim(3);
  const TensorView<const Scalar, Device> embedding{both.data(), {1, h, w, channels}};
  const auto& sam = model.sam;
  const TensorView<const Scalar, Device> sparse = sam.prompt_encoder.sparse(context, prompts);
  const TensorView<const Scalar, Device> dense = sam.prompt_encoder.dense(context, prompts, h, w);
  comparison.add(kind + ".sparse", to_host<Scalar, Device>(context, sparse), io.at(kind + ".sparse"));
  const TensorView<Scalar, Device> spread = allocate<Scalar>(context, {prompts.count, h, w, channels});
  ops::fill<Scalar>(context, spread, Scalar(0));
  if (dense.size() == channels) {
    ops::add_row<Scalar>(context, dense, spread.matrix());
  } else {
    ops::copy<Scalar>(context, dense, spread);
  }
  comparison.add(kind + ".dense", to_nchw<Scalar, Device>(context, spread), io.at(kind + ".dense"));
  for (const MaskOutput output : {MaskOutput::single, MaskOutput::multi}) {
    const std::string suffix = output == MaskOutput::single ? ".single" : ".multi";
    const auto result = sam.decode(context, embedding, prompts, {}, output);
    const auto add = [&](const std::string& name, TensorView<const Scalar, Device> ours) {
      comparison.add(name, to_host<Scalar, Device>(context, ours), io.at(name));
    };
    add(kind + ".low_res" + suffix, result.low_res);
    add(kind + ".iou" + suffix, result.iou);
    if (output == MaskOutput::multi) {
      const Shape full = io.at(kind + ".full_res").shape;
      const Index size = sam.config.image_size;
      add(kind + ".full_res",
          postprocess_masks<Scalar, Device>(context, result.low_res, size, size - 24, size, full[2], full[3]));
    }
  }
  return comparison.result();
}

inline CaseResult replay_preprocess(const StateDict& io, const SamConfig& config) {
  Comparison comparison("sam preprocessing");
  const HostTensor& raw = io.at("raw_image");
  const std::vector<float> values = raw.to<float>();
  Image image(raw.shape[1], raw.shape[2]);
  const Index pixels = image.height * image.width;
  for (Index i = 0; i < pixels; ++i) {
    for (Index c = 0; c < 3; ++c) {
      image.rgb[static_cast<std::size_t>(3 * i + c)] =
          static_cast<std::uint8_t>(values[static_cast<std::size_t>(c * pixels + i)]);
    }
  }
  const std::vector<float> hwc = preprocess(image, config.image_size, config.preparation);
  Context<Cpu> context(1);
  const Shape shape{1, config.image_size, config.image_size, 3};
  comparison.add("preprocessed", to_nchw<float>(context, TensorView<const float, Cpu>(hwc.data(), shape)),
                 io.at("preprocessed"));
  return comparison.result();
}

template <class Scalar, class Device>
CaseResult replay_half(Context<Device>& context, const StateDict& weights, SamConfig config, const StateDict& io) {
  WorkspaceScope<Device> scope(context);
  Comparison comparison("sam at another image size");
  config.image_size = io.at("image").shape[2];
  TextPromptedSam<Scalar, Device, recipes::ZeroShot> model(config);
  load_weights(model, weights, "sam.safetensors");
  comparison.add("pos_embed", model.sam.image_encoder.pos_embed.value.to_host(), io.at("pos_embed"));
  const TensorView<Scalar, Device> embedding =
      model.sam.encode(context, to_nhwc<Scalar, Device>(context, io.at("image")));
  comparison.add("embedding", to_nchw<Scalar, Device>(context, embedding), io.at("embedding"));
  return comparison.result();
}

}  // namespace detail

template <class Scalar, class Device>
std::vector<CaseResult> replay_sam(const std::filesystem::path& folder) {
  const StateDict weights = load_safetensors(folder / "sam.safetensors");
  const SamConfig config = golden_config(weights.metadata);
  std::vector<CaseResult> results;
  for (const char* file : {"sam.pth", "sam_legacy.pth"}) {
    if (std::filesystem::exists(folder / file)) results.push_back(detail::compare_containers(folder, weights, file));
  }
  const auto shared_context = std::make_shared<Context<Device>>();
  const auto shared_model = std::make_shared<detail::EncoderModel<Scalar, Device>>(config);
  Context<Device>& context = *shared_context;
  detail::EncoderModel<Scalar, Device>& model = *shared_model;
  load_weights(model, weights, "sam.safetensors");
  if (std::filesystem::exists(folder / "sam_io.safetensors")) {
    const StateDict io = load_safetensors(folder / "sam_io.safetensors");
    for (CaseResult& result : detail::replay_encoder<Scalar>(context, model, io)) results.push_back(std::move(result));
    Comparison positions("sam dense positions");
    const Shape grid = io.at("dense_pe").shape;
    WorkspaceScope<Device> scope(context);
    const auto ours = model.sam.prompt_encoder.dense_positions(context, grid[2], grid[3]);
    const TensorView<const Scalar, Device> nhwc{ours.data(), {1, grid[2], grid[3], grid[1]}};
    positions.add("dense_pe", detail::to_nchw<Scalar, Device>(context, nhwc), io.at("dense_pe"));
    results.push_back(positions.result());
    for (const char* kind : {"points", "box", "points_box", "mask", "all"}) {
      results.push_back(detail::replay_prompt<Scalar>(context, model, io, kind));
    }
    results.push_back(detail::replay_preprocess(io, config));
  }
  if (std::filesystem::exists(folder / "predictor.safetensors")) {
    results.push_back(detail::replay_predictor<Scalar, Device>(shared_context, shared_model,
                                                               load_safetensors(folder / "predictor.safetensors")));
  }
  if (std::filesystem::exists(folder / "sam_half_io.safetensors")) {
    results.push_back(
        detail::replay_half<Scalar>(context, weights, config, load_safetensors(folder / "sam_half_io.safetensors")));
  }
  return results;
}

}  // namespace ssam::selftest
