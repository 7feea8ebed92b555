#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <ssam/core/bfloat16.hpp>
#include <ssam/core/finite.hpp>
#include <ssam/core/visit.hpp>
#include <ssam/io/state_dict.hpp>
#include <ssam/nn/contracts.hpp>
#include <ssam/ops/ops.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// Shape of a parameter in a checkpoint.
inline Shape checkpoint_shape(const Shape& ours, Layout layout) {
  if (layout == Layout::conv) return {ours[0], ours[3], ours[1], ours[2]};
  if (layout == Layout::conv_transpose_2x2) return {ours[1], ours[0] / 4, 2, 2};
  return ours;
}

/// Calls f(position in our layout, position in the checkpoint's) for every element.
template <class F>
void for_each_position(const Shape& ours, Layout layout, const F& f) {
  if (layout == Layout::conv) {
    const Index out = ours[0], kh = ours[1], kw = ours[2], in = ours[3];
    for (Index o = 0; o < out; ++o) {
      for (Index i = 0; i < in; ++i) {
        for (Index k = 0; k < kh * kw; ++k) f((o * kh * kw + k) * in + i, (o * in + i) * kh * kw + k);
      }
    }
  } else if (layout == Layout::conv_transpose_2x2) {
    const Index out = ours[0] / 4, in = ours[1];
    for (Index i = 0; i < in; ++i) {
      for (Index o = 0; o < out; ++o) {
        for (Index k = 0; k < 4; ++k) f((k * out + o) * in + i, (i * out + o) * 4 + k);
      }
    }
  } else {
    for (Index i = 0; i < ours.elements(); ++i) f(i, i);
  }
}

/// PyTorch's adaptive average pooling of [1, H, W, C] to another grid (S-SAM's way to smaller image sizes), or linear
/// resizing of a relative table [L, d] (SAM's).
template <class S>
std::vector<S> resize_positions(const std::vector<S>& values, const Shape& from, const Shape& to) {
  Context<Cpu> context(1);
  const bool grid = to.rank() == 4;
  const Shape from4 = grid ? from : Shape{1, from[0], 1, from[1]}, to4 = grid ? to : Shape{1, to[0], 1, to[1]};
  const Tensor<S, Cpu> source(from4, values);
  Tensor<S, Cpu> target(to4);
  if (grid) {
    ops::adaptive_average_pool<S>(context, source, target.view());
  } else {
    ops::resize_bilinear_forward<S>(context, source, target.view());
  }
  return target.to_host();
}

/// Whether a stored positional table can be resized to another one of the model's.
inline bool resizes(const Shape& stored, const Shape& wanted, Group group) {
  return group == Group::positional && stored.rank() == wanted.rank() && stored[-1] == wanted[-1] &&
         stored.elements() > 0 && (wanted.rank() == 2 || stored[0] == 1);
}

[[noreturn]] inline void throw_nonfinite(const std::string& source, const std::vector<std::string>& names) {
  throw FormatError(
      ErrorText{.what = "weights are NaN or infinite",
                .where = at_tensor(source, names.front()),
                .found = names.size() == 1 ? "" : std::to_string(names.size()) + " such tensors: " + listed(names),
                .advice = "the training that wrote them diverged, or the file was damaged: take an earlier one"});
}

}  // namespace detail

/// A tensor of the model (a parameter's value or gradient) as a checkpoint stores it.
template <class Scalar, class Device>
HostTensor to_checkpoint(const Tensor<Scalar, Device>& tensor, Group group, Layout layout) {
  const std::vector<Scalar> ours = tensor.to_host();
  const Shape shape = detail::checkpoint_shape(tensor.shape(), layout);
  if (group == Group::counter) return HostTensor::from(shape, std::vector<std::int64_t>(ours.begin(), ours.end()));
  std::vector<Scalar> theirs(ours.size());
  detail::for_each_position(tensor.shape(), layout, [&](Index from, Index to) {
    theirs[static_cast<std::size_t>(to)] = ours[static_cast<std::size_t>(from)];
  });
  return HostTensor::from(shape, theirs);
}

