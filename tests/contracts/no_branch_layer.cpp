// Refused: is no BranchLayer

#include <ssam/sam/state.hpp>

struct Mine : ssam::FrozenRecipe {
  static constexpr const char* name = "mine";
  template <class S, class D>
  using SerialMlpBranch = ssam::Linear<S, D>;
};
ssam::TextPromptedSam<float, ssam::Cpu, Mine> model(ssam::vit_b(64));
