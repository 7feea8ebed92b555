#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <ssam/io/safetensors.hpp>
#include <ssam/sam/checkpoint_names.hpp>
#include <ssam/sam/config_json.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// As replace_behind, from the second of each pair to the first.
inline bool replace_back(std::string& name, int dots, std::span<const NamePair> pairs) {
  std::vector<NamePair> turned;
  for (const auto& [from, to] : pairs) turned.emplace_back(to, from);
  return replace_behind(name, dots, turned);
}

/// Hugging Face's name for one of SAM's own: the inverse of name_from_hugging_face.
inline std::string name_to_hugging_face(std::string name) {
  constexpr std::string_view encoder = "image_encoder.";
  if (name.starts_with(encoder)) {
    name.replace(0, encoder.size(), "vision_encoder.");
    if (name.starts_with("vision_encoder.blocks.")) replace_back(name, 3, hf_block_norms);
    replace_back(name, 1, hf_encoder_names);
  } else if (name.starts_with("prompt_encoder.")) {
    replace_back(name, 1, hf_prompt_names);
  } else if (name.starts_with("mask_decoder.")) {
    if (name.starts_with("mask_decoder.transformer.layers.")) replace_back(name, 4, hf_block_norms);
    if (name.starts_with("mask_decoder.iou_prediction_head.")) replace_back(name, 2, hf_head_layers);
    if (name.starts_with("mask_decoder.output_hypernetworks_mlps.")) replace_back(name, 3, hf_head_layers);
    replace_back(name, 1, hf_decoder_names);
  }
  return name;
}

/// Refuses a model that SAM's own network, as others have it, cannot be.
inline void require_sams_own_network(const SamConfig& config, const std::string& whose) {
  if (config.variant == SamVariant::sam) return;
  throw MismatchError(ErrorText{.what = "this model cannot be written for " + whose +
                                        ": it has the network that S-SAM's authors published, and theirs is SAM's",
                                .expected = to_string(SamVariant::sam),
                                .found = to_string(config.variant),
                                .advice = "train in a model of the variant sam where others are to read it"});
}

/// Refuses a preparation of pictures that Hugging Face's SamImageProcessor cannot repeat: it knows SAM's own of 8-bit
/// pictures.
inline void require_sams_own_preparation(const Preparation& preparation) {
  if (preparation.form == PreparationForm::sam && preparation.intensity.rule == Intensity::Rule::automatic) return;
  throw MismatchError(
      ErrorText{.what = "Hugging Face's SamProcessor cannot prepare pictures as this model was trained to see them",
                .expected = "the preparation sam with the intensity auto",
                .found = to_json(preparation).dump(),
                .advice = "train with SAM's own preparation, or write the model for segment-anything, whose file says "
                          "nothing of pictures, and prepare them as ssam does"});
}

/// The tensors of SAM alone: no text affine layer, no text features.
inline StateDict only_sam(StateDict state) {
  std::erase_if(state.tensors, [](const auto& entry) {
    const std::string& name = entry.first;
    return !name.starts_with("image_encoder.") && !name.starts_with("prompt_encoder.") &&
           !name.starts_with("mask_decoder.");
  });
  return state;
}

}  // namespace detail

