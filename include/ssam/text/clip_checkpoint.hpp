#pragma once

#include <filesystem>
#include <ssam/adapt/model_state.hpp>
#include <ssam/io/checkpoint_file.hpp>
#include <ssam/text/clip_text_encoder.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// Rows of `parts` one below the other.
inline HostTensor stacked(const std::vector<const HostTensor*>& parts) {
  std::vector<float> values;
  Shape shape = parts.front()->shape;
  Index rows = 0;
  for (const HostTensor* part : parts) {
    const std::vector<float> more = part->to<float>();
    values.insert(values.end(), more.begin(), more.end());
    rows += part->shape.rank() == 0 ? 0 : part->shape[0];
  }
  shape = shape.rank() == 2 ? Shape{rows, shape[1]} : Shape{rows};
  return HostTensor::from(shape, values);
}

inline HostTensor transposed(const HostTensor& matrix) {
  const std::vector<float> from = matrix.to<float>();
  const auto rows = static_cast<std::size_t>(matrix.shape[0]), cols = static_cast<std::size_t>(matrix.shape[1]);
  std::vector<float> to(from.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < cols; ++c) to[c * rows + r] = from[r * cols + c];
  }
  return HostTensor::from(Shape{matrix.shape[1], matrix.shape[0]}, to);
}

/// Hugging Face's names (CLIPModel, CLIPTextModelWithProjection) to OpenAI's; queries, keys and values become one.
inline StateDict from_hugging_face_clip(const StateDict& state) {
  StateDict ours;
  const auto take = [&](const std::string& theirs, const std::string& name) {
    if (state.contains(theirs)) ours.tensors[name] = state.at(theirs);
  };
  take("text_model.embeddings.token_embedding.weight", "token_embedding.weight");
  take("text_model.embeddings.position_embedding.weight", "positional_embedding");
  for (const std::string part : {".weight", ".bias"}) take("text_model.final_layer_norm" + part, "ln_final" + part);
  if (state.contains("text_projection.weight") && state.at("text_projection.weight").shape.rank() == 2) {
    ours.tensors["text_projection"] = transposed(state.at("text_projection.weight"));
  }
  for (Index i = 0;; ++i) {
    const std::string from = "text_model.encoder.layers." + std::to_string(i) + ".",
                      to = "transformer.resblocks." + std::to_string(i) + ".";
    if (!state.contains(from + "layer_norm1.weight")) break;
    for (const std::string part : {"weight", "bias"}) {
      take(from + "layer_norm1." + part, to + "ln_1." + part);
      take(from + "layer_norm2." + part, to + "ln_2." + part);
      take(from + "self_attn.out_proj." + part, to + "attn.out_proj." + part);
      take(from + "mlp.fc1." + part, to + "mlp.c_fc." + part);
      take(from + "mlp.fc2." + part, to + "mlp.c_proj." + part);
      ours.tensors[to + "attn.in_proj_" + part] =
          stacked({&state.at(from + "self_attn.q_proj." + part), &state.at(from + "self_attn.k_proj." + part),
                   &state.at(from + "self_attn.v_proj." + part)});
    }
  }
  return ours;
}

/// Of a whole CLIP the text encoder's tensors, under OpenAI's names: OpenAI's own, open_clip's ("text." before them
/// where the model has a text tower of its own) or Hugging Face's.
inline StateDict clip_text_state(const StateDict& state) {
  StateDict text;
  for (const auto& [full, tensor] : state.tensors) {
    std::string name = full;
    if (name.starts_with("module.")) name.erase(0, 7);
    if (name.starts_with("text.")) name.erase(0, 5);
    text.tensors[name] = tensor;
  }
  if (text.contains("text_model.embeddings.token_embedding.weight")) text = from_hugging_face_clip(text);
  std::erase_if(text.tensors, [](const auto& entry) {
    const std::string& name = entry.first;
    return !(name == "token_embedding.weight" || name == "positional_embedding" || name == "text_projection" ||
             name.starts_with("transformer.resblocks.") || name.starts_with("ln_final."));
  });
  return text;
}

}  // namespace detail

/// The configuration of a CLIP text encoder, read off its weights (OpenAI's names). Heads are 64 channels wide, as in
/// every published CLIP, unless `heads` says how many there are. Throws MismatchError for what is no text encoder.
/// `source` names the file in messages.
inline ClipTextConfig clip_text_config(const StateDict& text, const std::string& source, Index heads = 0) {
  const auto matrix = [&](const char* name) {
    if (text.contains(name) && text.at(name).shape.rank() == 2) return text.at(name).shape;
    throw MismatchError(ErrorText{.what = "this checkpoint has no CLIP text encoder with a projection",
                                  .where = source,
                                  .expected = std::string("a matrix '") + name + "', or Hugging Face's of that kind",
                                  .found = text.contains(name) ? text.at(name).shape.str() : "no such tensor",
                                  .advice = "take a whole CLIP, or CLIPTextModelWithProjection"});
  };
  ClipTextConfig config;
  const Shape tokens = matrix("token_embedding.weight"), positions = matrix("positional_embedding"),
              projection = matrix("text_projection");
  config.vocabulary = tokens[0];
  config.width = tokens[1];
  config.context = positions[0];
  config.features = projection[1];
  config.heads = heads > 0 ? heads : std::max<Index>(1, config.width / 64);
  config.layers = 0;
  while (text.contains("transformer.resblocks." + std::to_string(config.layers) + ".ln_1.weight")) ++config.layers;
  config.check();
  return config;
}

/// Reads the text encoder of a CLIP checkpoint: OpenAI's state dict, open_clip's or Hugging Face's, in any container
/// that load_checkpoint reads. `heads` is needed only where a head is not 64 channels wide, `quick_gelu` is false for
/// open_clip's models that say so. Throws IoError, FormatError and MismatchError.
template <class Scalar, class Device>
ClipTextEncoder<Scalar, Device> load_clip_text_encoder(const std::filesystem::path& path, Index heads = 0,
                                                       bool quick_gelu = true) {
  StateDict text = detail::clip_text_state(load_checkpoint(path));
  ClipTextConfig config = clip_text_config(text, path.string(), heads);
  config.quick_gelu = quick_gelu;
  ClipTextEncoder<Scalar, Device> encoder(config);
  load_state(encoder, std::move(text), path.string());
  return encoder;
}

}  // namespace ssam::inline SSAM_ABI
