#include <algorithm>
#include <cstdio>
#include <ssam/text/clip_checkpoint.hpp>
#include <ssam/text/clip_features.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "model_options.hpp"

namespace ssam::cli {

namespace {

struct TextOptions {
  std::filesystem::path clip, vocabulary, out;
  std::vector<std::string> labels;
  std::string pattern = "{}";
  Index heads = 0;
  int threads = 0;
  bool gelu = false, json = false;
};

int write_features(const TextOptions& options) {
  require_extension("--out", options.out, ".safetensors", "text features");
  for (const std::string& label : options.labels) {
    if (std::count(options.labels.begin(), options.labels.end(), label) > 1) {
      throw UsageError("--label '" + label + "' is given twice");
    }
    label_prompt(label, options.pattern);  // a template without a place is refused before anything is read
  }
  check_files({{"--out", options.out}}, {{"--clip", options.clip}, {"--vocab", options.vocabulary}});
  const ClipTextEncoder<float, Cpu> encoder =
      load_clip_text_encoder<float, Cpu>(options.clip, options.heads, !options.gelu);
  const ClipTokenizer tokenizer = load_clip_tokenizer(options.vocabulary, encoder.config.context);
  Context<Cpu> context(options.threads);
  const StateDict features = clip_features(context, encoder, tokenizer, options.labels, options.pattern);
  save_safetensors(options.out, features);

  nlohmann::ordered_json labels = nlohmann::ordered_json::array();
  Table table({"label", "tokens", "prompt"}, true);
  for (const std::string& label : options.labels) {
    const std::string prompt = label_prompt(label, options.pattern);
    const ClipTokens tokens = tokenizer.tokenize(prompt);
    table.add({label, std::to_string(tokens.end_position + 1), prompt});
    labels.push_back({{"label", label},
                      {"prompt", prompt},
                      {"tokens", tokens.end_position + 1},
                      {"dropped_tokens", tokens.dropped}});
    if (tokens.truncated()) {
      std::fprintf(stderr, "ssam: warning: the prompt of '%s' is too long: its last %lld tokens are not seen\n",
                   label.c_str(), static_cast<long long>(tokens.dropped));
    }
  }
  if (options.json) {
    print_json({{"out", printable(options.out.string())},
                {"clip", printable(options.clip.string())},
                {"clip_hash", encoder.base_hash()},
                {"text_dim", encoder.config.features},
                {"labels", labels}});
  } else {
    std::printf("%s\n%s: %zu features of %lld values\n", table.text().c_str(), options.out.string().c_str(),
                options.labels.size(), static_cast<long long>(encoder.config.features));
  }
  return 0;
}

}  // namespace

void add_text(Program& program) {
  auto* verb = program.app.add_subcommand("text", "Write CLIP's features of label names, for train, eval and segment");
  auto options = std::make_shared<TextOptions>();
  verb->add_option("--clip", options->clip, "CLIP's weights: OpenAI's, open_clip's or Hugging Face's")
      ->required()
      ->type_name("FILE");
  verb->add_option("--vocab", options->vocabulary,
                   "Its vocabulary: bpe_simple_vocab_16e6.txt.gz, vocab.json beside merges.txt, or tokenizer.json")
      ->required()
      ->type_name("FILE");
  verb->add_option("--label", options->labels, "A label's name; may be given more than once")
      ->required()
      ->type_name("NAME");
  verb->add_option("--template", options->pattern, "The prompt, {} is the label's name")->capture_default_str();
  add_whole(*verb, "--heads", options->heads, "Heads of an attention (else one for every 64 channels)", 1, 4096);
  verb->add_flag("--gelu", options->gelu, "The weights are of a model with GELU, not OpenAI's QuickGELU");
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
