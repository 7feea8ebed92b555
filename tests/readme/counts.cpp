// counts README.md: every line of the table of adapters, and every number in the text below it, computed from the
// library, stands in the README.

#include <cstdio>
#include <fstream>
#include <set>
#include <ssam/nets/u_net.hpp>
#include <ssam/sam/parameter_count.hpp>
#include <string>
#include <vector>

using namespace ssam;

namespace {

std::string with_commas(Index number) {
  std::string text = std::to_string(number);
  for (int i = static_cast<int>(text.size()) - 3; i > 0; i -= 3) text.insert(static_cast<std::size_t>(i), ",");
  return text;
}

template <class Recipe>
std::string line(const std::string& adapter, const std::string& rule) {
  std::string text = "| " + adapter + " | " + rule + " |";
  for (const Index size : {256, 512, 1024})
    text += " " + with_commas(parameter_count<Recipe>(vit_b(size)).trained) + " |";
  const ParameterCount count = parameter_count<Recipe>(vit_b(256));
  char percent[32];
  std::snprintf(percent, sizeof percent, " %.2f%% |", 100.0 * double(count.trained) / double(count.total));
  return text + percent;
}

template <template <Rule> class Recipe>
void add(std::vector<std::string>& lines, const std::string& adapter) {
  lines.push_back(line<Recipe<Rule::paper>>(adapter, "paper"));
  lines.push_back(line<Recipe<Rule::release>>(adapter, "release"));
}

template <Rule rule>
using Lora4 = recipes::LoRA<4, rule>;
template <Rule rule>
using Top64 = recipes::SSamTop<64, rule>;
template <Rule rule>
using Samed4 = recipes::SAMed<4, rule>;

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::vector<std::string> lines;
  lines.push_back(line<recipes::ZeroShot>("`ZeroShot`", "both"));
  add<recipes::SSam>(lines, "`SSam`");
  add<Top64>(lines, "`SSamTop<64>`");
  add<Lora4>(lines, "`LoRA<4>`");
  add<Samed4>(lines, "`SAMed<4>`");
  add<recipes::BiasTuning>(lines, "`BiasTuning` (AdaptiveSAM)");
  add<recipes::MedSA>(lines, "`MedSA`");
  add<recipes::FullFineTuning>(lines, "`FullFineTuning`");
  lines.push_back(line<recipes::AblationPositions>("`AblationPositions`", "both"));
  lines.push_back(line<recipes::AblationNorms<>>("`AblationNorms`", "paper"));
  lines.push_back(line<recipes::AblationText<>>("`AblationText`", "paper"));
  lines.push_back(line<recipes::AblationScale<>>("`AblationScale`, `AblationShift`", "paper"));
  add<recipes::MedSAM>(lines, "`MedSAM`");
  add<recipes::SonoSAM>(lines, "`SonoSAM`");
  add<recipes::BitFit>(lines, "`BitFit`");
  lines.push_back(line<recipes::SSF>("`SSF`", "both"));
  add<recipes::LayerNormTuning>(lines, "`LayerNormTuning`");

  const SamConfig vit = vit_b(256);
  const std::vector<std::string> numbers{
      with_commas(parameter_count<recipes::MedSA<>>(vit).group(CountGroup::bottleneck)) + " are its bottlenecks",
      with_commas(parameter_count<recipes::SAMed<>>(vit).group(CountGroup::low_rank)) + " its low-rank factors",
      with_commas(parameter_count_of(UNet<float, Meta>(UNetConfig{})).trained) + " parameters with batch norm",
      with_commas(parameter_count_of(UNet<float, Meta, false>(UNetConfig{})).trained) + " without"};

  std::set<std::string> readme;
  std::string prose;
  std::ifstream file(argv[1]);
  for (std::string text; std::getline(file, text); prose += text + " ") readme.insert(text);
  int missing = 0;
  const auto need = [&](const std::string& wanted, bool there) {
    if (there) return;
    std::printf("not in the README: %s\n", wanted.c_str());
    ++missing;
  };
  for (const std::string& wanted : lines) need(wanted, readme.contains(wanted));
  for (const std::string& wanted : numbers) need(wanted, prose.find(wanted) != std::string::npos);
  return missing == 0 ? 0 : 1;
}