namespace detail {
/// The inverse of to_checkpoint: values of `stored` in our layout, ready for a tensor of shape `ours`. Positional
/// tables of another size are resized. That it fits was asked before, see StateLoader.
template <class Scalar>
std::vector<Scalar> from_checkpoint(const HostTensor& stored, const Shape& ours, Group group, Layout layout) {
  std::vector<Scalar> theirs = [&] {
    if (group != Group::counter) return stored.to<Scalar>();
    const std::vector<std::int64_t> counts = stored.to<std::int64_t>();
    return std::vector<Scalar>(counts.begin(), counts.end());
  }();
  const Shape wanted = checkpoint_shape(ours, layout);
  if (!(stored.shape == wanted)) return resize_positions(theirs, stored.shape, wanted);
  if (layout == Layout::same) return theirs;
  std::vector<Scalar> values(theirs.size());
  for_each_position(ours, layout, [&](Index to, Index from) {
    values[static_cast<std::size_t>(to)] = theirs[static_cast<std::size_t>(from)];
  });
  return values;
}
}  // namespace detail

/// Takes tensors of a file into a model, all or nothing: `take` compares names, shapes and values without copying, then
/// `commit` copies into the model's own memory, each stored tensor let go of as soon as it is there.
class StateLoader {
 public:
  /// Keeps a reference; what was taken is removed from it.
  explicit StateLoader(StateDict& state) : state_(state) {}

  /// Asks for the tensor `name` to become the value of `target`, whose shape it has (a positional table is resized, if
  /// `resize`). Whether there is one. `target` must live until `commit`.
  template <class Scalar, class Device>
  bool take(const std::string& name, Tensor<Scalar, Device>& target, const Shape& shape, Group group, Layout layout,
            bool resize = false) {
    const auto entry = state_.tensors.find(name);
    if (entry == state_.tensors.end()) return false;
    const HostTensor& stored = entry->second;
    const Shape wanted = detail::checkpoint_shape(shape, layout);
    if (!(stored.shape == wanted || (resize && detail::resizes(stored.shape, wanted, group)))) {
      misshapen.push_back(name + " is " + stored.shape.str() + ", not " + wanted.str() +
                          (group == Group::low_rank ? " (another rank)" : ""));
    } else if (is_floating(stored.dtype) == (group == Group::counter)) {
      misshapen.push_back(name + " is " + dtype_name(stored.dtype));
    } else if (stored.template count_nonfinite<Scalar>() > 0) {
      nonfinite.push_back(name);
    }
    // Shared, because a function wants to be able to copy what it holds.
    auto held = std::make_shared<HostTensor>(std::move(state_.tensors.extract(entry).mapped()));
    commits_.push_back([held = std::move(held), &target, shape, group, layout]() mutable {
      const HostTensor& source = *held;
      if (target.empty() || !(target.shape() == shape)) target = Tensor<Scalar, Device>(shape);
      if (group != Group::counter && layout == Layout::same && source.shape == shape &&
          source.dtype == dtype_of<Scalar>()) {
        if (!source.bytes.empty()) {
          Memory<Device>::copy_from_host(target.data(), source.bytes.data(), source.bytes.size());
        }
      } else {
        const std::vector<Scalar> values = detail::from_checkpoint<Scalar>(source, shape, group, layout);
        if (!values.empty()) {
          Memory<Device>::copy_from_host(target.data(), values.data(), values.size() * sizeof(Scalar));
        }
      }
      held.reset();
    });
    return true;
  }

  /// Names that nobody has asked for.
  std::vector<std::string> left() const {
    std::vector<std::string> names;
    for (const auto& entry : state_.tensors) names.push_back(entry.first);
    return names;
  }

  /// Copies everything that was taken. Only where nothing is misshapen or not finite.
  void commit() {
    for (auto& commit : commits_) commit();
    commits_.clear();
  }

  std::vector<std::string> misshapen;  ///< what does not fit, each with both shapes
  std::vector<std::string> nonfinite;  ///< names of what holds NaN, or is infinite in the model's precision

