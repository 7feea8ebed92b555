// Refused: ssam: this recipe's MlpLinear is no LinearLayer

#include <ssam/sam/state.hpp>

template <class S, class D>
struct Nothing {
  struct Record {};
};
struct Mine : ssam::FrozenRecipe {
  static constexpr const char* name = "mine";
  template <class S, class D>
  using MlpLinear = Nothing<S, D>;
};
ssam::TextPromptedSam<float, ssam::Cpu, Mine> model(ssam::vit_b(64));
