#pragma once

#include <ssam/sam/adapter.hpp>
#include <ssam/train/adamw.hpp>

namespace ssam::inline SSAM_ABI {

/// Where a run stands, between two optimiser steps.
struct RunPosition {
  Index epoch = 0;                                              ///< finished epochs
  Index batch = 0;                                              ///< finished batches of the current one
  Index step = 0;                                               ///< optimiser steps of the whole run
  double loss_sum = 0;                                          ///< over the samples of the current epoch so far
  Index loss_samples = 0;                                       ///< how many they are
  double seconds = 0;                                           ///< of the whole run
  double epoch_start = 0;                                       ///< `seconds` when the current epoch began
  double train_loss = 0;                                        ///< of the last finished epoch
  Index best_epoch = 0;                                         ///< 0: none yet
  double best_loss = std::numeric_limits<double>::quiet_NaN();  ///< of the best epoch, as TrainResult::best_loss
  double best_dice = std::numeric_limits<double>::quiet_NaN();  ///< mean DSC of the best epoch
  Random::State random;                                         ///< of the context: dropout

  /// As run_state.safetensors keeps it.
  nlohmann::json to_json() const {
    return {{"epoch", epoch},
            {"batch", batch},
            {"step", step},
            {"loss_sum", loss_sum},
            {"loss_samples", loss_samples},
            {"seconds", seconds},
            {"epoch_start", epoch_start},
            {"train_loss", train_loss},
            {"best_epoch", best_epoch},
            {"best_loss", best_loss},
            {"best_dice", best_dice},
            {"random_seed", random.seed},
            {"random_counter", random.counter}};
  }

  /// The inverse; `where` names the file in messages. Throws ConfigError.
  static RunPosition from_json(const nlohmann::json& json, const std::string& where) {
    RunPosition at;
    std::vector<std::string> keys;
    const nlohmann::json all = at.to_json();
    for (const auto& [key, value] : all.items()) keys.push_back(key);
    const JsonObject object(json, where, keys);
    constexpr Index most = Index{1} << 60;
    at.epoch = object.integer("epoch", 0, most);
    at.batch = object.integer("batch", 0, most);
    at.step = object.integer("step", 0, most);
    at.loss_sum = object.number("loss_sum");
    at.loss_samples = object.integer("loss_samples", 0, most);
    at.seconds = object.number("seconds");
    at.epoch_start = object.number("epoch_start");
    at.train_loss = object.number("train_loss");
    at.best_epoch = object.integer("best_epoch", 0, most);
    at.best_loss = object.number("best_loss", true);
    at.best_dice = object.number("best_dice", true);
    for (const char* key : {"random_seed", "random_counter"}) {
      if (!object.at(key).is_number_unsigned()) throw ConfigError(ErrorText{.what = "wrong value", .where = where});
    }
    at.random = {object.at("random_seed").get<std::uint64_t>(), object.at("random_counter").get<std::uint64_t>()};
    return at;
  }
};

namespace detail {

inline constexpr const char* run_state_format = "ssam run state 2";

/// Throws the MismatchError of a run that would not be continued but changed, but for the keys in `changed`.
inline void check_settings(const nlohmann::json& stored, const nlohmann::json& ours, const std::string& file,
                           const std::vector<std::string>& changed) {
  for (const auto& [key, value] : ours.items()) {
    if (stored.contains(key) && stored[key] == value) continue;
    if (std::find(changed.begin(), changed.end(), key) != changed.end()) continue;
    throw MismatchError(ErrorText{.what = "the run cannot be resumed with another '" + key + "'",
                                  .where = file,
                                  .expected = stored.contains(key) ? stored[key].dump() : "a run that records it",
                                  .found = value.dump(),
                                  .advice = "give the run's own settings, or start a new run"});
  }
}

/// f(name, parameter, group, layout, index) for what a run changes; index is the optimiser's slot, -1 without one.
template <class Model, class F>
void each_in_run(Model& model, const F& f) {
  Index slot = 0;
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout layout) {
    if constexpr (changes_in_training<decltype(parameter)>) {
      constexpr bool trained = std::remove_cvref_t<decltype(parameter)>::trained;
      f(path.str(), parameter, group, layout, trained ? slot++ : Index{-1});
    }
  });
}

/// Throws IoError, FormatError (damaged, or no state of a run), MismatchError (of an older version).
inline StateDict read_run_state(const std::filesystem::path& file) {
  StateDict state = [&] {
    try {
      return load_sealed(file, {.strict_finite = true});
    } catch (const FormatError&) {
      throw FormatError(ErrorText{.what = "the state of the run is damaged: it cannot be resumed",
                                  .where = file.string(),
                                  .advice = "its adapters in best and last are files of their own; start a new run in "
                                            "another folder"});
    }
  }();
  if (state.metadata["format"] == run_state_format) return state;
  if (state.metadata["format"].starts_with("ssam run state")) {
    throw MismatchError(ErrorText{.what = "the run was saved by another version of this library",
                                  .where = file.string(),
                                  .expected = run_state_format,
                                  .found = state.metadata["format"],
                                  .advice = "end it with that version, or start a new run"});
  }
  throw FormatError(ErrorText{.what = "this is not the state of a run", .where = file.string()});
}

}  // namespace detail

