#pragma once

#include <cmath>
#include <cstring>
#include <ssam/adapt/model_state.hpp>
#include <ssam/sam/hugging_face.hpp>
#include <ssam/sam/open_sam.hpp>

namespace ssam::inline SSAM_ABI {

/// What a LoRA adapter of Hugging Face's PEFT holds.
struct PeftAdapter {
  /// Under SAM's own names, in single precision: of every layer that it adapts `LAYER.trainable_lora_down.weight`
  /// (lora_A) and `LAYER.trainable_lora_up.weight` (lora_B times the scale), of DoRA `LAYER.lora_magnitude_vector`;
  /// under their own names tensors that take the place of the model's (biases, modules_to_save, what save_peft_adapter
  /// adds).
  StateDict state;
  Index rank = 0;         ///< the largest of its layers
  TrainedText text = {};  ///< what its TAL was trained with, if it brings one (only save_peft_adapter writes it)

  /// Whether any layer is one of DoRA.
  bool is_dora() const {
    return std::any_of(state.tensors.begin(), state.tensors.end(),
                       [](const auto& entry) { return entry.first.ends_with(".lora_magnitude_vector"); });
  }
};

namespace detail {

inline constexpr std::string_view peft_prefix = "base_model.model.";
inline constexpr std::string_view low_rank_down = ".trainable_lora_down.weight",
                                  low_rank_up = ".trainable_lora_up.weight";

/// Scale of PEFT's updates, but for the rank: what stands in front of it, and whether it is divided by its root.
struct PeftScale {
  double alpha = 0;
  bool by_root = false;
  double of(Index rank) const {
    const auto r = static_cast<double>(rank);
    return alpha / (by_root ? std::sqrt(r) : r);
  }
};

/// Refuses settings of PEFT under which the tensors mean something else than they do here.
inline PeftScale peft_scale(const nlohmann::json& json, const std::string& where) {
  const auto refuse = [&](const std::string& what, const std::string& key, const std::string& advice) {
    throw MismatchError(ErrorText{.what = what,
                                  .where = where + ", key '" + key + "'",
                                  .found = json.contains(key) ? json[key].dump().substr(0, 60) : "nothing",
                                  .advice = advice});
  };
  const std::string merge =
      "merge it into its model with PEFT (merge_and_unload) and give the result as the checkpoint";
  if (!json.is_object() || json.value("peft_type", nlohmann::json()) != "LORA") {
    refuse("this adapter of PEFT is no LoRA", "peft_type", merge);
  }
  for (const char* key :
       {"fan_in_fan_out", "lora_bias", "use_qalora", "use_bdlora", "alpha_pattern", "layer_replication",
        "target_parameters", "trainable_token_indices", "megatron_config", "alora_invocation_tokens", "arrow_config",
        "kasa_config", "monteclora_config", "lora_ga_config"}) {
    const nlohmann::json value = json.value(key, nlohmann::json());
    if (!value.empty() && value != nlohmann::json(false)) refuse("this form of LoRA cannot be read", key, merge);
  }
  const nlohmann::json start = json.value("init_lora_weights", nlohmann::json(true));
  if (!start.is_boolean() && start != "gaussian" && start != "orthogonal" && start != "eva") {
    refuse("this LoRA changed the weights under it when it was made", "init_lora_weights",
           "let PEFT convert it when it saves it (path_initial_model_for_weight_conversion)");
  }
  if (!json.contains("lora_alpha") || !json["lora_alpha"].is_number() ||
      !std::isfinite(json["lora_alpha"].get<double>())) {
    refuse("the scale of the LoRA is no number", "lora_alpha", "bring the file back as PEFT wrote it");
  }
  return {json["lora_alpha"].get<double>(), json.contains("use_rslora") && json["use_rslora"] == true};
}

inline std::filesystem::path peft_weights(const std::filesystem::path& folder) {
  std::error_code failure;
  const std::filesystem::path pickled = folder / "adapter_model.bin", usual = folder / adapter_weights_file;
  return std::filesystem::exists(usual, failure) || !std::filesystem::exists(pickled, failure) ? usual : pickled;
}

/// Whether the names (without PEFT's prefix) are those of Hugging Face's SamModel. Some names stand in both models for
/// different layers: the others decide, then the class that the adapter's description names. Throws MismatchError where
/// neither tells.
inline bool from_hugging_face(const StateDict& state, const nlohmann::json& json, const std::string& file) {
  std::string ambiguous;
  bool theirs = false, own = false;
  for (const auto& [name, tensor] : state.tensors) {
    const bool read = name_from_hugging_face(name) != name, written = name_to_hugging_face(name) != name;
    theirs = theirs || (read && !written);
    own = own || (written && !read);
    if (read && written) ambiguous = name;
  }
  if (theirs != own) return theirs;
  const nlohmann::json mapping = json.value("auto_mapping", nlohmann::json());
  const auto says = [&](const char* key) {
    return mapping.is_object() && mapping.contains(key) && mapping[key].is_string() ? mapping[key].get<std::string>()
                                                                                    : std::string();
  };
  if (says("parent_library").starts_with("transformers")) return true;
  if (says("base_model_class") == "Sam" || (ambiguous.empty() && !own)) return false;
  throw MismatchError(ErrorText{
      .what = "the adapter does not say whose names its layers have, Hugging Face's or segment-anything's",
      .where = file,
      .expected = "a base_model_class of Sam or a parent_library of transformers, as PEFT writes auto_mapping",
      .found = shown(ambiguous) + ", which is another layer in each",
      .advice = "write what it was made for into auto_mapping of its " + std::string(adapter_info_file) +
                ": {\"base_model_class\": \"Sam\"} for segment-anything's, {\"parent_library\": \"transformers\"} for "
                "Hugging Face's"});
}

/// Names of a PEFT file (`file` in messages) as SAM's own, whichever of the two models it was made for. Throws as
/// from_hugging_face.
inline void rename_from_peft(StateDict& state, const nlohmann::json& json, const std::string& file) {
  rename_tensors(state, [](const std::string& name) {
    if (name.starts_with(text_features_prefix)) return name;
    return name.starts_with(peft_prefix) ? name.substr(peft_prefix.size()) : name;
  });
  const bool theirs = from_hugging_face(state, json, file);
  const auto ends = {std::pair{std::string(".lora_A.weight"), std::string(low_rank_down)},
                     {".lora_B.weight", std::string(low_rank_up)},
                     {".lora_magnitude_vector.weight", ".lora_magnitude_vector"}};
  rename_tensors(state, [&](std::string name) {
    for (const auto& [from, to] : ends) {
      if (name.ends_with(from)) name.replace(name.size() - from.size(), from.size(), to);
    }
    if (const std::size_t at = name.find(".base_layer."); at != name.npos) name.erase(at, std::strlen(".base_layer"));
    return theirs ? name_from_hugging_face(name) : name;
  });
}

/// `LAYER` for every `LAYER.trainable_lora_down.weight`. Throws MismatchError for factors that do not go together, and
/// for tensors of an adapter that are no such factors.
inline std::vector<std::string> low_rank_layers(const StateDict& state, const std::string& file) {
  std::vector<std::string> layers;
  const auto fail = [&](const std::string& name, const std::string& what) {
    throw MismatchError(ErrorText{.what = what, .where = at_tensor(file, name)});
  };
  for (const auto& [name, tensor] : state.tensors) {
    if (name.find(".lora_") != std::string::npos && !name.ends_with(".lora_magnitude_vector"))
      fail(name, "this part of a PEFT adapter cannot be read");
    for (const std::string_view end : {low_rank_up, std::string_view(".lora_magnitude_vector")}) {
      if (name.ends_with(end) &&
          !state.contains(name.substr(0, name.size() - end.size()) + std::string(low_rank_down))) {
        fail(name, "the other factor (lora_A) of this layer is missing");
      }
    }
    if (!name.ends_with(low_rank_down)) continue;
    const std::string layer = name.substr(0, name.size() - low_rank_down.size());
    const auto up = state.tensors.find(layer + std::string(low_rank_up));
    if (up == state.tensors.end()) fail(name, "the other factor (lora_B) of this layer is missing");
    const Shape &d = tensor.shape, &u = up->second.shape;
    if (d.rank() < 2 || u.rank() != d.rank() || d[0] < 1 || u.elements() != u[0] * d[0] || u[1] != d[0]) {
      fail(name, "the two factors of this layer do not go together: " + d.str() + " and " + u.str());
    }
    layers.push_back(layer);
  }
  return layers;
}

}  // namespace detail

/// Whether `folder` holds an adapter that PEFT wrote. Throws as load_json where it has a description that cannot be
/// read.
inline bool is_peft_adapter(const std::filesystem::path& folder) {
  if (!detail::holds_adapter(folder)) return false;
  const nlohmann::json json = load_json(folder / adapter_info_file);
  return json.is_object() && json.contains("peft_type");
}

/// Reads the LoRA adapter of PEFT in `folder`: `adapter_config.json` and `adapter_model.safetensors` (or `.bin`), made
/// for Hugging Face's SamModel or for segment-anything's Sam; any rank, alpha and choice of layers, rank-stabilised
/// LoRA and DoRA, biases and modules_to_save. Throws IoError, FormatError, and MismatchError for other methods and
/// settings of PEFT, and where it cannot be told which of the two models the names are of.
inline PeftAdapter read_peft_adapter(const std::filesystem::path& folder) {
  const std::filesystem::path description = folder / adapter_info_file, weights = detail::peft_weights(folder);
  const nlohmann::json json = load_json(description);
  const detail::PeftScale scale = detail::peft_scale(json, description.string());
  const std::string file = weights.string();
  const bool dora = json.value("use_dora", nlohmann::json()) == true;
  PeftAdapter adapter;
  adapter.state = load_checkpoint(weights, {.strict_finite = true});
  detail::rename_from_peft(adapter.state, json, file);
  adapter.text = detail::stored_text(adapter.state, file);
  adapter.text.features = detail::take_features(adapter.state, file);
  for (auto& [name, tensor] : adapter.state.tensors) {
    if (is_floating(tensor.dtype)) tensor = tensor.converted(DType::f32);
  }
  for (const std::string& layer : detail::low_rank_layers(adapter.state, file)) {
    const Index rank = adapter.state.at(layer + std::string(detail::low_rank_down)).shape[0];
    HostTensor& up = adapter.state.tensors[layer + std::string(detail::low_rank_up)];
    std::vector<float> values = up.to<float>();
    for (float& value : values) value = static_cast<float>(static_cast<double>(value) * scale.of(rank));
    up = HostTensor::from(up.shape, values);
    adapter.rank = std::max(adapter.rank, rank);
    if (dora && !adapter.state.contains(layer + ".lora_magnitude_vector")) {
      throw MismatchError(ErrorText{.what = "the adapter is one of DoRA, and the magnitudes of a layer are missing",
                                    .where = file,
                                    .expected = shown(layer + ".lora_magnitude_vector"),
                                    .advice = "bring the file back as PEFT wrote it"});
    }
  }
  if (adapter.rank == 0) {
    throw MismatchError(
        ErrorText{.what = "the adapter of PEFT holds no LoRA",
                  .where = file,
                  .expected = "names like base_model.model.vision_encoder.layers.0.attn.qkv.lora_A.weight",
                  .found = detail::listed_heads(adapter.state)});
  }
  return adapter;
}

/// Merges an adapter into the weights of a SAM (under SAM's own names, as load_sam_checkpoint gives them): W + B A, of
/// DoRA with its rows brought to their magnitudes; other tensors take the place of those of the same name, and a TAL is
/// added. Any model then reads the result as a checkpoint. All or nothing. `source` names the adapter in messages.
/// Throws MismatchError for layers that the weights do not have, or have in another shape.
inline void merge_peft_adapter(StateDict& weights, const PeftAdapter& adapter, const std::string& source) {
  const StateDict& own = adapter.state;
  StateDict merged;
  const auto fail = [&](const std::string& what, const std::string& name, const std::string& found) {
    throw MismatchError(ErrorText{.what = what,
                                  .where = at_tensor(source, name),
                                  .found = found,
                                  .advice = "give the checkpoint that the adapter was trained on"});
  };
  Context<Cpu> context;
  for (const std::string& layer : detail::low_rank_layers(own, source)) {
    const HostTensor &down = own.at(layer + std::string(detail::low_rank_down)),
                     &up = own.at(layer + std::string(detail::low_rank_up));
    const auto base = weights.tensors.find(layer + ".weight");
    if (base == weights.tensors.end()) fail("the checkpoint has no layer that the adapter adapts", layer, "");
    const Shape shape = base->second.shape;
    const Index out = shape.rank() > 0 ? shape[0] : 0, rank = down.shape[0];
    const bool fits = shape.rank() == down.shape.rank() && up.shape[0] == out &&
                      down.shape.elements() / rank * out == shape.elements() && down.shape[1] == shape[1];
    if (!fits)
      fail("the adapter does not fit a layer of the checkpoint", layer, down.shape.str() + ", not for " + shape.str());
    const Index in = shape.elements() / out;
    Tensor<float, Cpu> w({out, in}, base->second.to<float>());
    const Tensor<float, Cpu> d({rank, in}, down.to<float>()), u({out, rank}, up.to<float>());
    ops::gemm<float>(context, ops::Transpose::no, ops::Transpose::no, 1.0f, u.view().matrix(), d.view().matrix(), 1.0f,
                     w.view().matrix());
    if (const auto magnitude = own.tensors.find(layer + ".lora_magnitude_vector"); magnitude != own.tensors.end()) {
      const std::vector<float> length = magnitude->second.to<float>();
      if (static_cast<Index>(length.size()) != out) fail("the magnitudes of a layer do not fit it", layer, "");
      for (Index row = 0; row < out; ++row) {
        double square = 0;
        for (Index i = 0; i < in; ++i) square += std::pow(static_cast<double>(w.data()[row * in + i]), 2);
        const double factor = static_cast<double>(length[static_cast<std::size_t>(row)]) / std::sqrt(square);
        for (Index i = 0; i < in; ++i) w.data()[row * in + i] *= static_cast<float>(square > 0 ? factor : 0);
      }
    }
    merged.tensors[layer + ".weight"] = HostTensor::from(shape, w.to_host());
  }
  for (const auto& [name, tensor] : own.tensors) {
    if (name.ends_with(detail::low_rank_down) || name.ends_with(detail::low_rank_up) ||
        name.ends_with(".lora_magnitude_vector")) {
      continue;
    }
    const auto base = weights.tensors.find(name);
    const bool positions = name.ends_with(".pos_embed");
    if (base == weights.tensors.end() && !name.starts_with("text_affine.")) {
      fail("the adapter replaces a tensor that the checkpoint does not have", name, "");
    }
    if (base != weights.tensors.end() && !positions && !(base->second.shape == tensor.shape)) {
      fail("the adapter replaces a tensor by one of another shape", name,
           tensor.shape.str() + " for " + base->second.shape.str());
    }
    merged.tensors[name] = tensor;
  }
  for (auto& [name, tensor] : merged.tensors) weights.tensors[name] = std::move(tensor);
}

/// Opens a checkpoint with a PEFT adapter merged into it, as open_sam_checkpoint: where the adapter brings positions of
/// its own, for the image size that they are for. `source` names the adapter in messages. Throws as that,
/// read_peft_adapter and merge_peft_adapter.
inline SamCheckpoint open_sam_with_peft(const std::filesystem::path& path, const PeftAdapter& adapter,
                                        const std::string& source, SamChoice choice = {}) {
  const auto positions = adapter.state.tensors.find("image_encoder.pos_embed");
  const bool own_size = positions != adapter.state.tensors.end() && positions->second.shape.rank() == 4;
  SamCheckpoint checkpoint = open_sam_checkpoint(path, choice);
  if (own_size) {
    const Index side = positions->second.shape[1] * checkpoint.config.patch_size;
    if (choice.image_size > 0 && choice.image_size != side) {
      throw MismatchError(ErrorText{.what = "the adapter was trained in a model of another image size",
                                    .where = source,
                                    .expected = std::to_string(side),
                                    .found = std::to_string(choice.image_size),
                                    .advice = "leave the image size to the adapter"});
    }
    checkpoint.config.image_size = side;
  }
  if (const auto stored = detail::metadata_of(adapter.state, preparation_key, source)) {
    checkpoint.config.preparation =
        preparation_from_json(parse_json(stored->text, stored->where), checkpoint.config.preparation, stored->where);
  }
  merge_peft_adapter(checkpoint.weights, adapter, source);
  const CheckpointDescription found = describe_checkpoint(checkpoint.weights);
  if (adapter.state.contains("text_affine.Text_Embedding_Affine.0.weight")) {
    checkpoint.config.text_dim = found.text_dim;
    checkpoint.has_text_affine = true;
    checkpoint.text = adapter.text;
  }
  return checkpoint;
}

/// Loads the PEFT adapter in `folder` into a model of a LoRA recipe that holds the weights it was trained on, to be
/// trained on or merged: all or nothing. Layers and parameters that the adapter does not have stay as they are in the
/// model. Returns what it holds. Throws as read_peft_adapter, MismatchError for another rank, DoRA, and for what the
/// recipe does not train.
template <SegmentationModel Model>
PeftAdapter load_peft_adapter(Model& model, const std::filesystem::path& folder) {
  const PeftAdapter adapter = read_peft_adapter(folder);
  StateDict state = adapter.state;
  StateLoader loader(state);
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout layout) {
    if constexpr (changes_in_training<decltype(parameter)>) {
      loader.take(path.str(), parameter.value, parameter.value.shape(), group, layout);
    }
  });
  std::vector<std::string> problems = loader.misshapen;
  if (const auto left = loader.left(); !left.empty()) {
    problems.push_back("not trained by the recipe: " + detail::listed(left));
  }
  if (!problems.empty()) {
    throw MismatchError(ErrorText{.what = "the adapter of PEFT does not fit the recipe '" + model.recipe() + "'",
                                  .where = detail::peft_weights(folder).string(),
                                  .found = detail::listed(problems),
                                  .advice = "merge it into the checkpoint instead (merge_peft_adapter): any rank and "
                                            "any choice of layers can be"});
  }
  loader.commit();
  return adapter;
}

}  // namespace ssam::inline SSAM_ABI
