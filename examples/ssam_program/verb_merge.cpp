#include <cstdio>
#include <ssam/io/safetensors.hpp>
#include <ssam/sam/hugging_face.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "open_model.hpp"

namespace ssam::cli {

namespace {

struct MergeOptions {
  ModelOptions model;
  std::filesystem::path adapter, out;
  DeviceKind device = DeviceKind::cpu;
  int threads = 0;
};

int merge(const MergeOptions& options) {
  require_extension("--out", options.out, ".safetensors", "weights");
  check_files(
      {{"--out", options.out}},
      {{"--checkpoint", options.model.checkpoint}, {"--config", options.model.config}, {"--adapter", options.adapter}});
  const OpenModel model = open_model(options.model, options.adapter, options.threads, options.device);
  if (!model.runner->merges_into_plain_sam()) {
    throw ConfigError(ErrorText{.what = "this adapter cannot be merged into a plain checkpoint: the published form of "
                                        "its neck convolution has no padding, which no plain SAM can repeat",
                                .where = options.adapter.string(),
                                .advice = "use it with --adapter"});
  }
  StateDict state = model.runner->plain_weights();
  if (!model.has_text_affine) state = ssam::detail::only_sam(std::move(state));  // nobody has trained the layer's
  state.metadata[config_key] = to_json(model.config).dump();
  state.metadata[model_key] = to_string(model.config.variant);
  state.metadata[preparation_key] = to_json(model.config.preparation).dump();
  if (model.has_text_affine) store_trained_text(state, model.text);
  state.metadata["made_by"] = "ssam merge, recipe " + model.adapter->recipe + " (" + model.adapter->rule + ")";
  check_finite(state, {.strict_finite = true}, options.out.string());
  save_safetensors(options.out, state);
  std::printf("%s: %zu tensors; recipe %s merged\n", options.out.string().c_str(), state.tensors.size(),
              model.adapter->recipe.c_str());
  return 0;
}

}  // namespace

void add_merge(Program& program) {
  auto* verb = program.app.add_subcommand("merge", "Write a checkpoint with an adapter merged into its weights");
  auto options = std::make_shared<MergeOptions>();
  add_model_options(*verb, options->model);
  verb->add_option("--adapter", options->adapter,
                   "The trained adapter: best or last of a run, a LoRA's folder of PEFT, or a .pth of S-SAM's authors")
      ->required()
      ->type_name("PATH");
  verb->add_option("--out", options->out, "The safetensors file to write")->required()->type_name("FILE");
  add_device(*verb, options->device, {"cpu", "cuda"});  // what is saved is computed in single precision
  add_threads(*verb, options->threads);
  verb->footer(
      "The result is a plain SAM checkpoint, as large as the base, with the text affine layer beside it where\none was "
      "trained.\nExample:\n"
      "  ssam merge --checkpoint sam_vit_b.pth --adapter run/best --out merged.safetensors");
  verb->callback([&program, options] { program.run = [options] { return merge(*options); }; });
}

}  // namespace ssam::cli
