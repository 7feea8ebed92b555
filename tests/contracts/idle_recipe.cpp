// Refused: ssam: this recipe trains nothing

#include <ssam/sam/state.hpp>

struct Mine : ssam::FrozenRecipe {
  static constexpr const char* name = "mine";
};
ssam::TextPromptedSam<float, ssam::Cpu, Mine> model(ssam::vit_b(64));
