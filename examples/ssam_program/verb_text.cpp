#include <algorithm>
#include <cstdio>
#include <ssam/text/clip_features.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "model_options.hpp"
#include "text_options.hpp"

namespace ssam::cli {

namespace {

struct FeatureOptions {
  ClipOptions clip{.pattern = "{}"};
  std::filesystem::path out;
  std::vector<std::string> labels;
  int threads = 0;
  bool json = false;
};

int write_features(const FeatureOptions& options) {
  const ClipOptions& clip = options.clip;
  require_extension("--out", options.out, ".safetensors", "text features");
  for (const std::string& label : options.labels) {
    if (std::count(options.labels.begin(), options.labels.end(), label) > 1) {
      throw UsageError("--label '" + label + "' is given twice");
    }
    label_prompt(label, clip.pattern);  // a template without a place is refused before anything is read
  }
  check_files({{"--out", options.out}}, {{"--clip", clip.weights}, {"--vocab", clip.vocabulary}});
  std::vector<ClipTokens> tokens;
  const TextFeatures features = clip_features_of(clip, options.labels, clip.pattern, options.threads, &tokens);
  features.save(options.out);

  nlohmann::ordered_json labels = nlohmann::ordered_json::array();
  Table table({"label", "tokens", "prompt"}, true);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string& label = options.labels[i];
    const std::string prompt = label_prompt(label, clip.pattern);
    table.add({label, std::to_string(tokens[i].end_position + 1), prompt});
    labels.push_back({{"label", label},
                      {"prompt", prompt},
                      {"tokens", tokens[i].end_position + 1},
                      {"dropped_tokens", tokens[i].dropped}});
  }
  if (options.json) {
    print_json({{"out", printable(options.out.string())},
                {"clip", printable(clip.weights.string())},
                {"clip_hash", features.encoder()},
                {"text_dim", features.dim()},
                {"labels", labels}});
  } else {
    std::printf("%s\n%s: %zu features of %lld values\n", table.text().c_str(), options.out.string().c_str(),
                options.labels.size(), static_cast<long long>(features.dim()));
  }
  return 0;
}

}  // namespace

void add_text(Program& program) {
  auto* verb = program.app.add_subcommand("text", "Write CLIP's features of label names, for train, eval and segment");
  auto options = std::make_shared<FeatureOptions>();
  add_clip_options(*verb, options->clip, true);
  add_each(*verb, "--label", options->labels, "A label's name; may be given more than once")
      ->required()
      ->type_name("NAME");
  verb->add_option("--out", options->out, "The safetensors file to write: one vector per label")
      ->required()
      ->type_name("F.safetensors");
  add_threads(*verb, options->threads);
  add_json(*verb, options->json);
  verb->footer(
      "Needed once: what reads the features needs neither CLIP nor the vocabulary. Example:\n"
      "  ssam text --clip ViT-B-32.pt --vocab bpe_simple_vocab_16e6.txt.gz --label Liver --label Kidney \\\n"
      "    --out features.safetensors");
  verb->callback([&program, options] { program.run = [options] { return write_features(*options); }; });
}

}  // namespace ssam::cli
