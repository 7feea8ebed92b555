#pragma once

#include <ssam/io/safetensors.hpp>
#include <ssam/sam/state.hpp>
#include <ssam/train/adamw.hpp>

#include "compare.hpp"

namespace ssam::selftest {

namespace detail {

/// Recorded images [steps, B, 3, S, S], text [steps, B, t], masks [steps, B, S, S].
template <class Scalar>
struct TrainInputs {
  Index steps = 0, batch = 0, size = 0, text_dim = 0;
  std::vector<Scalar> images, text;
  std::vector<Scalar> masks;

  explicit TrainInputs(const StateDict& state) {
    const HostTensor& stored = state.at("images");
    steps = stored.shape[0];
    batch = stored.shape[1];
    size = stored.shape[3];
    text_dim = state.at("text").shape[2];
    images = stored.to<Scalar>();
    text = state.at("text").to<Scalar>();
    const std::vector<std::uint8_t> bits = state.at("masks").to<std::uint8_t>();
    masks.assign(bits.begin(), bits.end());
  }
  template <class Device>
  TensorView<const Scalar, Device> image_batch(Context<Device>& context, Index step) const {
    return part(context, images, step, {batch, 3, size, size});
  }
  template <class Device>
  TensorView<const Scalar, Device> text_batch(Context<Device>& context, Index step) const {
    return part(context, text, step, {batch, text_dim});
  }
  template <class Device>
  TensorView<const Scalar, Device> mask_batch(Context<Device>& context, Index step) const {
    return part(context, masks, step, {batch, size, size});
  }

 private:
  template <class Device>
  TensorView<const Scalar, Device> part(Context<Device>& context, const std::vector<Scalar>& all, Index step,
                                        const Shape& shape) const {
    const auto each = static_cast<std::size_t>(shape.elements());
    const auto first = static_cast<std::size_t>(step % steps) * each;
    return to_device<Scalar, Device>(context, shape, {all.data() + first, each});
  }
};

/// How far fp32 rounding of the recorded gradients alone can move each weight in a run. AdamW divides a gradient by its
/// own size: where the true gradient is zero (a key bias; the bias before a batch norm whose inputs are all active),
/// the record's rounding noise becomes a step of up to the learning rate, which no other implementation can repeat.
/// Everywhere else the bound is orders below what is compared.
class RoundingBound {
 public:
  /// Call between the backward pass and the optimiser's step.
  template <class Model>
  void add_step(Model& model, const AdamWOptions& o) {
    double largest = 0;
    each(model, [&](const std::string&, const std::vector<double>& gradient) {
      for (const double g : gradient) largest = std::max(largest, std::abs(g));
    });
    const double noise = 8 * static_cast<double>(std::numeric_limits<float>::epsilon()) * largest;
    ++steps_;
    each(model, [&](const std::string& name, const std::vector<double>& gradient) {
      Entry& entry = entries_[name];
      entry.bound.resize(gradient.size());
      entry.square.resize(gradient.size());
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        entry.square[i] = o.beta2 * entry.square[i] + (1 - o.beta2) * gradient[i] * gradient[i];
        const double size = std::sqrt(entry.square[i] / (1 - std::pow(o.beta2, double(steps_)))) + o.eps;
        entry.bound[i] += o.lr * std::min(1.0, noise / size);
      }
    });
  }

  /// The bound of each weight of a parameter, in the checkpoint's layout; empty where it is not trained.
  std::vector<double> at(const std::string& name) const {
    const auto entry = entries_.find(name);
    return entry == entries_.end() ? std::vector<double>{} : entry->second.bound;
  }

 private:
  struct Entry {
    std::vector<double> bound, square;
  };
  template <class Model, class F>
  static void each(Model& model, const F& f) {
    walk(model, [&](const Path& path, auto& parameter, Group group, Layout layout) {
      if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) {
        if (parameter.reached) f(path.str(), to_checkpoint(parameter.grad, group, layout).template to<double>());
      }
    });
  }
  std::map<std::string, Entry> entries_;
  Index steps_ = 0;
};

/// Calls f(name, parameter, group, layout, index among the trained or -1) for every parameter in the record, and says
/// what is missing on either side.
template <class Model, class F>
void each_recorded(Model& model, const StateDict& recorded, Comparison& comparison, const F& f) {
  std::size_t compared = 0;
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout layout) {
    constexpr bool is_trained = std::remove_cvref_t<decltype(parameter)>::trained;
    const std::string key = path.str();
    if (recorded.contains(key)) {
      ++compared;
      f(key, parameter, group, layout);
    } else if constexpr (is_trained) {
      if (!parameter.grad.empty()) comparison.fail(key + " is trained by us but not in the record");
    }
  });
  if (compared != recorded.tensors.size()) comparison.fail("the record has parameters that we do not have");
}

template <class Model>
CaseResult compare_gradients(Model& model, const StateDict& recorded, const std::string& name, double floor) {
  Comparison comparison(name);
  each_recorded(model, recorded, comparison, [&](const std::string& key, auto& parameter, Group group, Layout layout) {
    if constexpr (requires { parameter.grad; }) {
      if (parameter.grad.empty()) return comparison.fail(key + " has no gradient on our side");
      comparison.add(key, to_checkpoint(parameter.grad, group, layout).template to<double>(), recorded.at(key), floor);
    } else {
      comparison.fail(key + " is not trained on our side");
    }
  });
  return comparison.result();
}

