// What a recipe trains is a constant of its type: the compiler checks it, no weights are needed.
//
//     02_counts_at_compile_time

#include <cstdio>
#include <ssam/ssam.hpp>

using namespace ssam;

constexpr SamConfig backbone = vit_b(256);
static_assert(parameter_count<recipes::ZeroShot>(backbone).trained == 0);
static_assert(parameter_count<recipes::SSam<Rule::release>>(backbone).trained == 444'672);
static_assert(parameter_count<recipes::LoRA<8>>(backbone).group(CountGroup::low_rank) ==
              2 * parameter_count<recipes::LoRA<4>>(backbone).group(CountGroup::low_rank));

template <class Recipe>
void print() {
  constexpr ParameterCount count = parameter_count<Recipe>(backbone);
  std::printf("%-18s %10lld", Recipe::name, static_cast<long long>(count.trained));
  for (const Index trained : count.groups) std::printf(" %15lld", static_cast<long long>(trained));
  std::printf("\n");
}

int main() {
  std::printf("%-18s %10s", "SAM ViT-B, 256 px", "trained");
  for (const std::string_view group : count_group_names) std::printf(" %15s", std::string(group).c_str());
  std::printf("\n");
  print<recipes::ZeroShot>();
  print<recipes::LayerNormTuning<>>();
  print<recipes::SSam<>>();
  print<recipes::LoRA<4>>();
  print<recipes::SAMed<>>();
  print<recipes::BiasTuning<>>();
  print<recipes::MedSA<>>();
  print<recipes::FullFineTuning<>>();
  print<recipes::MedSAM<>>();
  print<recipes::SonoSAM<>>();
  print<recipes::BitFit<>>();
  print<recipes::SSF>();
}