/// The content of `config.json` beside the weights of Hugging Face's SamModel. The layer norms of the decoder's blocks
/// have SAM's epsilon there, 1e-5, where Hugging Face's own default is 1e-6.
inline nlohmann::json hugging_face_config(const SamConfig& config) {
  nlohmann::json global = nlohmann::json::array();
  for (Index block = 0; block < config.depth; ++block) {
    if (config.is_global(block)) global.push_back(block);
  }
  const nlohmann::json vision{{"hidden_size", config.embed_dim},
                              {"output_channels", config.out_channels},
                              {"num_hidden_layers", config.depth},
                              {"num_attention_heads", config.heads},
                              {"num_channels", 3},
                              {"image_size", config.image_size},
                              {"patch_size", config.patch_size},
                              {"hidden_act", "gelu"},
                              {"layer_norm_eps", 1e-6},
                              {"qkv_bias", true},
                              {"mlp_ratio", 4.0},
                              {"mlp_dim", 4 * config.embed_dim},
                              {"use_abs_pos", true},
                              {"use_rel_pos", true},
                              {"window_size", config.window},
                              {"global_attn_indexes", global},
                              {"num_pos_feats", config.out_channels / 2}};
  const nlohmann::json prompt{{"hidden_size", config.out_channels},
                              {"image_size", config.image_size},
                              {"patch_size", config.patch_size},
                              {"mask_input_channels", config.mask_channels},
                              {"num_point_embeddings", 4},
                              {"hidden_act", "gelu"},
                              {"layer_norm_eps", 1e-6}};
  const nlohmann::json decoder{{"hidden_size", config.out_channels},
                               {"hidden_act", "relu"},
                               {"mlp_dim", config.decoder_mlp},
                               {"num_hidden_layers", 2},
                               {"num_attention_heads", config.decoder_heads},
                               {"attention_downsample_rate", 2},
                               {"num_multimask_outputs", 3},
                               {"iou_head_depth", 3},
                               {"iou_head_hidden_dim", config.iou_hidden},
                               {"layer_norm_eps", 1e-5}};
  return {{"architectures", {"SamModel"}},
          {"model_type", "sam"},
          {"vision_config", vision},
          {"prompt_encoder_config", prompt},
          {"mask_decoder_config", decoder}};
}

/// The content of `preprocessor_config.json`, by which Hugging Face's SamProcessor prepares pictures for such a model.
/// Throws MismatchError for a preparation that it does not know: another form than SAM's own, a rule of intensity.
inline nlohmann::json hugging_face_preprocessor(const SamConfig& config) {
  detail::require_sams_own_preparation(config.preparation);
  const auto share = [](const std::array<float, 3>& values) {
    nlohmann::json list = nlohmann::json::array();
    for (const float value : values) list.push_back(std::round(static_cast<double>(value) / 255 * 1e6) / 1e6);
    return list;
  };
  const auto square = [](Index side) { return nlohmann::json{{"height", side}, {"width", side}}; };
  return {{"image_processor_type", "SamImageProcessor"},
          {"processor_class", "SamProcessor"},
          {"do_convert_rgb", true},
          {"do_resize", true},
          {"do_rescale", true},
          {"do_normalize", true},
          {"do_pad", true},
          {"resample", 2},
          {"rescale_factor", 1.0 / 255},
          {"image_mean", share(config.preparation.stats.mean)},
          {"image_std", share(config.preparation.stats.std)},
          {"size", {{"longest_edge", config.image_size}}},
          {"pad_size", square(config.image_size)},
          {"mask_size", {{"longest_edge", 4 * config.grid()}}},
          {"mask_pad_size", square(4 * config.grid())}};
}

/// The weights of a SAM (`state`, under SAM's own names) under those of Hugging Face's SamModel, and nothing else.
/// Throws MismatchError for a model of another network than SAM's.
inline StateDict to_hugging_face(StateDict state, const SamConfig& config) {
  detail::require_sams_own_network(config, "Hugging Face");
  state = detail::only_sam(std::move(state));
  detail::rename_tensors(state, detail::name_to_hugging_face);
  const auto positions = state.tensors.find("prompt_encoder.shared_embedding.positional_embedding");
  if (positions != state.tensors.end()) {
    state.tensors["shared_image_embedding.positional_embedding"] = positions->second;
  }
  state.metadata = {{"format", "pt"}};  // what transformers asks for
  return state;
}

/// Writes a folder (made if need be) that Hugging Face's SamModel.from_pretrained and SamProcessor.from_pretrained
/// read: `model.safetensors`, `config.json`, `preprocessor_config.json`. The weights must be those of `config`'s image
/// size. Throws MismatchError as to_hugging_face and hugging_face_preprocessor, IoError, FormatError.
inline void save_hugging_face(const std::filesystem::path& folder, StateDict state, const SamConfig& config) {
  state = to_hugging_face(std::move(state), config);
  const nlohmann::json preprocessor = hugging_face_preprocessor(config);
  make_folder(folder);
  save_safetensors(folder / "model.safetensors", state);
  atomic_write(folder / "config.json", hugging_face_config(config).dump(2) + "\n");
  atomic_write(folder / "preprocessor_config.json", preprocessor.dump(2) + "\n");
}

}  // namespace ssam::inline SSAM_ABI
