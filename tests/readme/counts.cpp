// counts README.md: every line of the table of adapters, computed from the library, stands in the README.

#include <cstdio>
#include <fstream>
#include <set>
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

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::vector<std::string> lines;
  lines.push_back(line<recipes::ZeroShot>("`ZeroShot`", "both"));
  add<recipes::SSam>(lines, "`SSam`");
  add<Lora4>(lines, "`LoRA<4>`");
  add<recipes::BiasTuning>(lines, "`BiasTuning` (AdaptiveSAM)");
  add<recipes::FullFineTuning>(lines, "`FullFineTuning`");
  add<recipes::LayerNormTuning>(lines, "`LayerNormTuning`");

  std::set<std::string> readme;
  std::ifstream file(argv[1]);
  for (std::string text; std::getline(file, text);) readme.insert(text);
  int missing = 0;
  for (const std::string& wanted : lines) {
    if (readme.contains(wanted)) continue;
    std::printf("not in the README: %s\n", wanted.c_str());
    ++missing;
  }
  return missing == 0 ? 0 : 1;
}
