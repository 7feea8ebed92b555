#pragma once

#include <cmath>
#include <functional>
#include <optional>
#include <set>
#include <ssam/core/finite.hpp>
#include <ssam/io/state_dict.hpp>
#include <ssam/sam/checkpoint_names.hpp>
#include <ssam/sam/other_checkpoints.hpp>
#include <ssam/sam/ssam_model.hpp>

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
/// resizing of a relative table [L, d] (SAM's). Returns `values` unchanged where the shapes agree.
template <class S>
std::vector<S> resize_positions(const std::vector<S>& values, const Shape& from, const Shape& to) {
  if (from == to) return values;
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

/// The inverse: values in our layout, ready for a tensor of shape `ours`. Positional tables of another size are
/// resized. Nothing when the shapes do not fit.
template <class Scalar>
std::optional<std::vector<Scalar>> from_checkpoint(const HostTensor& stored, const Shape& ours, Group group,
                                                   Layout layout) {
  const Shape wanted = detail::checkpoint_shape(ours, layout);
  const std::vector<Scalar> theirs = [&] {
    if (group != Group::counter) return stored.to<Scalar>();
    const std::vector<std::int64_t> counts = stored.to<std::int64_t>();
    return std::vector<Scalar>(counts.begin(), counts.end());
  }();
  if (group == Group::positional && stored.shape.rank() == wanted.rank() && stored.shape[-1] == wanted[-1] &&
      stored.shape.elements() > 0 && (wanted.rank() == 2 || stored.shape[0] == 1)) {
    return detail::resize_positions(theirs, stored.shape, wanted);
  }
  if (!(stored.shape == wanted)) return std::nullopt;
  std::vector<Scalar> values(theirs.size());
  detail::for_each_position(ours, layout, [&](Index to, Index from) {
    values[static_cast<std::size_t>(to)] = theirs[static_cast<std::size_t>(from)];
  });
  return values;
}

/// Sets every adapter to its start (it then changes nothing) and TAL to PyTorch's initialisation.
template <class Scalar, class Device, class Recipe>
void initialize_adapters(SsamModel<Scalar, Device, Recipe>& model, Random random) {
  walk_layers(model, [&](const Path&, auto& layer) {
    if constexpr (requires { layer.initialize(random); }) layer.initialize(random);
  });
  const auto uniform = [&](auto& parameter, double bound) {
    std::vector<Scalar> values(static_cast<std::size_t>(parameter.value.size()));
    for (Scalar& value : values) value = static_cast<Scalar>(random.uniform(-bound, bound));
    parameter.value = Tensor<Scalar, Device>(parameter.value.shape(), values);
  };
  auto& text = model.text_affine;
  const double bound = 1 / std::sqrt(static_cast<double>(model.sam.config.text_dim));
  uniform(text.linear.weight, bound);
  uniform(text.linear.bias, bound);
  const std::vector<Scalar> ones(static_cast<std::size_t>(text.weight.value.size()), Scalar(1));
  text.weight.value = Tensor<Scalar, Device>(text.weight.value.shape(), ones);
  text.bias.value = Tensor<Scalar, Device>(text.bias.value.shape());
  text.running_mean.value = Tensor<Scalar, Device>(text.running_mean.value.shape());
  text.running_var.value = Tensor<Scalar, Device>(text.running_var.value.shape(), ones);
  text.num_batches_tracked.value = Tensor<Scalar, Device>(Shape{});
}

/// Loads a checkpoint (names normalised to SAM's own) into a model, all or nothing: everything is staged and checked
/// first. Adapters and TAL may be missing: they are then at their start, drawn from `random` (`initialize_adapters`),
/// and the model answers as the checkpoint does. Relative positions may be left over for a model that has none.
/// Positional tables are resized to the model's image size. `source` names the file in messages. Throws MismatchError
/// with a diagnosis otherwise, FormatError for weights that are NaN or infinite.
template <class Scalar, class Device, class Recipe>
void load_weights(SsamModel<Scalar, Device, Recipe>& model, StateDict state, const std::string& source,
                  Random random = Random(0)) {
  const CheckpointDescription description = describe_checkpoint(state);
  if (!is_whole_sam(state)) throw_not_sam(state, source);
  std::vector<std::function<void()>> commits;
  std::vector<std::string> missing, misshapen, nonfinite;
  const bool has_text = state.contains("text_affine.Text_Embedding_Affine.0.weight");
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout layout) {
    const std::string name = path.str();
    const auto entry = state.tensors.find(name);
    if (entry == state.tensors.end()) {
      const bool adapter = group == Group::singular_values || group == Group::low_rank;
      if (!adapter && (has_text || !path.starts_with("text_affine"))) missing.push_back(name);
      return;
    }
    const Shape shape = parameter.value.shape();
    auto values = from_checkpoint<Scalar>(entry->second, shape, group, layout);
    if (values) {
      if (count_nonfinite<Scalar>(*values) > 0) nonfinite.push_back(name);
      commits.push_back([&parameter, staged = Tensor<Scalar, Device>(shape, *values)]() mutable {
        parameter.value = std::move(staged);
      });
    } else {
      misshapen.push_back(name + " is " + entry->second.shape.str() + ", not " +
                          detail::checkpoint_shape(shape, layout).str());
    }
    state.tensors.erase(entry);
  });
  std::vector<std::string> unexpected;
  for (const auto& [name, tensor] : state.tensors) {
    if (!model.sam.config.relative_positions && name.find(".attn.rel_pos_") != std::string::npos) continue;
    unexpected.push_back(name);
  }
  if (!missing.empty() || !unexpected.empty() || !misshapen.empty()) {
    throw_mismatch(source, description, model.sam.config, missing, unexpected, misshapen);
  }
  if (!nonfinite.empty()) detail::throw_nonfinite(source, nonfinite);
  initialize_adapters(model, random);
  for (auto& commit : commits) commit();
  model.forget_positions();
}

