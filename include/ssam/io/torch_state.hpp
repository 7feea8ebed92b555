#pragma once

#include <algorithm>
#include <set>
#include <ssam/io/pickle.hpp>
#include <ssam/io/state_dict.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI::detail {

/// The tensors of a checkpoint's pickle under their flat names, and what was left out.
struct TorchState {
  std::map<std::string, PickleTensor> tensors;
  std::vector<std::string> skipped;
};

/// Finds the state dictionary in a pickle: the root, or the dictionary below it that holds the tensors, whatever lies
/// beside it (the state of training, a loss, other objects). Several of equal standing, as of a model saved in parts,
/// and dictionaries inside a state dictionary, or modules inside a TorchScript program, give dotted names. Nothing here
/// recurses, and shared dictionaries cannot multiply the work.
class TorchStateFinder {
 public:
  TorchStateFinder(const Pickle& pickle, const std::string& file) : pickle_(pickle), file_(file) {}

  /// Throws FormatError.
  TorchState find() {
    PickleValue level = pickle_.root();
    if (!Pickle::is_dict(level)) {
      fail("the checkpoint holds no dictionary of tensors", name_of(level));
    }
    std::string prefix;
    for (int depth = 0; depth < max_depth && level.kind != Kind::module; ++depth) {
      const std::string wrapper = wrapper_of(level);
      if (wrapper.empty()) break;
      PickleValue inner;
      for_each(level, [&](const std::string& name, const PickleValue& value) {
        if (name == wrapper) {
          inner = value;
        } else {
          skip(prefix + name, "it lies beside the weights in " + shown(prefix + wrapper));
        }
      });
      level = inner;
      prefix += wrapper + ".";
    }
    flatten(level);
    if (state_.tensors.empty()) fail_without_tensors(level);
    return std::move(state_);
  }

 private:
  using Kind = PickleValue::Kind;
  static constexpr int max_depth = 16;
  static constexpr std::size_t max_entries = 10 * max_tensors;
  static constexpr std::size_t max_listed = 1000;

  [[noreturn]] void fail(const std::string& what, const std::string& found, const std::string& where = "") const {
    throw FormatError(ErrorText{.what = what,
                                .where = where.empty() ? file_ : where,
                                .found = found,
                                .advice = "save the state dictionary: torch.save(model.state_dict(), path)"});
  }

  std::string name_of(const PickleValue& value) const {
    switch (value.kind) {
      case Kind::object:
        return "the Python object " + shown(pickle_.object_name(value));
      case Kind::tensor:
        return "a single tensor";
      case Kind::list:
      case Kind::tuple:
        return "a list";
      default:
        return "another Python object";
    }
  }

  [[noreturn]] void fail_without_tensors(const PickleValue& level) {
    std::string entries = std::to_string(state_.skipped.size()) + " other entries";
    for (std::size_t i = 0; i < state_.skipped.size() && i < 3; ++i)
      entries += (i == 0 ? ": " : "; ") + state_.skipped[i];
    bool of_optimizer = false;
    for_each(level, [&](const std::string& name, const PickleValue&) {
      of_optimizer = of_optimizer || name == "param_groups";
    });
    if (of_optimizer) fail("this is the state of an optimizer, without the model's weights", entries);
    fail("the checkpoint holds no tensor", state_.skipped.empty() ? "an empty dictionary" : entries);
  }

  void skip(const std::string& name, const std::string& reason) {
    if (state_.skipped.size() < max_listed) state_.skipped.push_back(shown(name) + ": " + reason);
  }

  /// f(key, value) for the entries whose key is a text; the others are listed as skipped.
  template <class F>
  void for_each(const PickleValue& dict, const F& f) {
    const auto& items = pickle_.items(dict);
    visit(items);
    for (std::size_t i = 0; i < items.size(); i += 2) {
      if (items[i].kind == Kind::text) {
        f(std::string(pickle_.text(items[i])), items[i + 1]);
      } else {
        skip("an entry", "its key is no text");
      }
    }
  }

  void visit(const std::vector<PickleValue>& items) {
    visited_ += items.size() / 2 + 1;
    if (visited_ > max_entries) fail("the checkpoint holds too many entries", "more than a million");
  }

