#pragma once

#include <filesystem>
#include <optional>
#include <ssam/text/clip_tokenizer.hpp>
#include <ssam/text/features.hpp>
#include <string>
#include <vector>

#include "program.hpp"

namespace ssam::cli {

/// CLIP's text encoder, and the prompts that it reads.
struct ClipOptions {
  std::filesystem::path weights = {}, vocabulary = {};
  std::string pattern = {};  ///< "": where a model was trained with one that, else "{}"
  Index heads = 0;
  bool gelu = false;
};

/// Where a label's vector comes from: a file, CLIP, or neither.
struct TextOptions {
  std::filesystem::path features;
  ClipOptions clip;
};

/// --clip, --vocab, --template, --clip-heads, --clip-gelu. `required`: the first two.
void add_clip_options(CLI::App& verb, ClipOptions& options, bool required);
/// --features and those.
void add_text_options(CLI::App& verb, TextOptions& options);

/// Throws UsageError for options that do not go together, and a pattern without a place for the label.
void check_text_options(const TextOptions& options);

/// CLIP's features of `labels`, after the prompts' `pattern`; says on stderr which prompts are too long. `tokens`: of
/// each label's prompt, if asked for. Throws as load_clip_text_encoder, load_clip_tokenizer and clip_features.
TextFeatures clip_features_of(const ClipOptions& options, const std::vector<std::string>& labels,
                              const std::string& pattern, int threads, std::vector<ClipTokens>* tokens = nullptr);

/// The features that a new model is trained with: those that the options name, else hashed label names, of which stderr
/// is told what is lost.
TextFeatures features_to_train(const TextOptions& options, const std::vector<std::string>& labels, Index dim,
                               int threads);

}  // namespace ssam::cli
