#include <cstdio>
#include <ssam/io/safetensors.hpp>
#include <ssam/sam/config_json.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "model_options.hpp"
#include "runner.hpp"

namespace ssam::cli {

namespace {

struct InitOptions {
  std::string backbone;
  std::filesystem::path config, out;
  Index image_size = 0;
  std::uint64_t seed = 0;
  int threads = 0;
};

int init(const InitOptions& options) {
  if (options.backbone.empty() == options.config.empty()) {
    throw UsageError("give either --backbone vit_b|vit_l|vit_h or --config FILE");
  }
  require_extension("--out", options.out, ".safetensors", "weights");
  check_files({{"--out", options.out}}, {{"--config", options.config}});
  if (std::filesystem::exists(options.out) && !std::filesystem::is_other(options.out)) {
    throw IoError(ErrorText{.what = "random weights do not replace a file that exists",
                            .where = options.out.string(),
                            .advice = "choose another name, or remove it first"});
  }
  SamConfig config = options.config.empty() ? backbone_config(options.backbone, 1024) : load_config(options.config);
  if (options.image_size > 0) set_image_size(config, options.image_size);
  config.check();
  const auto runner = find_recipe("zero_shot").make(find_rule("paper"), config, options.threads);
  runner->randomize(options.seed);
  StateDict state = runner->plain_weights();
  // TAL is part of what an adapter brings: SAM has none.
  std::erase_if(state.tensors, [](const auto& entry) { return entry.first.starts_with("text_affine."); });
  state.metadata[config_key] = to_json(config).dump();
  state.metadata["made_by"] = "ssam init --seed " + std::to_string(options.seed);
  save_safetensors(options.out, state);
  Index elements = 0;
  for (const auto& [name, tensor] : state.tensors) elements += tensor.shape.elements();
  std::printf("%s: %s random weights\n", options.out.string().c_str(), with_commas(elements).c_str());
  return 0;
}

}  // namespace

void add_init(Program& program) {
  auto* verb = program.app.add_subcommand("init", "Write a SAM checkpoint with random weights, to pre-train or to try");
  auto options = std::make_shared<InitOptions>();
  verb->add_option("--backbone", options->backbone, "vit_b, vit_l or vit_h")
      ->check(CLI::IsMember({"vit_b", "vit_l", "vit_h"}));
  verb->add_option("--config", options->config, "JSON of another SAM, in place of --backbone")->type_name("FILE");
  add_whole(*verb, "--image-size", options->image_size, "Side of the input in pixels; the configuration's or 1024", 1,
            16384)
      ->default_str("");
  add_seed(*verb, options->seed, "The same seed gives the same weights");
  verb->add_option("--out", options->out, "The safetensors file to write; it must not exist")
      ->required()
      ->type_name("FILE");
  add_threads(*verb, options->threads);
  verb->footer(
      "Its metadata holds the configuration, so no --config is needed later. Example:\n"
      "  ssam init --config small.json --seed 1 --out small.safetensors");
  verb->callback([&program, options] { program.run = [options] { return init(*options); }; });
}

}  // namespace ssam::cli