  /// Tensors under names in `dict` and the dictionaries inside it.
  std::size_t count_tensors(const PickleValue& dict) {
    std::size_t count = 0;
    std::set<std::uint32_t> seen = {dict.index};
    std::vector<PickleValue> pending = {dict};
    while (!pending.empty()) {
      const auto& items = pickle_.items(pending.back());
      pending.pop_back();
      visit(items);
      for (std::size_t i = 0; i < items.size(); i += 2) {
        if (items[i].kind != Kind::text) continue;
        const PickleValue& value = items[i + 1];
        if (value.kind == Kind::tensor) ++count;
        if (Pickle::is_dict(value) && seen.insert(value.index).second) pending.push_back(value);
      }
    }
    return count;
  }

  /// What training scripts call the model's own dictionary, the surest first.
  static constexpr std::string_view known_names[] = {
      "model", "state_dict", "model_state_dict", "model_state", "module", "network", "net", "sam", "weights", "params"};
  static constexpr std::size_t unknown = std::size(known_names);
  static std::size_t rank_of(const std::string& name) {
    return static_cast<std::size_t>(std::find(std::begin(known_names), std::end(known_names), name) -
                                    std::begin(known_names));
  }

  /// The name under which `dict` holds the model's own dictionary, or nothing: the only dictionary with tensors, else
  /// the one with a known name, unless more tensors lie beside it.
  std::string wrapper_of(const PickleValue& dict) {
    std::string best;
    std::size_t best_rank = unknown, best_count = 0, loose = 0, others = 0;
    const auto& items = pickle_.items(dict);
    visit(items);
    for (std::size_t i = 0; i < items.size(); i += 2) {
      if (items[i].kind != Kind::text) continue;
      if (items[i + 1].kind == Kind::tensor) ++loose;
      if (!Pickle::is_dict(items[i + 1])) continue;
      const std::string name(pickle_.text(items[i]));
      const std::size_t count = is_training_state(name) ? 0 : count_tensors(items[i + 1]);
      if (count == 0) continue;
      ++others;
      if (rank_of(name) > best_rank || (rank_of(name) == best_rank && !best.empty())) continue;
      best = name;
      best_rank = rank_of(name);
      best_count = count;
    }
    if (best_rank == unknown && (others != 1 || best_count <= loose)) return "";
    return best_count < loose ? "" : best;
  }

  /// "optimizer_state_dict", "lr_schedulers", "grad_scaler", "rng_state": by the words of the name.
  static bool is_training_state(const std::string& name) {
    static constexpr std::string_view known[] = {"optim",      "optimizer", "optimizers", "sched",     "scheduler",
                                                 "schedulers", "scaler",    "rng",        "callbacks", "loops"};
    for (std::size_t begin = 0; begin <= name.size();) {
      const std::size_t end = std::min(name.find('_', begin), name.size());
      const std::string_view word = std::string_view(name).substr(begin, end - begin);
      if (std::find(std::begin(known), std::end(known), word) != std::end(known)) return true;
      begin = end + 1;
    }
    return false;
  }

  void flatten(const PickleValue& root) {
    struct Level {
      PickleValue dict;
      std::string prefix;
      int depth;
    };
    std::vector<Level> pending = {{root, "", 0}};
    while (!pending.empty()) {
      const Level level = std::move(pending.back());
      pending.pop_back();
      for_each(level.dict, [&](const std::string& key, const PickleValue& value) {
        const std::string name = level.prefix + key;
        if (value.kind == Kind::tensor) {
          check_tensor_name(name, file_);
          if (!state_.tensors.emplace(name, pickle_.tensor(value)).second) {
            fail("two tensors have one name", "it twice", at_tensor(file_, name));
          }
          if (state_.tensors.size() > max_tensors) fail("too many tensors", std::to_string(max_tensors));
        } else if (level.depth == 0 && value.kind != Kind::module && Pickle::is_dict(value) && is_training_state(key)) {
          skip(name, "the state of training, not of the model");
        } else if (!Pickle::is_dict(value)) {
          if (level.dict.kind == Kind::module) return;  // a number of the program's
          skip(name, value.kind == Kind::object ? "the Python object " + shown(pickle_.object_name(value))
                                                : "it is no tensor");
        } else if (level.depth == max_depth || name.size() > max_name_bytes) {
          fail("dictionaries are nested too deeply", std::to_string(level.depth) + " levels", at_tensor(file_, name));
        } else {
          pending.push_back({value, name + ".", level.depth + 1});
        }
      });
    }
  }

  const Pickle& pickle_;
  const std::string& file_;
  TorchState state_;
  std::size_t visited_ = 0;
};

}  // namespace ssam::inline SSAM_ABI::detail
