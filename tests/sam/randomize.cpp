#include <doctest/doctest.h>

#include <ssam/sam/state.hpp>

#include "../small_model.hpp"

using namespace ssam;

TEST_CASE("random weights have the size their fan in asks for, and only embeddings are standard normal") {
  TextPromptedSam<float, Cpu, recipes::FullFineTuning<Rule::paper>> model(test::small_config());
  randomize(model, Random(3));
  int weights = 0, normal = 0;
  walk(model, [&](const Path& path, const auto& parameter, Group group, Layout) {
    if (group != Group::weights) return;
    const std::string name = path.str();
    CAPTURE(name);
    const Shape shape = parameter.value.shape();
    const double fan_in = static_cast<double>(shape.elements() / shape[0]);
    double largest = 0;
    for (const auto value : parameter.value.to_host())
      largest = std::max(largest, std::abs(static_cast<double>(value)));
    const bool embedding = name == "mask_decoder.iou_token.weight" || name == "mask_decoder.mask_tokens.weight" ||
                           name.find("_embed") != std::string::npos;
    if (embedding) {
      ++normal;
      CHECK(largest > 0);
    } else {
      ++weights;
      CHECK(largest <= 1 / std::sqrt(fan_in));
      CHECK(largest > 0.5 / std::sqrt(fan_in));
    }
  });
  CHECK(weights > 60);
  CHECK(normal >= 8);
}
