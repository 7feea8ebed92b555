// Refused: ssam: what is trained is said by ssam::Frozen or ssam::Trained

#include <ssam/sam/state.hpp>

struct Mine : ssam::FrozenRecipe {
  static constexpr const char* name = "mine";
  using DecoderNorm = bool;
};
ssam::TextPromptedSam<float, ssam::Cpu, Mine> model(ssam::vit_b(64));
