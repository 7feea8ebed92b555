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

namespace {

#if defined(SSAM_CLI_WITH_CUDA)
template <class Device>
void add_gpu(std::vector<Recipe>& all, DeviceKind kind) {
  const RecipeOnDevice models[]{zero_shot_on<Device>(), layer_norm_tuning_on<Device>(), ssam_on<Device>(),
                                lora_on<Device>(),      bias_tuning_on<Device>(),       full_fine_tuning_on<Device>()};
  for (std::size_t i = 0; i < all.size(); ++i) all[i].devices[static_cast<std::size_t>(kind)] = models[i];
}
#endif

std::vector<Recipe> all_recipes() {
  std::vector<Recipe> all{zero_shot_recipe(), layer_norm_tuning_recipe(), ssam_recipe(),
                          lora_recipe(),      bias_tuning_recipe(),       full_fine_tuning_recipe()};
#if defined(SSAM_CLI_WITH_CUDA)
  add_gpu<Cuda>(all, DeviceKind::cuda);
#if !defined(SSAM_CLI_ONLY_FP32)
  add_gpu<CudaTf32>(all, DeviceKind::cuda_tf32);
  add_gpu<CudaBf16>(all, DeviceKind::cuda_bf16);
#endif
#endif
  return all;
}

}  // namespace

const std::vector<Recipe>& recipes() {
  static const std::vector<Recipe> all = all_recipes();
  return all;
}

void require_built_for(DeviceKind device) {
  if (recipes().front().devices[static_cast<std::size_t>(device)].make != nullptr) return;
  throw ConfigError(ErrorText{
      .what = "this program was built without CUDA, which --device " + std::string(to_string(device)) + " needs",
      .advice = "configure with -DSSAM_WITH_CUDA=ON and build it anew, or use --device cpu"});
}

const RecipeOnDevice& Recipe::on(DeviceKind device) const {
  require_built_for(device);
  return devices[static_cast<std::size_t>(device)];
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