/// Fills a model with random weights (the start of a pre-training, or a stand-in of the right size): weights uniform in
/// +-1/sqrt(fan in), tokens and the Fourier matrix standard normal, positions N(0, 0.02^2), norms 1, biases 0.
template <class Scalar, class Device, class Recipe>
void randomize(SsamModel<Scalar, Device, Recipe>& model, Random random) {
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout) {
    const Shape shape = parameter.value.shape();
    const std::string name = path.str();
    const bool token = name.ends_with("_token.weight") || name.ends_with("_tokens.weight") ||
                       name.find("_embeddings.") != std::string::npos || name.ends_with("_embed.weight") ||
                       group == Group::buffer;
    const double bound =
        std::sqrt(static_cast<double>(std::max<Index>(shape[0], 1)) / double(std::max<Index>(shape.elements(), 1)));
    std::vector<Scalar> values(static_cast<std::size_t>(shape.elements()));
    for (Scalar& value : values) {
      if (group == Group::norms) {
        value = name.ends_with("weight") ? Scalar(1) : Scalar(0);
      } else if (token) {
        value = static_cast<Scalar>(random.normal());
      } else if (group == Group::positional) {
        value = static_cast<Scalar>(0.02 * random.normal());
      } else if (group == Group::weights) {
        value = static_cast<Scalar>(random.uniform(-bound, bound));
      }
    }
    parameter.value = Tensor<Scalar, Device>(shape, values);
  });
  initialize_adapters(model, random);
}

/// The model's parameters and buffers as a checkpoint. `wanted(path, parameter, group)` chooses.
template <class Model, class Wanted>
StateDict export_state(const Model& model, const Wanted& wanted) {
  StateDict state;
  walk(model, [&](const Path& path, const auto& parameter, Group group, Layout layout) {
    if (wanted(path, parameter, group))
      state.tensors.emplace(path.str(), to_checkpoint(parameter.value, group, layout));
  });
  return state;
}

/// Factors every SVD layer that has no factors yet, on all cores, the largest matrices first.
template <class Scalar, class Device, class Recipe>
void prepare(Context<Device>& context, SsamModel<Scalar, Device, Recipe>& model) {
  std::vector<std::pair<Index, std::function<void(Context<Device>&)>>> tasks;
  walk_layers(model, [&](const Path&, auto& layer) {
    if constexpr (requires { layer.factors; }) {
      if (!layer.prepared()) {
        tasks.emplace_back(layer.weight.value.size(), [&layer](Context<Device>& own) { layer.prepare(own); });
      }
    }
  });
  std::stable_sort(tasks.begin(), tasks.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  context.parallel_tasks(static_cast<Index>(tasks.size()),
                         [&](Context<Device>& own, Index i) { tasks[static_cast<std::size_t>(i)].second(own); });
}

/// Merges every adapter into a plain weight.
template <class Scalar, class Device, class Recipe>
void merge(Context<Device>& context, SsamModel<Scalar, Device, Recipe>& model) {
  walk_layers(model, [&](const Path&, auto& layer) {
    if constexpr (requires { layer.merge(context); }) layer.merge(context);
  });
}

}  // namespace ssam::inline SSAM_ABI
