#pragma once

#include <cmath>
#include <optional>
#include <ssam/text/features.hpp>
#include <string>
#include <tuple>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// Tensors of text features in an adapter's file and in a merged checkpoint: this before the label.
inline constexpr const char* text_features_prefix = "text_features.";

/// What a text affine layer was trained with.
struct TrainedText {
  std::vector<std::string> labels = {};       ///< empty where nobody recorded them
  std::string source = {};                    ///< TextFeatures::source(); "" where nobody recorded it
  std::string hash = {};                      ///< TextFeatures::hash(); "" where nobody recorded it
  std::optional<TextFeatures> features = {};  ///< of these labels; none for hashed names and where nobody kept them
};

namespace detail {

/// Puts features among the tensors of `state`, and what made them into its metadata.
inline void put_features(StateDict& state, const std::optional<TextFeatures>& features) {
  if (!features || features->is_hashed()) return;
  StateDict own = features->to_state();
  for (auto& [label, tensor] : own.tensors) state.tensors[text_features_prefix + label] = std::move(tensor);
  state.metadata.merge(own.metadata);
}

/// Takes the features out of `state` that put_features put there; none where there are none. Throws as
/// TextFeatures::from_state.
inline std::optional<TextFeatures> take_features(StateDict& state, const std::string& source) {
  StateDict own;
  const std::string_view prefix = text_features_prefix;
  for (auto at = state.tensors.lower_bound(text_features_prefix);
       at != state.tensors.end() && at->first.starts_with(prefix);) {
    own.tensors[at->first.substr(prefix.size())] = std::move(at->second);
    at = state.tensors.erase(at);
  }
  if (own.tensors.empty()) return std::nullopt;
  own.metadata = state.metadata;
  const Shape& shape = own.tensors.begin()->second.shape;
  return TextFeatures::from_state(own, source, shape.rank() == 1 ? shape[0] : 0);
}

/// Refuses `given` where it says something else than `trained` about a label that both have. Two computations of one
/// text encoder agree far better than the tolerance.
inline void require_same_features(const TextFeatures& trained, const TextFeatures& given) {
  constexpr double tolerance = 1e-3;
  bool compared = false;
  for (const std::string& label : trained.labels()) {
    if (!given.has(label)) continue;
    compared = true;
    const std::vector<float> ours = trained.at(label), theirs = given.at(label);
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      difference += std::pow(static_cast<double>(ours[i]) - static_cast<double>(theirs[i]), 2);
      norm += std::pow(static_cast<double>(ours[i]), 2);
    }
    if (difference <= tolerance * tolerance * norm) continue;
    throw MismatchError(ErrorText{
        .what = "the model was trained with other text features of the label '" + label + "'",
        .where = given.source(),
        .expected = "those of " + trained.source(),
        .found = "vectors that differ by " + std::to_string(std::sqrt(difference / norm)) + " of their length",
        .advice = "leave them out: the model brings its own"});
  }
  if (compared) return;
  // Nothing but what they say of themselves can show that both are of one encoder and one pattern of prompts.
  for (const auto& [what, ours, theirs] : {std::tuple{"text encoder", trained.encoder(), given.encoder()},
                                           {"pattern of prompts", trained.pattern(), given.pattern()}}) {
    if (ours.empty() || theirs.empty() || ours == theirs) continue;
    throw MismatchError(ErrorText{.what = std::string("the model was trained with features of another ") + what,
                                  .where = given.source(),
                                  .expected = ours,
                                  .found = theirs,
                                  .advice = "make them with the one that it was trained with; where it is the same one "
                                            "in another file, let a label that it was trained on be among them"});
  }
}

}  // namespace detail

/// The text features to ask a trained model with: those that it brings along, and of `given` the labels that it was not
/// trained with; hashed names where it was trained with them, or where nobody recorded anything and none are given.
/// `dim`: values that the model takes. Throws MismatchError where it was trained with other ones than those given, or
/// with ones that nobody kept and none are given.
inline TextFeatures features_to_ask(const TrainedText& trained, const std::optional<TextFeatures>& given, Index dim) {
  const TextFeatures hashed = TextFeatures::hashed(dim);
  const bool known = !trained.source.empty();
  const auto refuse = [&](const std::string& found, const std::string& advice) {
    throw MismatchError(ErrorText{.what = "the model was trained with other text features",
                                  .expected = trained.source,
                                  .found = found,
                                  .advice = advice});
  };
  if (trained.features) {
    if (!given) return *trained.features;
    if (given->is_hashed()) refuse(given->source(), "leave them out: the model brings its own");
    if (given->dim() != trained.features->dim()) {
      refuse("vectors of " + std::to_string(given->dim()) + " values", "leave them out: the model brings its own");
    }
    detail::require_same_features(*trained.features, *given);
    return trained.features->with(*given);
  }
  if (!given) {
    if (known && trained.source != hashed.source()) refuse(hashed.source(), "give the features it was trained with");
    return hashed;
  }
  if (known && (trained.source == hashed.source()) != given->is_hashed()) {
    refuse(given->source(), given->is_hashed() ? "give the features it was trained with" : "leave them out");
  }
  if (!trained.hash.empty() && trained.hash != given->hash()) {
    throw MismatchError(ErrorText{.what = "the model was trained with text features of another content",
                                  .where = given->source(),
                                  .expected = trained.source + " as it was then (content hash " + trained.hash + ")",
                                  .found = "content hash " + given->hash(),
                                  .advice = "give the file that it was trained with, under any name"});
  }
  return *given;
}

}  // namespace ssam::inline SSAM_ABI
