#pragma once

#include <cmath>
#include <ssam/core/host_buffer.hpp>
#include <ssam/core/visit.hpp>
#include <ssam/ops/ops.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// AdamW as PyTorch has it (decoupled weight decay, bias correction). Defaults: S-SAM's.
struct AdamWOptions {
  double lr = 1e-4;            ///< learning rate
  double beta1 = 0.9;          ///< of the mean of gradients
  double beta2 = 0.999;        ///< of the mean of their squares
  double eps = 1e-8;           ///< added to the square root of the latter
  double weight_decay = 1e-2;  ///< per step, times the learning rate
};

/// The optimiser of one model: moments of every trained parameter, in the order of the walk. A parameter that no
/// backward pass reached is left alone, not even decayed.
template <class Scalar, class Device>
class AdamW {
 public:
  /// What is kept of one parameter.
  struct Slot {
    Tensor<Scalar, Device> m;  ///< moving average of gradients; empty before the first step
    Tensor<Scalar, Device> v;  ///< ... of their squares
    Index step = 0;            ///< steps that this parameter took part in
  };

  /// Without any moments. `chosen`: see options.
  explicit AdamW(const AdamWOptions& chosen = {}) : options(chosen) {}

  /// One step at `options.lr * lr_factor` with gradients no longer than `clip_norm` (0: of any length); then the
  /// gradients are zero again. Does not wait for the device. A gradient that is not finite changes no parameter.
  template <class Model>
  void step(Context<Device>& context, Model& model, double lr_factor = 1, double clip_norm = 0) {
    const Index taken = take_slots(model);
    if (tensors_ != uploaded_) {
      context.synchronize();  // of the table that is replaced
      table_ = Tensor<Entry, Device>({static_cast<Index>(tensors_.size())}, tensors_);
      uploaded_ = tensors_;
    }
    const ops::AdamWStep at{.lr = options.lr * lr_factor,
                            .beta1 = options.beta1,
                            .beta2 = options.beta2,
                            .eps = options.eps,
                            .weight_decay = options.weight_decay,
                            .step = taken};
    ops::squared_norm<Scalar>(context, table_, chunks_, squared_norm_.view());
    ops::adamw_step<Scalar>(context, table_, chunks_, at, clip_norm, squared_norm_);
  }

  /// Length of the whole gradient (of what was reached) of the last step, before clipping. Waits for the device.
  double gradient_norm(Context<Device>& context) {
    ops::download<double>(context, squared_norm_, host_square_.data());
    return std::sqrt(*host_square_.data());
  }

  AdamWOptions options;     ///< of every parameter
  std::vector<Slot> slots;  ///< by the place of the parameter among the trained ones

 private:
  using Entry = ops::AdamWTensor<Scalar>;

  /// Writes what this step changes to tensors_ and returns its number: the largest of any parameter.
  template <class Model>
  Index take_slots(Model& model) {
    tensors_.clear();
    chunks_ = 0;
    Index taken = 1;
    std::size_t index = 0;
    walk(model, [&](const Path&, auto& parameter, Group, Layout) {
      if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) {
        if (slots.size() <= index) slots.resize(index + 1);
        Slot& slot = slots[index++];
        if (parameter.reached) {
          if (slot.m.empty()) {
            slot.m = Tensor<Scalar, Device>(parameter.value.shape());
            slot.v = Tensor<Scalar, Device>(parameter.value.shape());
          }
          ++slot.step;
          const Index size = parameter.value.size();
          tensors_.push_back(
              {parameter.value.data(), parameter.grad.data(), slot.m.data(), slot.v.data(), size, -slot.step, chunks_});
          chunks_ += ops::adamw_chunks(size);
          parameter.reached = false;
        }
        taken = std::max(taken, slot.step);
      }
    });
    for (Entry& tensor : tensors_) tensor.skipped += taken;
    return taken;
  }

  std::vector<Entry> tensors_, uploaded_;  // of this step, and what table_ holds
  Tensor<Entry, Device> table_;
  Index chunks_ = 0;
  Tensor<double, Device> squared_norm_{Shape{1}};
  HostBuffer<double, Device> host_square_{1};
};

}  // namespace ssam::inline SSAM_ABI
