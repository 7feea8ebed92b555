#pragma once

#include <cmath>
#include <cstdio>
#include <ssam/sam/parameter_count.hpp>
#include <ssam/sam/state.hpp>
#include <ssam/train/adamw.hpp>

namespace examples {

/// A SAM small enough to train in a moment: 64 px, 16 tokens, two blocks, the first of them with windows.
constexpr ssam::SamConfig tiny_sam() {
  ssam::SamConfig config = ssam::vit_b(64);
  config.embed_dim = 32;
  config.depth = 2;
  config.heads = 2;
  config.window = 3;
  config.global_blocks = 1u << 1;
  config.out_channels = 16;
  config.decoder_heads = 2;
  config.decoder_mlp = 32;
  config.iou_hidden = 16;
  config.mask_channels = 8;
  config.text_dim = 8;
  return config;
}

/// Prints what a recipe trains in SAM ViT-B at 256 px, by group.
template <class Recipe>
void print_counts() {
  constexpr ssam::ParameterCount count = ssam::parameter_count<Recipe>(ssam::vit_b(256));
  std::printf("%s on ViT-B at 256 px: %lld of %lld parameters are trained (%.2f%%)\n", Recipe::name,
              static_cast<long long>(count.trained), static_cast<long long>(count.total),
              100.0 * static_cast<double>(count.trained) / static_cast<double>(count.total));
  for (std::size_t i = 0; i < ssam::count_groups; ++i) {
    if (count.groups[i] == 0) continue;
    std::printf("  %-16.*s %9lld\n", static_cast<int>(ssam::count_group_names[i].size()),
                ssam::count_group_names[i].data(), static_cast<long long>(count.groups[i]));
  }
}

/// Trains a tiny random model to find a bright square; prints the first and the last loss and returns whether it fell.
template <class Recipe>
bool train_tiny_model() {
  using ssam::Cpu;
  using Model = ssam::TextPromptedSam<float, Cpu, Recipe>;
  Model model(tiny_sam());
  ssam::randomize(model, ssam::Random(1));
  // He's gain, so that the untrained layers between an adapter and the mask let its signal through.
  ssam::walk(model, [](const ssam::Path&, auto& parameter, ssam::Group group, ssam::Layout) {
    if (group != ssam::Group::weights) return;
    for (ssam::Index i = 0; i < parameter.value.size(); ++i) parameter.value.data()[i] *= std::sqrt(6.0f);
  });
  ssam::Context<Cpu> context;
  context.training = true;
  context.dropout = false;
  ssam::prepare(context, model);

  ssam::Tensor<float, Cpu> images(ssam::Shape{2, 64, 64, 3}), masks(ssam::Shape{2, 64, 64}), text(ssam::Shape{2, 8});
  for (ssam::Index i = 0; i < masks.size(); ++i) {
    const ssam::Index y = i / 64 % 64, x = i % 64, left = i < 64 * 64 ? 8 : 32;
    if (y < 16 || y >= 48 || x < left || x >= left + 24) continue;
    masks.data()[i] = 1;
    for (int c = 0; c < 3; ++c) images.data()[3 * i + c] = 2;
  }
  for (ssam::Index i = 0; i < text.size(); ++i) text.data()[i] = i % 3 == 0 ? 1.0f : -0.5f;

  ssam::AdamW<float, Cpu> optimizer({.lr = 1e-3});
  typename Model::Record record;
  double first = 0, last = 0;
  const int steps = 60;
  for (int step = 0; step < steps; ++step) {
    ssam::WorkspaceScope<Cpu> scope(context);
    const auto probability = model.forward(context, images, text, record);
    const auto gradient = ssam::allocate<float>(context, probability.shape());
    ssam::Tensor<double, Cpu> loss(ssam::Shape{1});
    ssam::ops::mask_loss<float>(context, probability, masks, {}, gradient, 1, loss.view());
    last = loss.to_host()[0];
    if (step == 0) first = last;
    model.backward(context, record, gradient);
    optimizer.step(context, model);
  }
  std::printf("  %d steps on a tiny random model: loss %.4f -> %.4f\n", steps, first, last);
  return std::isfinite(last) && last < first;
}

}  // namespace examples
