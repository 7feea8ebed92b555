#pragma once

#include <ssam/adapt/svd_linear.hpp>
#include <ssam/io/sealed_file.hpp>
#include <ssam/sam/adapter_info.hpp>
#include <ssam/sam/mistaken_file.hpp>
#include <ssam/sam/state.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// f(name, sum of the frozen singular values) for every layer that holds factors.
template <class Model, class F>
void each_singular_sum(const Model& model, const F& f) {
  walk_layers(model, [&](const Path& path, const auto& layer) {
    if constexpr (FactoredLayer<decltype(layer)>) {
      if (!layer.prepared()) throw Error("prepare the model before its adapter is saved or loaded");
      double sum = 0;
      for (const auto value : layer.factors.s.to_host()) sum += static_cast<double>(value);
      f(path.str(), sum);
    }
  });
}

inline constexpr const char* singular_sum_prefix = "sum_of_singular_values.";

/// Refuses an adapter whose weights were trained on other singular values than those of this model's weights.
template <class Model>
void check_singular_values(const Model& model, const StateDict& state, const std::string& file) {
  constexpr double tolerance = 1e-4;  // two decompositions in single precision agree far better
  each_singular_sum(model, [&](const std::string& layer, double sum) {
    const auto stored = state.metadata.find(singular_sum_prefix + layer);
    const double expected =
        stored == state.metadata.end() ? std::nan("") : std::strtod(stored->second.c_str(), nullptr);
    if (std::abs(sum - expected) <= tolerance * std::abs(expected)) return;
    throw MismatchError(ErrorText{.what = "the adapter was trained on other singular values than this model's",
                                  .where = at_tensor(file, layer),
                                  .expected = "a sum of " + std::to_string(expected),
                                  .found = std::to_string(sum),
                                  .advice = "use the checkpoint that the adapter was trained on"});
  });
}

/// Of what an adapter says about itself, however the file is laid out.
inline std::string info_hash(const nlohmann::json& info) { return content_hash(info.dump()); }

/// Refuses an `adapter_config.json` that is not the one its weights were saved with. (Before format 2 there was no
/// record of it.)
inline void check_info_hash(const std::filesystem::path& folder, const nlohmann::json& info) {
  const ByteSource weights = ByteSource::file(folder / adapter_weights_file);
  SafetensorsHeader header;
  SafetensorsSax sax(weights.name(), header);
  nlohmann::json::sax_parse(read_safetensors_header_text(weights), &sax);
  auto& metadata = header.metadata;
  if (metadata["format_version"] == info.at("format_version").dump() &&
      (metadata["format_version"] == "1" || metadata["config_hash"] == info_hash(info))) {
    return;
  }
  throw MismatchError(ErrorText{.what = "the adapter's description is not the one that its weights were saved with",
                                .where = (folder / adapter_info_file).string(),
                                .advice = "bring both files back as they were saved; where a run was interrupted while "
                                          "it saved them, let it go on"});
}

/// Refuses an adapter for another base checkpoint, model, configuration or recipe.
inline void check_adapter_info(const AdapterInfo& info, const AdapterInfo& own, const std::string& where) {
  const auto refuse = [&](const std::string& what, const std::string& expected, const std::string& found,
                          const std::string& advice) {
    throw MismatchError(
        ErrorText{.what = what, .where = where, .expected = expected, .found = found, .advice = advice});
  };
  if (info.base_hash != own.base_hash) {
    refuse("the adapter belongs to another base checkpoint", "content hash " + info.base_hash, own.base_hash,
           "give the checkpoint that it was trained on");
  }
  if (info.model != own.model)
    refuse("the adapter was trained in another model", info.model, own.model, "build the model like it");
  nlohmann::json theirs = info.config, ours = own.config;
  theirs["preparation of pictures"] = to_json(info.preparation);
  ours["preparation of pictures"] = to_json(own.preparation);
  for (const auto& [key, value] : theirs.items()) {
    if (ours.contains(key) && ours[key] == value) continue;
    refuse("the adapter was trained for another " + key, value.dump(), ours.contains(key) ? ours[key].dump() : "none",
           "build the model like it");
  }
  if (info.recipe != own.recipe)
    refuse("the adapter has another recipe", info.recipe, own.recipe, "build the model with the adapter's");
}

}  // namespace detail

/// What an adapter's file says of the model it is for: recipe, rule, base, configuration, counts.
template <SegmentationModel Model>
AdapterInfo describe_adapter(const Model& model, AdapterInfo info = {}) {
  info.recipe = model.recipe();
  info.rule = model.rule();
  info.model = model.name();
  info.base_hash = model.base_hash();
  info.config = to_json(model.configuration());
  info.preparation = model.preparation();
  info.count = model.count();
  info.library_version = version;
  info.format_version = AdapterInfo::newest_format;
  return info;
}

