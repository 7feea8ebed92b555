// A checkpoint from disk, in the README's order of calls: the model answers as the checkpoint does, and learns.

#include <doctest/doctest.h>

#include <ssam/ops/ops.hpp>
#include <ssam/sam/sam_checkpoint.hpp>
#include <ssam/train/adamw.hpp>

#include "../small_model.hpp"

using namespace ssam;
using test::Folder;

namespace {

template <class Recipe>
void check_that_it_learns(const std::filesystem::path& path, const SamConfig& config) {
#if defined(_OPENMP)
  const int threads = omp_get_max_threads(), by_default = Context<Cpu>().threads();
#endif
  TextPromptedSam<float, Cpu, Recipe> model(config);
  load_weights(model, load_sam_checkpoint(path), path.string());
  Context<Cpu> context;
#if defined(_OPENMP)
  CHECK(omp_get_max_threads() == threads);  // positions were resized on the way
  CHECK(context.threads() == by_default);
#endif
  context.training = true;
  prepare(context, model);

  const Index size = config.image_size;
  Random random(5);
  std::vector<float> pixels(static_cast<std::size_t>(2 * size * size * 3)), words, truth;
  for (float& value : pixels) value = static_cast<float>(random.normal());
  for (Index i = 0; i < 2 * config.text_dim; ++i) words.push_back(static_cast<float>(random.normal()));
  for (Index i = 0; i < 2 * size * size; ++i) truth.push_back(i / size % size < size / 2 ? 1.0f : 0.0f);
  const Tensor<float, Cpu> images({2, size, size, 3}, pixels), text({2, config.text_dim}, words),
      masks({2, size, size}, truth);

  TextPromptedSam<float, Cpu, recipes::ZeroShot> plain(config);
  load_weights(plain, load_sam_checkpoint(path), path.string());
  {
    WorkspaceScope<Cpu> scope(context);
    const auto adapted = model.sam.encode(context, images), base = plain.sam.encode(context, images);
    double difference = 0, norm = 0;
    for (Index i = 0; i < base.size(); ++i) {
      difference += std::pow(double(adapted.data()[i]) - double(base.data()[i]), 2);
      norm += std::pow(double(base.data()[i]), 2);
    }
    CHECK(std::sqrt(difference / norm) < 1e-4);
  }

  const StateDict before = test::everything(model);
  AdamW<float, Cpu> optimizer({.lr = 2e-2});
  std::vector<double> losses;
  for (int step = 0; step < 60; ++step) {
    WorkspaceScope<Cpu> scope(context);
    typename TextPromptedSam<float, Cpu, Recipe>::Record record;
    const auto probability = model.forward(context, images, text, record);
    const auto gradient = allocate<float>(context, probability.shape());
    Tensor<double, Cpu> loss({1});
    ops::mask_loss<float>(context, probability, masks, {}, gradient, 1, loss.view());
    losses.push_back(loss.to_host()[0]);
    model.backward(context, record, gradient);
    optimizer.step(context, model);
  }
  CHECK(losses.back() < losses.front() - 0.002);
  const StateDict after = test::everything(model);
  int adapters = 0, unchanged = 0;
  walk(model, [&](const Path& path_of, auto& parameter, Group group, Layout) {
    if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) {
      if (group != Group::singular_values && group != Group::low_rank) return;
      ++adapters;
      unchanged += before.at(path_of.str()) == after.at(path_of.str());
    }
  });
  CHECK(adapters > 0);
  CHECK(unchanged == 0);
}

}  // namespace

TEST_CASE("a model that was loaded from a checkpoint of another image size learns") {
  const Folder folder;
  SamConfig larger = test::small_config();
  larger.image_size = 64;
  const auto path = folder / "sam.safetensors";
  StateDict state = test::everything(test::random_model<recipes::ZeroShot>(larger));
  std::erase_if(state.tensors, [](const auto& entry) { return entry.first.starts_with("text_affine."); });
  save_safetensors(path, state);
  check_that_it_learns<recipes::SSam<Rule::paper>>(path, test::small_config());
  check_that_it_learns<recipes::LoRA<4, Rule::paper>>(path, test::small_config());
}
