#pragma once

#include <cmath>
#include <ssam/ssam.hpp>

/// What the program's two sources share.
namespace consumer {

using namespace ssam;

using Recipe = recipes::SSam<Rule::release>;
static_assert(parameter_count<Recipe>(vit_b(256)).trained == 444'672);

constexpr SamConfig small_sam() {
  SamConfig config = vit_b(32);
  config.embed_dim = config.out_channels = 16;
  config.depth = config.heads = config.decoder_heads = 1;
  config.decoder_mlp = config.iou_hidden = 16;
  config.mask_channels = config.text_dim = 8;
  return config;
}

template <class S>
std::vector<S> wave(Index size) {
  std::vector<S> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(S(0.37) * static_cast<S>(i));
  return values;
}

/// Losses of three training steps.
template <class S, class Device>
std::vector<double> train() {
  Context<Device> context;
  TextPromptedSam<S, Device, Recipe> model(small_sam());
  randomize(model, Random(1));
  prepare(context, model);
  context.training = true;
  context.dropout = false;
  const Tensor<S, Device> images(Shape{2, 32, 32, 3}, wave<S>(2 * 32 * 32 * 3)), text(Shape{2, 8}, wave<S>(16));
  std::vector<S> inside = wave<S>(2 * 32 * 32);
  for (S& value : inside) value = value > 0 ? S(1) : S(0);
  const Tensor<S, Device> masks(Shape{2, 32, 32}, inside);
  AdamW<S, Device> optimizer({.lr = 1e-3});
  Tensor<double, Device> loss(Shape{1});
  typename decltype(model)::Record record;
  std::vector<double> losses;
  for (int step = 0; step < 3; ++step) {
    WorkspaceScope<Device> scope(context);
    const auto probability = model.forward(context, images, text, record);
    const auto gradient = allocate<S>(context, probability.shape());
    ops::fill<double>(context, loss.view(), 0);
    ops::mask_loss<S>(context, probability, masks, {}, gradient, 1, loss.view());
    model.backward(context, record, gradient);
    optimizer.step(context, model);
    losses.emplace_back();
    ops::download<double>(context, loss, &losses.back());
  }
  return losses;
}

/// The same on both devices in double, in a source of its own: they are compiled beside each other.
std::vector<double> train_in_double(bool on_gpu);

}  // namespace consumer
