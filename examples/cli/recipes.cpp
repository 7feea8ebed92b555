#include <ssam/adapt/recipe.hpp>
#include <ssam/core/closest_name.hpp>

#include "program.hpp"
#include "runner.hpp"

namespace ssam::cli {

// One translation unit each: runner_<name>.cpp.
Recipe zero_shot_recipe();
Recipe ssam_recipe();
Recipe lora_recipe();
Recipe bias_tuning_recipe();
Recipe full_fine_tuning_recipe();
Recipe layer_norm_tuning_recipe();

const std::vector<Recipe>& recipes() {
  static const std::vector<Recipe> all{zero_shot_recipe(), layer_norm_tuning_recipe(), ssam_recipe(),
                                       lora_recipe(),      bias_tuning_recipe(),       full_fine_tuning_recipe()};
  return all;
}

const Recipe& find_recipe(const std::string& name) {
  std::vector<std::string> names;
  for (const Recipe& recipe : recipes()) {
    names.push_back(recipe.name);
    for (const std::string& alias : recipe.aliases) names.push_back(alias);
    for (auto known = names.end() - 1 - static_cast<std::ptrdiff_t>(recipe.aliases.size()); known != names.end();
         ++known) {
      if (*known == name) return recipe;
    }
  }
  throw UsageError("there is no recipe '" + name + "'; " + suggest_name(name, names));
}

Rule find_rule(const std::string& name) {
  if (name == "paper") return Rule::paper;
  if (name == "release") return Rule::release;
  throw UsageError("there is no rule '" + name + "'; known are: paper, release");
}

}  // namespace ssam::cli
