// What every consumer project compiles: one include, a count at compile time and an image through a tiny encoder.

#include <cmath>
#include <cstdio>
#include <ssam/ssam.hpp>

using namespace ssam;

static_assert(parameter_count<recipes::SSam<Rule::release>>(vit_b(256)).trained == 444'672);

int main() {
  SamConfig config = vit_b(32);
  config.embed_dim = config.out_channels = 16;
  config.depth = config.heads = config.decoder_heads = 1;
  Sam<float, Cpu> sam(config);
  Context<Cpu> context;
  const Tensor<float, Cpu> image(Shape{1, 32, 32, 3});
  const auto embedding = sam.encode(context, image);
  std::printf("ssam %s: %s\n", version, embedding.shape().str().c_str());
  for (Index i = 0; i < embedding.size(); ++i) {
    if (!std::isfinite(embedding.data()[i])) return 1;
  }
  return embedding.shape() == Shape{1, 2, 2, 16} ? 0 : 1;
}
