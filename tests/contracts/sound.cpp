// Compiles.

#include <ssam/sam/state.hpp>

struct Mine : ssam::FrozenRecipe {
  static constexpr const char* name = "mine";
  using BlockNorm = ssam::Trained;
};
ssam::TextPromptedSam<float, ssam::Cpu, Mine> model(ssam::vit_b(64));
