#pragma once

#include <concepts>
#include <ssam/core/context.hpp>

namespace ssam::inline SSAM_ABI {

/// What the trainer asks of the processes that train together: the average of a gradient and of a loss over all of
/// them. MPI on CPUs and NCCL on GPUs are to stand behind it; here is the one for a single process.
template <class C, class Scalar, class Device>
concept Communicator = requires(C& communicator, Context<Device>& context, TensorView<Scalar, Device> gradient,
                                double loss) {
  communicator.average(context, gradient);
  { communicator.average(loss) } -> std::convertible_to<double>;
};

/// One process alone: every average is the number itself.
struct SingleProcess {
  /// Leaves the gradient as it is.
  template <class Scalar, class Device>
  void average(Context<Device>&, TensorView<Scalar, Device>) const {}
  double average(double loss) const { return loss; }  ///< the loss as it is
};

static_assert(Communicator<SingleProcess, float, Cpu>);

}  // namespace ssam::inline SSAM_ABI
