#include "text_options.hpp"

#include <cstdio>
#include <ssam/text/clip_checkpoint.hpp>
#include <ssam/text/clip_features.hpp>

#include "arguments.hpp"

namespace ssam::cli {

void add_clip_options(CLI::App& verb, ClipOptions& options, bool required) {
  auto* weights = verb.add_option("--clip", options.weights,
                                  "CLIP's weights: OpenAI's (ViT-B-32.pt), open_clip's or Hugging Face's")
                      ->type_name("FILE");
  auto* vocabulary =
      verb.add_option(
              "--vocab", options.vocabulary,
              "CLIP's vocabulary: bpe_simple_vocab_16e6.txt.gz, vocab.json beside merges.txt, or tokenizer.json")
          ->type_name("FILE");
  weights->required(required);
  vocabulary->required(required);
  verb.add_option("--template", options.pattern,
                  "CLIP's prompt, {} is the label's name; else that of the adapter, or {} alone")
      ->type_name("TEXT");
  add_whole(verb, "--clip-heads", options.heads, "Heads of an attention of CLIP's (else one for every 64 channels)", 1,
            4096)
      ->default_str("");
  verb.add_flag("--clip-gelu", options.gelu, "CLIP's weights are of a model with GELU, not OpenAI's QuickGELU");
}

void add_text_options(CLI::App& verb, TextOptions& options) {
  verb.add_option("--features", options.features, "Text features of the labels, as ssam text writes them")
      ->type_name("FILE");
  add_clip_options(verb, options.clip, false);
}

void check_text_options(const TextOptions& options) {
  const ClipOptions& clip = options.clip;
  if (clip.weights.empty() != clip.vocabulary.empty()) {
    throw UsageError(clip.weights.empty() ? "--vocab without --clip: give CLIP's weights too"
                                          : "--clip without --vocab: give CLIP's vocabulary too");
  }
  if (!options.features.empty() && !clip.weights.empty()) {
    throw UsageError("--features and --clip: text features come from a file or from CLIP, not from both");
  }
  if (clip.weights.empty() && (!clip.pattern.empty() || clip.heads > 0 || clip.gelu)) {
    throw UsageError("--template, --clip-heads and --clip-gelu say how CLIP is used: give it with --clip and --vocab");
  }
  if (!clip.pattern.empty()) label_prompt("", clip.pattern);
}

TextFeatures clip_features_of(const ClipOptions& options, const std::vector<std::string>& labels,
                              const std::string& pattern, int threads, std::vector<ClipTokens>* tokens) {
  const auto encoder = load_clip_text_encoder<float, Cpu>(options.weights, options.heads, !options.gelu);
  const ClipTokenizer tokenizer = load_clip_tokenizer(options.vocabulary, encoder.config.context);
  for (const std::string& label : labels) {
    const ClipTokens prompt = tokenizer.tokenize(label_prompt(label, pattern));
    if (tokens != nullptr) tokens->push_back(prompt);
    if (!prompt.truncated()) continue;
    std::fprintf(stderr, "ssam: warning: the prompt of '%s' is too long: its last %lld tokens are not seen\n",
                 label.c_str(), static_cast<long long>(prompt.dropped));
  }
  Context<Cpu> context(threads);
  return clip_features(context, encoder, tokenizer, labels, pattern,
                       "CLIP (" + printable(options.weights.filename().string()) + ", prompt '" + pattern + "')");
}

TextFeatures features_to_train(const TextOptions& options, const std::vector<std::string>& labels, Index dim,
                               int threads) {
  if (!options.features.empty()) return TextFeatures::load(options.features, dim);
  if (!options.clip.weights.empty()) {
    return clip_features_of(options.clip, labels, options.clip.pattern.empty() ? "{}" : options.clip.pattern, threads);
  }
  std::fprintf(
      stderr,
      "ssam: note: without CLIP (--clip and --vocab) a label's name is a random vector: the model learns which "
      "label is meant, but nothing from what names mean, and no label beside those it is trained on\n");
  return TextFeatures::hashed(dim);
}

}  // namespace ssam::cli
