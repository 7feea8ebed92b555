// Whole models on the host with bfloat16 products: their answers and gradients beside single precision's. What is
// emulated here has the operands that a processor with such products has.

#include <doctest/doctest.h>

#include <ssam/sam/svd_cache.hpp>
#include <ssam/testing/gradient_check.hpp>

#include "../loss_value.hpp"
#include "../small_model.hpp"

using namespace ssam;

namespace {

SamConfig bf16_config() {
  SamConfig config = test::small_config();
  config.image_size = 64;
  config.embed_dim = 32;
  config.heads = 4;
  return config;
}

struct Step {
  std::vector<float> probability;
  std::map<std::string, std::vector<float>> gradients;  // of what is trained, by name
};

/// One training step's forward and backward pass of a random, prepared model.
template <class Recipe, class Device>
Step step_of(Context<Device>& context) {
  const SamConfig config = bf16_config();
  TextPromptedSam<float, Device, Recipe> model(config);
  randomize(model, Random(7));
  prepare(context, model);
  context.training = true;
  context.dropout = false;
  const Index size = config.image_size;
  const auto tensor = [](const Shape& shape, std::uint64_t seed) {
    return Tensor<float, Device>(shape, testing::random_tensor<float>(shape, seed).to_host());
  };
  const auto images = tensor({2, size, size, 3}, 1), text = tensor({2, config.text_dim}, 2);
  Tensor<float, Device> truth({2, size, size});
  for (Index i = 0; i < truth.size(); ++i) truth.data()[i] = (i / 40) % 3 == 0 ? 1.0f : 0.0f;
  typename TextPromptedSam<float, Device, Recipe>::Record record;
  WorkspaceScope<Device> scope(context);
  const TensorView<float, Device> probability = model.forward(context, images, text, record);
  const TensorView<float, Device> dprobability = allocate<float>(context, probability.shape());
  testing::loss_value<float>(context, probability, truth, {}, dprobability);
  model.backward(context, record, dprobability);
  Step step;
  step.probability.assign(probability.data(), probability.data() + probability.size());
  walk(model, [&](const Path& path, const auto& parameter, Group, Layout) {
    if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) {
      if (!parameter.grad.empty()) step.gradients[path.str()] = parameter.grad.to_host();
    }
  });
  return step;
}

/// |found - expected| / |expected|, Euclidean, of all gradients together.
double distance(const Step& found, const Step& expected) {
  REQUIRE(found.gradients.size() == expected.gradients.size());
  double off = 0, size = 0;
  for (const auto& [name, values] : expected.gradients) {
    const std::vector<float>& others = found.gradients.at(name);
    for (std::size_t i = 0; i < values.size(); ++i) {
      off += std::pow(static_cast<double>(others[i]) - static_cast<double>(values[i]), 2);
      size += std::pow(static_cast<double>(values[i]), 2);
    }
  }
  return std::sqrt(off / size);
}

template <class Recipe>
void check_bf16_step() {
  Context<Cpu> host(2);
  Context<CpuBf16> rounding(2, 0, Bf16Products::emulated), alone(1, 0, Bf16Products::emulated);
  const Step expected = step_of<Recipe>(host), found = step_of<Recipe>(rounding);
  double worst = 0;
  for (std::size_t i = 0; i < expected.probability.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(found.probability[i] - expected.probability[i])));
  }
  CHECK(worst < 0.02);
  CHECK(worst > 1e-5);
  CHECK(distance(found, expected) < 0.05);
  const Step again = step_of<Recipe>(alone);
  CHECK(again.probability == found.probability);
  CHECK(again.gradients == found.gradients);
}

}  // namespace

TEST_CASE("a training step with bfloat16 products is near single precision's, the same for any threads") {
  check_bf16_step<recipes::SSam<Rule::paper>>();
  check_bf16_step<recipes::LoRA<4, Rule::paper>>();
  check_bf16_step<recipes::FullFineTuning<Rule::paper>>();
}

TEST_CASE("factors are kept in single precision, whatever they are computed with") {
  const test::Folder folder;
  const auto cache_of = [&]<class Device>(Context<Device>& context, const char* name) {
    TextPromptedSam<float, Device, recipes::SSam<>> model(test::small_config());
    randomize(model, Random(7));
    model.set_base_hash(test::base_hash);
    CHECK(prepare_cached(context, model, folder / name).written);
    return test::read_text(svd_cache_file(folder / name));
  };
  Context<Cpu> host(2);
  Context<CpuBf16> rounding(2, 0, Bf16Products::emulated);
  const std::string kept = cache_of(host, "a.pth");
  CHECK(cache_of(rounding, "b.pth") == kept);
}