template <class Model>
CaseResult compare_end(Model& model, const StateDict& recorded, const RoundingBound& bound, const std::string& name) {
  Comparison comparison(name);
  each_recorded(model, recorded, comparison, [&](const std::string& key, auto& parameter, Group group, Layout layout) {
    std::vector<double> ours = to_checkpoint(parameter.value, group, layout).template to<double>();
    const std::vector<double> theirs = recorded.at(key).to<double>();
    std::vector<double> slack = bound.at(key);
    if (key.find("Affine.2.running_") != std::string::npos) {  // batch statistics follow the bias before the norm
      slack = bound.at("text_affine.Text_Embedding_Affine.0.bias");
      if (key.ends_with("running_var")) {
        for (std::size_t i = 0; i < slack.size() && i < theirs.size(); ++i) slack[i] *= 2 * std::sqrt(theirs[i]);
      }
    }
    for (std::size_t i = 0; i < ours.size() && i < theirs.size() && i < slack.size(); ++i) {
      const double excess = std::max(0.0, std::abs(ours[i] - theirs[i]) - slack[i]);
      ours[i] = theirs[i] + std::copysign(excess, ours[i] - theirs[i]);
    }
    comparison.add(key, ours, recorded.at(key));
  });
  return comparison.result();
}

/// Sets every recorded parameter to its recorded value.
template <class Model>
void load_trained(Model& model, StateDict recorded) {
  StateLoader loader(recorded);
  walk(model, [&](const Path& path, auto& parameter, Group group, Layout layout) {
    loader.take(path.str(), parameter.value, parameter.value.shape(), group, layout);
  });
  if (!loader.misshapen.empty()) throw ShapeError("a recorded tensor has another shape: " + loader.misshapen.front());
  loader.commit();
}

}  // namespace detail

template <class Scalar, class Device, class Recipe>
std::vector<CaseResult> replay_training(const std::filesystem::path& folder, const std::string& run, bool release) {
  StateDict weights = normalize_names(load_safetensors(folder / (run + "_weights.safetensors")));
  const StateDict record = load_safetensors(folder / (run + "_train.safetensors"));
  const detail::TrainInputs<Scalar> inputs(load_safetensors(folder / "train_inputs.safetensors"));
  const SamConfig plain = golden_config(record.metadata);
  TextPromptedSam<Scalar, Device, Recipe> model(release ? svdsam_release(plain) : plain);
  load_weights(model, std::move(weights), run + "_weights.safetensors");
  Context<Device> context;
  context.dropout = false;  // the runs were recorded without it
  prepare(context, model);

  const auto recorded = [&](const std::string& prefix) { return normalize_names(without_prefix(record, prefix)); };
  detail::RoundingBound bound;
  AdamW<Scalar, Device> optimizer(
      {.lr = std::stod(record.metadata.at("lr")), .weight_decay = std::stod(record.metadata.at("weight_decay"))});
  const ops::MaskLossOptions loss{.form = release ? ops::FocalForm::reference : ops::FocalForm::corrected};
  Comparison first(run + " probability"), losses(run + " losses"), eval(run + " eval");
  std::vector<CaseResult> results;
  CaseResult gradients;
  std::vector<double> loss_values;
  const auto forward = [&](Index step, typename TextPromptedSam<Scalar, Device, Recipe>::Record& kept) {
    const TensorView<Scalar, Device> images = allocate<Scalar>(context, {inputs.batch, inputs.size, inputs.size, 3});
    ops::nchw_to_nhwc<Scalar>(context, inputs.image_batch(context, step), images);
    return model.forward(context, images, inputs.text_batch(context, step), kept);
  };
  typename TextPromptedSam<Scalar, Device, Recipe>::Record kept;
  const Index steps = record.at("losses").shape[0];
  for (Index step = 0; step < steps; ++step) {
    WorkspaceScope<Device> scope(context);
    context.training = true;
    const TensorView<Scalar, Device> probability = forward(step, kept);
    const TensorView<Scalar, Device> dprobability = allocate<Scalar>(context, probability.shape());
    Tensor<double, Device> value(Shape{1});
    ops::mask_loss<Scalar>(context, probability, inputs.mask_batch(context, step), loss, dprobability, 1, value.view());
    loss_values.push_back(value.to_host()[0]);
    model.backward(context, kept, dprobability);
    if (step == 0) {
      first.add("prob.0", to_host<Scalar, Device>(context, probability), record.at("prob.0"));
      const double floor = 1e-3 * largest_with_prefix(record, "grad.");
      gradients = detail::compare_gradients(model, recorded("grad."), run + " gradients", floor);
    }
    bound.add_step(model, optimizer.options);
    optimizer.step(context, model);
  }
  losses.add("losses", loss_values, record.at("losses"));
  const StateDict end = recorded("end.");
  const CaseResult end_weights = detail::compare_end(model, end, bound, run + " end weights");
  detail::load_trained(model, end);  // evaluation from the recorded weights: its own case
  WorkspaceScope<Device> scope(context);
  context.training = false;
  eval.add("prob.eval", to_host<Scalar, Device>(context, forward(0, kept)), record.at("prob.eval"));
  return {first.result(), gradients, losses.result(), end_weights, eval.result()};
}

}  // namespace ssam::selftest
