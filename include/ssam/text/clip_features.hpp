#pragma once

#include <algorithm>
#include <ssam/core/finite.hpp>
#include <ssam/text/clip_text_encoder.hpp>
#include <ssam/text/clip_tokenizer.hpp>
#include <ssam/text/features.hpp>

namespace ssam::inline SSAM_ABI {

/// The prompt of a `label`: `pattern` with every "{}" replaced by it, as in "a photo of a {}". Throws ConfigError for a
/// pattern without one.
inline std::string label_prompt(const std::string& label, const std::string& pattern) {
  std::string prompt;
  std::size_t begin = 0;
  for (std::size_t at; (at = pattern.find("{}", begin)) != std::string::npos; begin = at + 2) {
    prompt += pattern.substr(begin, at - begin) + label;
  }
  if (begin == 0) {
    throw ConfigError(ErrorText{.what = "the pattern of prompts has no place for the label",
                                .expected = "{} in it, as in 'a photo of a {}'",
                                .found = "'" + pattern + "'"});
  }
  return prompt + pattern.substr(begin);
}

/// CLIP's features of `labels`, not normalised; `pattern` makes the prompts. `source` is what is said of where they
/// come from. Throws ConfigError for a label that is there twice and for a pattern without "{}", MismatchError for a
/// tokenizer with another vocabulary than the encoder's, Error for features that are not finite.
template <class Scalar, class Device>
TextFeatures clip_features(Context<Device>& context, const ClipTextEncoder<Scalar, Device>& encoder,
                           const ClipTokenizer& tokenizer, const std::vector<std::string>& labels,
                           const std::string& pattern = "{}", const std::string& source = "CLIP") {
  if (static_cast<Index>(tokenizer.vocabulary().size) != encoder.config.vocabulary) {
    throw MismatchError(ErrorText{.what = "the vocabulary is not that of this text encoder",
                                  .expected = std::to_string(encoder.config.vocabulary) + " tokens",
                                  .found = std::to_string(tokenizer.vocabulary().size),
                                  .advice = "give the vocabulary that the encoder was trained with"});
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (std::find(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(i), labels[i]) ==
        labels.begin() + static_cast<std::ptrdiff_t>(i)) {
      continue;
    }
    throw ConfigError(ErrorText{.what = "a label is there twice", .found = "'" + labels[i] + "'"});
  }
  StateDict features;
  features.metadata = {{TextFeatures::pattern_key, pattern}, {TextFeatures::encoder_key, encoder.base_hash()}};
  for (const std::string& label : labels) {
    const ClipTokens tokens = tokenizer.tokenize(label_prompt(label, pattern));
    const std::vector<float> feature = encoder.feature(context, tokens.ids);
    require_finite(feature, "the feature of the label '" + label + "'");
    features.tensors.emplace(label, HostTensor::from(Shape{encoder.config.features}, feature));
  }
  return TextFeatures::from_state(features, source, encoder.config.features);
}

}  // namespace ssam::inline SSAM_ABI
