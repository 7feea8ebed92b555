#pragma once

#include <ssam/io/pickle.hpp>
#include <ssam/io/state_dict.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::detail {

/// The tensors of a checkpoint's pickle under their flat names, and what was left out.
struct TorchState {
  std::map<std::string, PickleTensor> tensors;
  std::vector<std::string> skipped;
};

/// Finds the state dictionary in a pickle. It is the root, or stands below it under one of the names training scripts
/// use; dictionaries inside it give dotted names. Nothing here recurses, and shared dictionaries cannot multiply the
/// work.
class TorchStateFinder {
 public:
  TorchStateFinder(const Pickle& pickle, const std::string& file) : pickle_(pickle), file_(file) {}

  /// Throws FormatError.
  TorchState find() {
    PickleValue level = pickle_.root();
    if (!Pickle::is_dict(level)) fail("the checkpoint holds no dictionary of tensors", file_, "another Python object");
    std::string prefix;
    for (int depth = 0; depth < max_depth && !holds_tensor(level); ++depth) {
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
    if (state_.tensors.empty()) {
      fail("the checkpoint holds no tensor", file_, std::to_string(state_.skipped.size()) + " other entries");
    }
    return std::move(state_);
  }

 private:
  using Kind = PickleValue::Kind;
  static constexpr int max_depth = 16;
  static constexpr std::size_t max_entries = 10 * max_tensors;
  static constexpr std::size_t max_listed = 1000;

  [[noreturn]] void fail(const std::string& what, const std::string& where, const std::string& found) const {
    throw FormatError(ErrorText{.what = what,
                                .where = where,
                                .found = found,
                                .advice = "save the state dictionary: torch.save(model.state_dict(), path)"});
  }

  void skip(const std::string& name, const std::string& reason) {
    if (state_.skipped.size() < max_listed) state_.skipped.push_back(shown(name) + ": " + reason);
  }

  /// f(key, value) for the entries whose key is a text; the others are listed as skipped.
  template <class F>
  void for_each(const PickleValue& dict, const F& f) {
    const auto& items = pickle_.items(dict);
    visited_ += items.size() / 2 + 1;
    if (visited_ > max_entries) fail("the checkpoint holds too many entries", file_, "more than a million");
    for (std::size_t i = 0; i < items.size(); i += 2) {
      if (items[i].kind == Kind::text) {
        f(std::string(pickle_.text(items[i])), items[i + 1]);
      } else {
        skip("an entry", "its key is no text");
      }
    }
  }

  bool holds_tensor(const PickleValue& dict) const {
    const auto& items = pickle_.items(dict);
    for (std::size_t i = 1; i < items.size(); i += 2) {
      if (items[i].kind == Kind::tensor) return true;
    }
    return false;
  }

  /// The name under which `dict` holds the model's own dictionary, or nothing.
  std::string wrapper_of(const PickleValue& dict) {
    static constexpr const char* names[] = {"model", "state_dict", "model_state_dict", "module", "network", "net"};
    std::string best;
    std::size_t best_rank = std::size(names);
    for_each(dict, [&](const std::string& name, const PickleValue& value) {
      if (!Pickle::is_dict(value) || pickle_.items(value).empty()) return;
      for (std::size_t rank = 0; rank < best_rank; ++rank) {
        if (name != names[rank]) continue;
        best = name;
        best_rank = rank;
      }
    });
    return best;
  }

  static bool is_training_state(const std::string& name) {
    for (const char* known : {"optimizer", "optimizer_state_dict", "optim", "scheduler", "lr_scheduler", "scaler"}) {
      if (name == known) return true;
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
            fail("two tensors have one name", at_tensor(file_, name), "it twice");
          }
          if (state_.tensors.size() > max_tensors) fail("too many tensors", file_, std::to_string(max_tensors));
        } else if (level.depth == 0 && is_training_state(key)) {
          skip(name, "the state of training, not of the model");
        } else if (!Pickle::is_dict(value)) {
          skip(name, "it is no tensor");
        } else if (level.depth == max_depth || name.size() > max_name_bytes) {
          fail("dictionaries are nested too deeply", at_tensor(file_, name), std::to_string(level.depth) + " levels");
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

}  // namespace ssam::detail
