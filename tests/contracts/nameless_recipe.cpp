// Refused: ssam: a recipe needs a name of its own

#include <ssam/sam/state.hpp>

struct Mine : ssam::FrozenRecipe {
  using BlockNorm = ssam::Trained;
};
ssam::TextPromptedSam<float, ssam::Cpu, Mine> model(ssam::vit_b(64));
