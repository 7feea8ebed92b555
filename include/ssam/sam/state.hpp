#pragma once

#include <cmath>
#include <ssam/adapt/model_state.hpp>
#include <ssam/sam/checkpoint_names.hpp>
#include <ssam/sam/other_checkpoints.hpp>
#include <ssam/sam/text_prompted_sam.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {
template <class Model>
auto& sam_of(Model& model) {
  if constexpr (requires { model.sam; }) {
    return model.sam;
  } else {
    return model;
  }
}
}  // namespace detail

/// Loads a checkpoint (names normalised to SAM's own) into a Sam or a TextPromptedSam, all or nothing: names, shapes
/// and values are checked first, then copied in place. Adapters and TAL may be missing: they are then at their start,
/// drawn from `random` (`initialize_adapters`); but for bottlenecks, which start anywhere, and SSF, which starts near
/// it, the model then answers as the checkpoint does. TAL's weights may be left over for a Sam, relative positions for
/// a model that has none. Positional tables are resized to the model's image size. `source` names the file in messages.
/// The model remembers the checkpoint's content (`base_hash`). Throws MismatchError with a diagnosis otherwise,
/// FormatError for weights that are NaN or infinite.
template <class Model>
void load_weights(Model& model, StateDict state, const std::string& source, Random random = Random(0)) {
  const CheckpointDescription description = describe_checkpoint(state);
  if (!is_whole_sam(state)) throw_not_sam(state, source);
  auto& sam = detail::sam_of(model);
  const std::string hash = content_hash(state);
  StateLoader loader(state);
  std::vector<std::string> missing, unexpected;
  const bool has_text = state.contains("text_affine.Text_Embedding_Affine.0.weight");
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout layout) {
    if (loader.take(path.str(), parameter.value, parameter.value.shape(), group, layout, true)) return;
    if (!is_adapter(group) && (has_text || path.part() != Part::text_affine)) missing.push_back(path.str());
  });
  constexpr bool wants_text = !std::is_same_v<Model, std::remove_cvref_t<decltype(sam)>>;
  for (const std::string& name : loader.left()) {
    if (!sam.config.relative_positions() && name.find(".attn.rel_pos_") != std::string::npos) continue;
    if (!wants_text && name.starts_with("text_affine.")) continue;
    unexpected.push_back(name);
  }
  if (!missing.empty() || !unexpected.empty() || !loader.misshapen.empty()) {
    throw_mismatch(source, description, sam.config, missing, unexpected, loader.misshapen);
  }
  if (!loader.nonfinite.empty()) detail::throw_nonfinite(source, loader.nonfinite);
  initialize_adapters(model, random);
  loader.commit();
  model.set_base_hash(hash);
}

/// Whether a plain SAM with the merged weights gives a model's answers: not where an adapter has a network of its own,
/// nor where the model was published without the neck's padding.
template <class Scalar, class Device, class Recipe, template <class, class, class> class Encoder>
bool merges_into_plain_sam(const TextPromptedSam<Scalar, Device, Recipe, Encoder>& model) {
  bool plain = !(model.sam.config.variant == SamVariant::svdsam_release && Recipe::published_without_padding);
  walk(model, [&](const Path&, const auto&, Group group, Layout) { plain = plain && group != Group::bottleneck; });
  return plain;
}

/// Fills a model with random weights (the start of a pre-training, or a stand-in of the right size): weights uniform in
/// +-1/sqrt(fan in), tokens and the Fourier matrix standard normal, positions N(0, 0.02^2), norms 1, biases 0.
template <class Model>
void randomize(Model& model, Random random) {
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout) {
    const Shape shape = parameter.value.shape();
    const std::string name = path.str();
    const bool token = name.ends_with("_token.weight") || name.ends_with("_tokens.weight") ||
                       name.find("_embeddings.") != std::string::npos || name.ends_with("_embed.weight") ||
                       group == Group::buffer;
    const double bound =
        std::sqrt(static_cast<double>(std::max<Index>(shape[0], 1)) / double(std::max<Index>(shape.elements(), 1)));
    using Scalar = std::remove_cvref_t<decltype(*parameter.value.data())>;
    std::vector<Scalar> values(static_cast<std::size_t>(shape.elements()));
    for (Scalar& value : values) {
      if (group == Group::norms) {
        value = name.ends_with("weight") ? Scalar(1) : Scalar(0);
      } else if (token) {
        value = static_cast<Scalar>(random.normal());
      } else if (group == Group::positional) {
        value = static_cast<Scalar>(0.02 * random.normal());
      } else if (group == Group::weights) {
        value = static_cast<Scalar>(random.uniform(-bound, bound));
      }
    }
    parameter.value = std::remove_cvref_t<decltype(parameter.value)>(shape, values);
  });
  initialize_adapters(model, random);
}

}  // namespace ssam::inline SSAM_ABI