 private:
  StateDict& state_;
  std::vector<std::function<void()>> commits_;
};

/// Takes all of a model's parameters and buffers from a file's tensors, all or nothing: no name may be missing or left
/// over. `source` names the file in messages. Throws MismatchError, FormatError for what is NaN or infinite.
template <class Model>
void load_state(Model& model, StateDict state, const std::string& source) {
  const std::string hash = content_hash(state);
  StateLoader loader(state);
  std::vector<std::string> problems;
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout layout) {
    if (!loader.take(path.str(), parameter.value, parameter.value.shape(), group, layout)) {
      problems.push_back(path.str() + " is missing");
    }
  });
  problems.insert(problems.end(), loader.misshapen.begin(), loader.misshapen.end());
  for (const std::string& name : loader.left()) problems.push_back(name + " is unexpected");
  if (!problems.empty()) {
    throw MismatchError(ErrorText{.what = "the weights do not fit the model",
                                  .where = source,
                                  .found = detail::listed(problems),
                                  .advice = "build the model that they were saved from"});
  }
  if (!loader.nonfinite.empty()) detail::throw_nonfinite(source, loader.nonfinite);
  loader.commit();
  if constexpr (requires { model.set_base_hash(hash); }) model.set_base_hash(hash);
}

/// The model's parameters and buffers as a checkpoint. `wanted(path, parameter, group)` chooses. A weight that a
/// prepared model holds as factors is empty. Throws Error for one that it holds rounded: there is no exact one.
template <class Model, class Wanted>
StateDict export_state(const Model& model, const Wanted& wanted) {
  StateDict state;
  walk(model, [&](const Path& path, const auto& parameter, Group group, Layout layout) {
    if (!wanted(path, parameter, group)) return;
    if constexpr (requires { typename Model::Device_; }) {
      if (has_frozen_scalar<typename Model::Scalar_, typename Model::Device_> && parameter.value.empty()) {
        throw Error(ErrorText{.what = "a weight cannot be written: the prepared model holds it in bfloat16 alone",
                              .where = path.str(),
                              .advice = "write it from a model in single precision (device Cpu)"});
      }
    }
    state.tensors.emplace(path.str(), to_checkpoint(parameter.value, group, layout));
  });
  return state;
}

/// Brings every adapter of a model to its start, where it changes nothing but what its method says, and layers that no
/// plain checkpoint has (TAL) to PyTorch's initialisation.
template <class Model>
void initialize_adapters(Model& model, Random random) {
  walk_layers(model, [&](const Path&, auto& layer) {
    if constexpr (InitializedLayer<decltype(layer)>) layer.initialize(random);
  });
}

/// Makes a model ready to be trained: factors every SVD layer that has no factors yet, on all cores, the largest
/// matrices first.
template <class Device, class Model>
void prepare(Context<Device>& context, Model& model) {
  std::vector<std::pair<Index, std::function<void(Context<Device>&)>>> tasks;
  walk_layers(model, [&](const Path&, auto& layer) {
    if constexpr (PreparedLayer<decltype(layer), Device>) {
      if (layer.preparation_cost() > 0) {
        tasks.emplace_back(layer.preparation_cost(), [&layer](Context<Device>& own) { layer.prepare(own); });
      }
    }
  });
  std::stable_sort(tasks.begin(), tasks.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  context.parallel_tasks(static_cast<Index>(tasks.size()),
                         [&](Context<Device>& own, Index i) { tasks[static_cast<std::size_t>(i)].second(own); });
}

/// Merges every adapter into a plain weight: the answers stay the same. What a device stored rounded stays rounded:
/// what is to be saved is merged on one in single precision.
template <class Device, class Model>
void merge(Context<Device>& context, Model& model) {
  walk_layers(model, [&](const Path&, auto& layer) {
    if constexpr (MergedLayer<decltype(layer), Device>) layer.merge(context);
  });
}

}  // namespace ssam::inline SSAM_ABI
