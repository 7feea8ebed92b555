#pragma once

#include <filesystem>
#include <ssam/adapt/model_state.hpp>
#include <ssam/io/checkpoint_file.hpp>
#include <ssam/text/clip_text_encoder.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// Tensors of one shape, one below the other. Throws MismatchError where they are not of one shape.
inline HostTensor stacked(const std::vector<const HostTensor*>& parts) {
  std::vector<float> values;
  Shape shape = parts.front()->shape;
  for (const HostTensor* part : parts) {
    if (shape.rank() == 0 || !(part->shape == shape)) {
      throw MismatchError(ErrorText{.what = "queries, keys and values of a CLIP text encoder have different shapes",
                                    .expected = shape.str(),
                                    .found = part->shape.str()});
    }
    const std::vector<float> more = part->to<float>();
    values.insert(values.end(), more.begin(), more.end());
  }
  const Index rows = static_cast<Index>(parts.size()) * shape[0];
  return HostTensor::from(shape.rank() == 2 ? Shape{rows, shape[1]} : Shape{rows}, values);
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

/// The name of a tensor of Hugging Face's CLIPModel and CLIPTextModelWithProjection in OpenAI's; others as they are,
/// and queries, keys and values for join_projections.
inline std::string clip_name_from_hugging_face(const std::string& name) {
  const std::string layers = "text_model.encoder.layers.";
  if (name == "text_model.embeddings.token_embedding.weight") return "token_embedding.weight";
  if (name == "text_model.embeddings.position_embedding.weight") return "positional_embedding";
  if (name == "text_projection.weight") return "text_projection";
  if (name.starts_with("text_model.final_layer_norm.")) return "ln_final." + name.substr(28);
  if (!name.starts_with(layers)) return name;
  std::string rest = "transformer.resblocks." + name.substr(layers.size());
  for (const auto& [theirs, ours] :
       {std::pair{".self_attn.", ".attn."}, std::pair{".layer_norm1.", ".ln_1."}, std::pair{".layer_norm2.", ".ln_2."},
        std::pair{".mlp.fc1.", ".mlp.c_fc."}, std::pair{".mlp.fc2.", ".mlp.c_proj."}}) {
    if (const std::size_t at = rest.find(theirs); at != std::string::npos) {
      rest.replace(at, std::string_view(theirs).size(), ours);
    }
  }
  return rest;
}

/// Queries, keys and values become one matrix, the projection is turned.
inline void join_projections(StateDict& text) {
  if (const auto projection = text.tensors.find("text_projection");
      projection != text.tensors.end() && projection->second.shape.rank() == 2) {
    projection->second = transposed(projection->second);
  }
  const std::string query = "attn.q_proj.";
  std::vector<std::string> names;
  for (const auto& [name, tensor] : text.tensors) {
    if (name.find(query) != std::string::npos) names.push_back(name);
  }
  for (const std::string& name : names) {
    const std::size_t at = name.find(query);
    const std::string block = name.substr(0, at), part = name.substr(at + query.size());
    std::vector<const HostTensor*> three;
    for (const char* which : {"q", "k", "v"}) three.push_back(&text.at(block + "attn." + which + "_proj." + part));
    HostTensor joined = stacked(three);
    for (const char* which : {"q", "k", "v"}) text.tensors.erase(block + "attn." + which + "_proj." + part);
    text.tensors[block + "attn.in_proj_" + part] = std::move(joined);
  }
}

/// Of a whole CLIP the text encoder's tensors, under OpenAI's names: OpenAI's own, open_clip's ("text." before them
/// where the model has a text tower of its own) or Hugging Face's. What is known to stand beside a text tower is left
/// out; anything else stays, to be refused. Throws MismatchError when two tensors would have one name.
inline StateDict clip_text_state(StateDict state) {
  rename_tensors(state, [](const std::string& full) {
    std::string name = full;
    for (const char* wrapper : {"module.", "text."}) {
      if (name.starts_with(wrapper)) name.erase(0, std::string_view(wrapper).size());
    }
    return name;
  });
  std::erase_if(state.tensors, [](const auto& entry) {
    const std::string& name = entry.first;
    for (const char* beside : {"visual.", "vision_model.", "visual_projection.", "logit_"}) {
      if (name.starts_with(beside)) return true;
    }
    return name == "attn_mask" || name == "input_resolution" || name == "context_length" || name == "vocab_size" ||
           name == "text_model.embeddings.position_ids";
  });
  if (state.contains("text_model.embeddings.token_embedding.weight")) {
    rename_tensors(state, clip_name_from_hugging_face);
    join_projections(state);
  }
  return state;
}

}  // namespace detail

/// The configuration of a CLIP text encoder, read off its weights (OpenAI's names). Heads are 64 channels wide, as in
/// every published CLIP, unless `heads` says how many there are. `source` names the file in messages. Throws
/// MismatchError for what is no text encoder, ConfigError for heads that do not divide its width and for a width that
/// heads of 64 do not divide.
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
  if (heads == 0 && config.width > 64 && config.width % 64 != 0) {
    throw ConfigError(ErrorText{.what = "the number of heads cannot be told from the width of this CLIP text encoder",
                                .where = source,
                                .expected = "a multiple of 64",
                                .found = std::to_string(config.width),
                                .advice = "say how many heads it has"});
  }
  config.heads = heads > 0 ? heads : std::max<Index>(1, config.width / 64);
  config.layers = 0;
  while (text.contains("transformer.resblocks." + std::to_string(config.layers) + ".ln_1.weight")) ++config.layers;
  config.check();
  return config;
}

/// Reads the text encoder of a CLIP checkpoint: OpenAI's (ViT-B-32.pt as it is, too), open_clip's or Hugging Face's, in
/// any container that load_checkpoint reads. `heads` is needed only where a head is not 64 channels wide, `quick_gelu`
/// is false for open_clip's models that say so. Only encoders that are causal and read at the end token are meant, as
/// OpenAI's: a tensor of any other kind is refused (but open_clip's switches `no_causal_mask` and `pool_type` leave no
/// trace in a file). Throws IoError, FormatError, MismatchError, and ConfigError as clip_text_config.
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
