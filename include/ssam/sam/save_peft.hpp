#pragma once

#include <ssam/sam/peft_adapter.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// Low-rank updates of q and v alone (QvLoRALinear) as one update of the whole qkv layer, of twice the rank: A is
/// theirs one below the other, B has theirs in its first and last third and zeros elsewhere.
inline StateDict fuse_q_and_v(StateDict state) {
  const std::string end = ".linear_a_q.weight";
  std::vector<std::string> layers;
  for (const auto& [name, tensor] : state.tensors) {
    if (name.ends_with(end)) layers.push_back(name.substr(0, name.size() - end.size()));
  }
  for (const std::string& layer : layers) {
    const auto take = [&](const char* part) {
      const HostTensor tensor = state.at(layer + ".linear_" + part + ".weight");
      state.tensors.erase(layer + ".linear_" + part + ".weight");
      return tensor;
    };
    const HostTensor aq = take("a_q"), bq = take("b_q"), av = take("a_v"), bv = take("b_v");
    const Index rank = aq.shape[0], channels = aq.shape[1];
    std::vector<float> down = aq.to<float>(), up(static_cast<std::size_t>(3 * channels * 2 * rank));
    const std::vector<float> second = av.to<float>(), q = bq.to<float>(), v = bv.to<float>();
    down.insert(down.end(), second.begin(), second.end());
    for (Index row = 0; row < channels; ++row) {
      for (Index i = 0; i < rank; ++i) {
        const auto from = static_cast<std::size_t>(row * rank + i);
        up[static_cast<std::size_t>(row * 2 * rank + i)] = q[from];
        up[static_cast<std::size_t>((2 * channels + row) * 2 * rank + rank + i)] = v[from];
      }
    }
    state.tensors[layer + std::string(low_rank_down)] = HostTensor::from({2 * rank, channels}, down);
    state.tensors[layer + std::string(low_rank_up)] = HostTensor::from({3 * channels, 2 * rank}, up);
  }
  return state;
}

/// Names and factors as PEFT has them; the modules that are adapted, by Hugging Face's names, are added to `modules`.
/// Throws MismatchError for adapters that PEFT does not have.
inline StateDict to_peft(const StateDict& given, std::vector<std::string>& modules, Index& rank) {
  const StateDict trained = fuse_q_and_v(given);
  StateDict state;
  const auto put = [&](const std::string& name, const HostTensor& tensor) {
    state.tensors[std::string(peft_prefix) + name_to_hugging_face(name)] = tensor;
  };
  for (const auto& [name, tensor] : trained.tensors) {
    const auto refuse = [&, &name = name](const std::string& what, const std::string& found) {
      throw MismatchError(ErrorText{.what = what,
                                    .where = shown(name),
                                    .expected = "low-rank factors, and weights of SAM's own",
                                    .found = found,
                                    .advice = "merge the adapter into its checkpoint and write that for Hugging Face"});
    };
    if (name.ends_with(low_rank_down)) {
      const std::string layer = name.substr(0, name.size() - low_rank_down.size());
      if (rank != 0 && rank != tensor.shape[0]) refuse("the adapter has layers of different ranks", tensor.shape.str());
      rank = tensor.shape[0];
      modules.push_back(name_to_hugging_face(layer));
      put(layer + ".lora_A.weight", tensor);
    } else if (name.ends_with(low_rank_up)) {
      put(name.substr(0, name.size() - low_rank_up.size()) + ".lora_B.weight", tensor);
    } else if (name.find(".trainable_") != std::string::npos || name.find("_Adapter.") != std::string::npos) {
      refuse("PEFT has no such adapter", "");
    } else {  // a bias of a layer that PEFT wraps lies deeper there
      const std::string layer = name.substr(0, name.rfind('.'));
      const bool wrapped = trained.contains(layer + std::string(low_rank_down));
      put(wrapped ? layer + ".base_layer" + name.substr(layer.size()) : name, tensor);
    }
  }
  if (rank == 0) {
    throw MismatchError(ErrorText{.what = "the adapter holds no low-rank factors, which is what PEFT can take",
                                  .found = listed_heads(trained),
                                  .advice = "merge it into its checkpoint and write that for Hugging Face"});
  }
  return state;
}

/// Refuses a folder with an adapter of this library: PEFT's two files are called as its own are.
inline void refuse_folder_of_own_adapter(const std::filesystem::path& folder) {
  if (!holds_adapter(folder) || is_peft_adapter(folder)) return;
  throw MismatchError(ErrorText{.what = "the folder holds another adapter, which would be overwritten",
                                .where = folder.string(),
                                .expected = "a new folder, or one of an adapter that PEFT wrote",
                                .found = std::string(adapter_info_file) + " without peft_type",
                                .advice = "name another folder"});
}

}  // namespace detail

/// Writes a LoRA adapter (`trained`: its tensors under our names, see save_adapter) as a folder of PEFT for Hugging
/// Face's SamModel of `config`: PeftModel.from_pretrained(model, folder) loads it and gives the same masks. Norms,
/// positions and whatever else was trained beside the factors stand in the file under the names of the model's own
/// parameters, which PEFT loads with the factors; the text affine layer, which SamModel has no place for, and `text`
/// are kept for read_peft_adapter. The folder is made if need be. Throws MismatchError for adapters that PEFT does not
/// have, for a model of another network than SAM's and for a folder with an adapter of another kind (this library's own
/// has files of the same names), IoError, FormatError.
inline void save_peft_adapter(const std::filesystem::path& folder, const StateDict& trained, const SamConfig& config,
                              const TrainedText& text = {}) {
  detail::require_sams_own_network(config, "PEFT");
  detail::refuse_folder_of_own_adapter(folder);
  std::vector<std::string> modules;
  Index rank = 0;
  StateDict state = detail::to_peft(trained, modules, rank);
  check_finite(state, {.strict_finite = true}, folder.string());
  store_trained_text(state, text);
  state.metadata[preparation_key] = to_json(config.preparation).dump();
  state.metadata["format"] = "pt";
  const nlohmann::json description{
      {"peft_type", "LORA"},
      {"task_type", nullptr},
      {"auto_mapping", {{"base_model_class", "SamModel"}, {"parent_library", "transformers.models.sam.modeling_sam"}}},
      {"base_model_name_or_path", nullptr},
      {"inference_mode", true},
      {"r", rank},
      {"lora_alpha", rank},  // a scale of 1
      {"lora_dropout", 0.0},
      {"target_modules", modules},
      {"modules_to_save", nullptr},
      {"bias", "none"},
      {"fan_in_fan_out", false},
      {"init_lora_weights", true},
      {"use_rslora", false},
      {"use_dora", false},
      {"rank_pattern", nlohmann::json::object()},
      {"alpha_pattern", nlohmann::json::object()}};
  make_folder(folder);
  save_safetensors(folder / adapter_weights_file, state);
  atomic_write(folder / adapter_info_file, description.dump(2) + "\n");
}

/// The same of a model's own trained parameters, into `folder`.
template <SegmentationModel Model>
void save_peft_adapter(const std::filesystem::path& folder, const Model& model, const TrainedText& text = {}) {
  const StateDict trained = export_state(
      model, [](const Path&, const auto& parameter, Group) { return changes_in_training<decltype(parameter)>; });
  save_peft_adapter(folder, trained, model.configuration(), text);
}

}  // namespace ssam::inline SSAM_ABI
