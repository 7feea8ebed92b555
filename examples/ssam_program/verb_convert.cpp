#include <cmath>
#include <cstdio>
#include <ssam/sam/sam_checkpoint.hpp>

#include "arguments.hpp"
#include "console.hpp"

namespace ssam::cli {

namespace {

struct ConvertOptions {
  std::filesystem::path in, out;
  std::string dtype;
  bool keep_names = false, strict_finite = false;
};

/// The tensor as another floating type; throws when a finite value would become infinite.
HostTensor narrowed(const std::string& name, const HostTensor& tensor, DType target) {
  if (!is_floating(tensor.dtype) || tensor.dtype == target) return tensor;
  HostTensor result = tensor.converted(target);
  if (result.count_nonfinite() > tensor.count_nonfinite()) {
    throw MismatchError(ErrorText{.what = "a weight is too large for the wanted type",
                                  .where = "tensor " + shown(name),
                                  .expected = std::string("values that fit ") + dtype_name(target),
                                  .advice = "use --dtype bf16 or f32"});
  }
  return result;
}

int convert(const ConvertOptions& options) {
  require_extension("OUT", options.out, ".safetensors", "weights");
  check_files({{"OUT", options.out}}, {{"IN", options.in}});
  detail::refuse_folder_as_checkpoint(options.in);
  StateDict state = load_checkpoint(options.in, {.strict_finite = options.strict_finite});
  if (!options.keep_names) state = normalize_names(std::move(state));
  if (!options.dtype.empty()) {
    const DType target = options.dtype == "f32" ? DType::f32 : options.dtype == "f16" ? DType::f16 : DType::bf16;
    for (auto& [name, tensor] : state.tensors) tensor = narrowed(name, tensor, target);
  }
  save_safetensors(options.out, state);
  std::printf("%s: %zu tensors\n", options.out.string().c_str(), state.tensors.size());
  for (const std::string& entry : state.notes) std::printf("  %s\n", entry.c_str());
  for (const std::string& entry : state.skipped) std::printf("  left out %s\n", entry.c_str());
  const std::size_t damaged = state.nonfinite().size();
  if (damaged > 0) std::fprintf(stderr, "ssam: warning: %zu tensors hold NaN or infinite values\n", damaged);
  return 0;
}

}  // namespace

void add_convert(Program& program) {
  auto* verb = program.app.add_subcommand("convert", "Rewrite a checkpoint as safetensors under SAM's own names");
  auto options = std::make_shared<ConvertOptions>();
  verb->add_option("IN", options->in, "A checkpoint: .pth (zip or legacy) or .safetensors")->required();
  verb->add_option("OUT", options->out, "The safetensors file to write")->required();
  verb->add_option("--dtype", options->dtype, "Store floating point as f32, f16 or bf16 (else as it is)")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}));
  verb->add_flag("--keep-names", options->keep_names,
                 "Keep every name and tensor: take no prefix off, leave nothing out");
  verb->add_flag("--strict-finite", options->strict_finite, "Refuse weights that are NaN or infinite");
  verb->footer("Pickles are read, never executed. Example:\n  ssam convert sam_vit_b_01ec64.pth sam_vit_b.safetensors");
  verb->callback([&program, options] { program.run = [options] { return convert(*options); }; });
}

}  // namespace ssam::cli
