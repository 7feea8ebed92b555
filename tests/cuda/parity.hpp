#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ssam/ops/cuda/context.cuh>
#include <ssam/ops/views.hpp>
#include <type_traits>
#include <vector>

#include "../ops/testing.hpp"

/// The parity harness: an op on the host against the same op on the GPU, the emulated one or a real one. Tests use the
/// ops and this header only, so that the same sources are compiled by g++ with the emulation and by nvcc.
namespace ssam::testing {

/// Largest relative L2 difference that sums in another order explain.
template <class S>
inline constexpr double parity_tolerance = std::is_same_v<S, float> ? 1e-6 : 1e-12;

/// |found - expected| / |expected|; NaN wherever one of the two is not finite and the other differs from it.
template <class S>
double l2_difference(const std::vector<S>& found, const std::vector<S>& expected) {
  REQUIRE(found.size() == expected.size());
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double wanted = static_cast<double>(expected[i]), is = static_cast<double>(found[i]);
    if (!std::isfinite(wanted)) {  // an infinity or a NaN must be the same one
      if (!(is == wanted || (std::isnan(is) && std::isnan(wanted)))) return NAN;
      continue;
    }
    error += (is - wanted) * (is - wanted);
    norm += wanted * wanted;
  }
  return norm > 0 ? std::sqrt(error / norm) : std::sqrt(error);
}

/// Calls run() several times, in the emulation under several orders of threads and blocks, and says whether what it
/// returned was the same each time.
template <class Run>
bool same_every_time(const Run& run) {
#if defined(SSAM_CUDA_EMULATION)
  return ssam_emulation::same_under_all_schedules(run);
#else
  const auto first = run();
  return run() == first && run() == first;
#endif
}

/// What run() asked of the device beyond kernels and products: memory, and algorithms of cuBLASLt. Only the emulation
/// counts them.
template <class Run>
std::uint64_t questions_of(const Run& run) {
#if defined(SSAM_CUDA_EMULATION)
  ssam_emulation::reset_counters();
  run();
  return ssam_emulation::counters().mallocs + ssam_emulation::counters().heuristics;
#else
  run();
  return 0;
#endif
}

/// While it lives, the emulated cuBLASLt has no algorithm for any product.
class NoAlgorithms {
 public:
#if defined(SSAM_CUDA_EMULATION)
  NoAlgorithms() { ssam_emulation::refuse_algorithms(true); }
  ~NoAlgorithms() { ssam_emulation::refuse_algorithms(false); }
#else
  NoAlgorithms() {}
#endif
};

/// Scratch that a kernel reads before it was written is NaN.
template <CudaDevice D>
void poison_workspace(Context<D>& context) {
  const std::size_t bytes = context.workspace.capacity();
  if (bytes == 0) return;
  WorkspaceScope scope(context);
  const auto all = allocate<std::byte>(context, {static_cast<Index>(bytes)});
  detail::check_cuda(cudaMemset(all.data(), 0xff, bytes), "cudaMemset");
}
inline void poison_workspace(Context<Cpu>&) {}

/// What an op left behind: all its tensors, and what it returned.
template <class S>
struct ParityResult {
  std::vector<std::vector<S>> tensors;
  std::vector<double> values;

  /// Everything as bits, so that equal means equal.
  std::vector<std::byte> bits() const {
    std::vector<std::byte> all;
    const auto append = [&](const auto& numbers) {
      const auto* from = reinterpret_cast<const std::byte*>(numbers.data());
      all.insert(all.end(), from, from + numbers.size() * sizeof(numbers[0]));
    };
    for (const auto& tensor : tensors) append(tensor);
    append(values);
    return all;
  }
};

/// Copies the tensors to the device, calls op(context, tensors) there and fetches all of them.
template <class S, class Device, class F>
ParityResult<S> run_on(Context<Device>& context, const std::vector<Tensor<S, Cpu>>& tensors, const F& op) {
  std::vector<Tensor<S, Device>> own;
  for (const auto& tensor : tensors) own.emplace_back(tensor.shape(), tensor.to_host());
  poison_workspace(context);
  ParityResult<S> result;
  if constexpr (std::is_void_v<decltype(op(context, own))>) {
    op(context, own);
  } else {
    result.values = op(context, own);
  }
  context.synchronize();
  for (const auto& tensor : own) result.tensors.push_back(tensor.to_host());
  return result;
}

/// Calls `op(context, tensors)` with copies of `tensors` on the host and on the GPU. Afterwards all tensors (what was
/// written, and what must not have been) and the std::vector<double> that `op` may return must agree; on the GPU they
/// have the same bits every time.
template <class S, CudaDevice Device = Cuda, class F>
void check_parity(const std::vector<Tensor<S, Cpu>>& tensors, const F& op, double tolerance = parity_tolerance<S>) {
  Context<Cpu> host(1);
  Context<Device> device(1);
  const ParityResult<S> expected = run_on<S>(host, tensors, op);
  ParityResult<S> found;
  CHECK(same_every_time([&] {
    found = run_on<S>(device, tensors, op);
    return found.bits();
  }));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    CAPTURE(i);
    CHECK(l2_difference(found.tensors[i], expected.tensors[i]) <= tolerance);
  }
  CHECK(l2_difference(found.values, expected.values) <= tolerance);
}

/// Elements of a tensor from `first` on, as a tensor of its own that need not begin at 16 bytes.
template <class S, class Device>
TensorView<S, Device> part(Tensor<S, Device>& tensor, Index first, const Shape& shape) {
  REQUIRE(first + shape.elements() <= tensor.size());
  return {tensor.data() + first, shape};
}

}  // namespace ssam::testing
