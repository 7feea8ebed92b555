// What may be shared between threads: run under ThreadSanitizer by the preset ci-tsan.

#include <doctest/doctest.h>

#include <ssam/data/memory_samples.hpp>
#include <ssam/sam/predictor.hpp>
#include <ssam/sam/state.hpp>
#include <thread>

#include "../small_model.hpp"

using namespace ssam;

namespace {

Image picture(Index height, Index width, std::uint64_t seed) {
  Random random(seed);
  Image image(height, width);
  for (auto& value : image.rgb) value = static_cast<std::uint8_t>(random.below(256));
  return image;
}

/// f(0) ... f(count - 1), each on a thread of its own.
template <class F>
void at_once(std::size_t count, const F& f) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back([&f, i] { f(i); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("a constant model is shared by predictors, each with a context of its own") {
  const auto model = std::make_shared<const TextPromptedSam<float, Cpu, recipes::SSam<>>>(
      test::prepared_model<recipes::SSam<>>(test::small_config()));
  std::vector<std::vector<float>> answers(4), expected(4);
  const auto ask = [&](std::size_t i) {
    SamPredictor<recipes::SSam<>> predictor(model, std::make_shared<Context<Cpu>>(1));
    predictor.set_image(picture(30, 20 + static_cast<Index>(i), i + 1));
    const auto both = predictor.predict({{.points = {{4, 5}}}, {.label = "Liver"}});
    std::vector<float> logits = both[0].logits;
    logits.insert(logits.end(), both[1].logits.begin(), both[1].logits.end());
    return logits;
  };
  at_once(4, [&](std::size_t i) { answers[i] = ask(i); });
  for (std::size_t i = 0; i < 4; ++i) expected[i] = ask(i);
  CHECK(answers == expected);
}

TEST_CASE("samples are read from many threads") {
  MemorySamples samples({"A"}, 16);
  for (std::uint64_t i = 0; i < 4; ++i) samples.add(picture(9, 11, i), {Mask(9, 11)});
  std::vector<std::vector<float>> images(8, std::vector<float>(16 * 16 * 3));
  at_once(8, [&](std::size_t i) { samples.load(static_cast<Index>(i % 4), std::nullopt, images[i].data(), nullptr); });
  for (std::size_t i = 0; i < 4; ++i) CHECK(images[i] == images[i + 4]);
}