/// Saves what a recipe has trained into a folder (made if need be): `adapter_model.safetensors` (the features of `info`
/// with it) and `adapter_config.json`, each whole or not at all. Throws IoError, FormatError for weights that are NaN
/// or infinite; the old files are then still there. Of `info` what the model says itself is set by it
/// (`describe_adapter`).
template <SegmentationModel Model>
void save_adapter(const std::filesystem::path& folder, const Model& model, const AdapterInfo& info = {}) {
  StateDict state = export_state(
      model, [](const Path&, const auto& parameter, Group) { return changes_in_training<decltype(parameter)>; });
  detail::each_singular_sum(model, [&](const std::string& layer, double sum) {
    state.metadata[detail::singular_sum_prefix + layer] = nlohmann::json(sum).dump();
  });
  detail::put_features(state, info.features);
  const std::filesystem::path weights = folder / adapter_weights_file;
  check_finite(state, {.strict_finite = true}, weights.string());
  const AdapterInfo written = describe_adapter(model, info);
  // Only the path of the text features may hold what is not UTF-8.
  const std::string description =
      written.to_json().dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  state.metadata["format_version"] = std::to_string(written.format_version);
  state.metadata["config_hash"] = detail::info_hash(parse_json(description, adapter_info_file));
  state.metadata["recipe"] = written.recipe;
  state.metadata["base_hash"] = written.base_hash;
  make_folder(folder);
  save_sealed(weights, std::move(state));
  atomic_write(folder / adapter_info_file, description);
}

/// Reads `adapter_config.json` of a folder. Throws IoError, FormatError (not JSON), ConfigError (an unknown or missing
/// key, a wrong type), MismatchError (a newer format, no adapter's folder at all, not what was saved with the weights
/// beside it).
inline AdapterInfo read_adapter_info(const std::filesystem::path& folder) {
  detail::refuse_other_than_adapter(folder);
  const std::filesystem::path file = folder / adapter_info_file;
  const nlohmann::json json = load_json(file);
  AdapterInfo info = AdapterInfo::from_json(json, file.string());
  detail::check_info_hash(folder, json);
  return info;
}

/// Loads the adapter in `folder` into a model that was built like it, holds the weights of the checkpoint it was
/// trained on (`base_hash`), and was prepared. All or nothing. Returns what it says about itself, the text features of
/// its labels among it. Throws as read_adapter_info, FormatError (damaged, NaN or infinite values), MismatchError:
/// another base, model, configuration or recipe, other singular values, tensors missing (unless `allow_missing`),
/// unexpected or of another shape.
template <SegmentationModel Model>
AdapterInfo load_adapter(Model& model, const std::filesystem::path& folder, bool allow_missing = false) {
  AdapterInfo info = read_adapter_info(folder);
  const std::string file = (folder / adapter_weights_file).string();
  detail::check_adapter_info(info, describe_adapter(model), (folder / adapter_info_file).string());
  StateDict state = load_sealed(file, {.strict_finite = true});
  if (state.metadata["base_hash"] != info.base_hash || state.metadata["recipe"] != info.recipe) {
    throw MismatchError(ErrorText{.what = "the adapter's two files belong to different runs", .where = file});
  }
  detail::check_singular_values(model, state, file);
  info.features = detail::take_features(state, info.text_source.empty() ? file : info.text_source);
  if (info.features && info.features->dim() != model.text_dim()) {
    throw MismatchError(ErrorText{.what = "the adapter's text features do not fit the model",
                                  .where = file,
                                  .expected = std::to_string(model.text_dim()) + " values",
                                  .found = std::to_string(info.features->dim())});
  }

  StateLoader loader(state);
  std::vector<std::string> missing;
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout layout) {
    if constexpr (changes_in_training<decltype(parameter)>) {
      if (!loader.take(path.str(), parameter.value, parameter.value.shape(), group, layout)) {
        missing.push_back(path.str());
      }
    }
  });
  std::vector<std::string> problems = loader.misshapen;
  if (const auto unexpected = loader.left(); !unexpected.empty()) {
    problems.push_back("unexpected: " + detail::listed(unexpected));
  }
  if (!missing.empty() && !allow_missing) problems.push_back("missing: " + detail::listed(missing));
  if (!problems.empty()) {
    throw MismatchError(ErrorText{.what = "the adapter does not fit the recipe '" + model.recipe() + "'",
                                  .where = file,
                                  .found = detail::listed(problems),
                                  .advice = "build the model with the adapter's recipe, rank and rule"});
  }
  if (!loader.nonfinite.empty()) detail::throw_nonfinite(file, loader.nonfinite);
  loader.commit();
  return info;
}

}  // namespace ssam::inline SSAM_ABI