/// Saves all that a run changes (weights, batch statistics, the moments of `optimizer`, position), whole or not at all.
/// `settings` are kept beside it. Throws IoError, FormatError for what is NaN or infinite; the file is then the old
/// one.
template <class Scalar, class Device, class Model>
void save_run_state(const std::filesystem::path& file, const Model& model, const AdamW<Scalar, Device>& optimizer,
                    const RunPosition& position, const nlohmann::json& settings) {
  StateDict state;
  detail::each_in_run(
      model, [&](const std::string& name, const auto& parameter, Group group, Layout layout, Index index) {
        state.tensors["model." + name] = to_checkpoint(parameter.value, group, layout);
        if (index < 0 || index >= static_cast<Index>(optimizer.slots.size())) return;
        const auto& slot = optimizer.slots[static_cast<std::size_t>(index)];
        if (slot.m.empty()) return;
        state.tensors["adamw.m." + name] = to_checkpoint(slot.m, group, layout);
        state.tensors["adamw.v." + name] = to_checkpoint(slot.v, group, layout);
        state.tensors["adamw.step." + name] = HostTensor::from(Shape{}, std::vector<std::int64_t>{slot.step});
      });
  state.metadata = {
      {"format", detail::run_state_format}, {"settings", settings.dump()}, {"position", position.to_json().dump()}};
  check_finite(state, {.strict_finite = true}, file.string());
  save_sealed(file, std::move(state));
}

/// Brings a model and its optimiser (`optimizer`) to where a run was saved, all or nothing. Throws IoError, FormatError
/// (damaged), MismatchError: saved by a run with other settings (those in `changed` do not count), or of another model.
/// `accept` is called with the stored settings and position before anything is changed, to throw for what it does not
/// like.
template <class Scalar, class Device, class Model>
RunPosition load_run_state(const std::filesystem::path& file, Model& model, AdamW<Scalar, Device>& optimizer,
                           const nlohmann::json& settings, const std::vector<std::string>& changed,
                           const std::function<void(const nlohmann::json&, const RunPosition&)>& accept) {
  const std::string where = file.string();
  StateDict state = detail::read_run_state(file);
  const nlohmann::json theirs = parse_json(state.metadata["settings"], where);
  detail::check_settings(theirs, settings, where, changed);
  const RunPosition position = RunPosition::from_json(parse_json(state.metadata["position"], where), where);
  accept(theirs, position);

  Index trained = 0;
  detail::each_in_run(model, [&](const std::string&, const auto&, Group, Layout, Index index) {
    trained = std::max(trained, index + 1);
  });
  std::vector<typename AdamW<Scalar, Device>::Slot> slots(static_cast<std::size_t>(trained));
  StateLoader loader(state);
  std::vector<std::string> problems;
  const auto take = [&](const std::string& name, Tensor<Scalar, Device>& to, const Shape& shape, Group group,
                        Layout layout) {
    if (!loader.take(name, to, shape, group, layout)) problems.push_back(name + " is missing");
  };
  detail::each_in_run(model, [&](const std::string& name, auto& parameter, Group group, Layout layout, Index index) {
    const Shape shape = parameter.value.shape();
    take("model." + name, parameter.value, shape, group, layout);
    if (index < 0) return;
    const auto step = state.tensors.extract("adamw.step." + name);
    if (step.empty()) return;
    auto& slot = slots[static_cast<std::size_t>(index)];
    take("adamw.m." + name, slot.m, shape, group, layout);
    take("adamw.v." + name, slot.v, shape, group, layout);
    slot.step = step.mapped().template to<std::int64_t>().at(0);
  });
  problems.insert(problems.end(), loader.misshapen.begin(), loader.misshapen.end());
  for (const std::string& name : loader.left()) problems.push_back(name + " is unexpected");
  if (!problems.empty()) {
    throw MismatchError(ErrorText{.what = "the run was of another model",
                                  .where = where,
                                  .expected = "what the recipe '" + model.recipe() + "' trains",
                                  .found = detail::listed(problems)});
  }
  if (!loader.nonfinite.empty()) detail::throw_nonfinite(where, loader.nonfinite);
  loader.commit();
  optimizer.slots = std::move(slots);
  return position;
}

}  // namespace ssam::inline SSAM_ABI
