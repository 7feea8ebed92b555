#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "small_run.hpp"

namespace {
std::atomic<long> allocations{0};

void* counted(std::size_t bytes, std::size_t alignment) {
  ++allocations;
  void* data = nullptr;
  return posix_memalign(&data, std::max(alignment, sizeof(void*)), std::max<std::size_t>(bytes, 1)) == 0 ? data
                                                                                                         : nullptr;
}

void* counted_or_throw(std::size_t bytes, std::size_t alignment) {
  void* data = counted(bytes, alignment);
  if (data == nullptr) throw std::bad_alloc();
  return data;
}
}  // namespace

// Every allocation of this executable is counted: operator new, and aligned_alloc, which is where tensors and the
// workspace get their memory. (The packing buffers of GEMM libraries come from elsewhere.)
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept { return counted(bytes, alignment); }
void* operator new(std::size_t bytes) { return counted_or_throw(bytes, alignof(std::max_align_t)); }
void* operator new[](std::size_t bytes) { return counted_or_throw(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return counted(bytes, alignof(std::max_align_t));
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return counted(bytes, alignof(std::max_align_t));
}
void* operator new(std::size_t bytes, std::align_val_t at) {
  return counted_or_throw(bytes, static_cast<std::size_t>(at));
}
void* operator new[](std::size_t bytes, std::align_val_t at) {
  return counted_or_throw(bytes, static_cast<std::size_t>(at));
}
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // GCC sees one half of a pair inlined and not the other
void operator delete(void* data) noexcept { std::free(data); }
void operator delete[](void* data) noexcept { std::free(data); }
void operator delete(void* data, std::size_t) noexcept { std::free(data); }
void operator delete[](void* data, std::size_t) noexcept { std::free(data); }
void operator delete(void* data, std::align_val_t) noexcept { std::free(data); }
void operator delete[](void* data, std::align_val_t) noexcept { std::free(data); }
void operator delete(void* data, std::size_t, std::align_val_t) noexcept { std::free(data); }
void operator delete[](void* data, std::size_t, std::align_val_t) noexcept { std::free(data); }

using namespace ssam;

namespace {

/// Forward pass, loss, backward pass and optimiser step on fixed inputs: allocations of the third and fourth time.
template <class Recipe>
void check_warm_steps(int threads) {
  const SamConfig config = test::small_config();
  auto model = test::prepared_model<Recipe>(config);
  Context<Cpu> context(threads);
  context.training = true;
  AdamW<float, Cpu> optimizer;
  Tensor<double, Cpu> loss(Shape{1});
  typename TextPromptedSam<float, Cpu, Recipe>::Record record;
  const Index batch = 3, size = config.image_size;
  const auto random = [](const Shape& shape) {
    Random numbers(1);
    std::vector<float> values;
    for (Index i = 0; i < shape.elements(); ++i) values.push_back(static_cast<float>(numbers.normal()));
    return Tensor<float, Cpu>(shape, values);
  };
  const Tensor<float, Cpu> images = random({batch, size, size, 3}), text = random({batch, config.text_dim});
  const Tensor<float, Cpu> masks({batch, size, size});
  const auto step = [&] {
    WorkspaceScope<Cpu> scope(context);
    const auto probability = model.forward(context, images, text, record);
    const auto dprobability = allocate<float>(context, probability.shape());
    ops::mask_loss<float>(context, probability, masks, {}, dprobability, 1, loss.view());
    model.backward(context, record, dprobability);
    optimizer.step(context, model, 1, 1);
  };
  step();
  step();
  const long before = allocations;
  const std::size_t blocks = context.workspace.allocations();
  step();
  step();
  CHECK(allocations - before == 0);
  CHECK(context.workspace.allocations() == blocks);
}

}  // namespace

TEST_CASE("the counter counts") {
  const long before = allocations;
  const std::vector<int> some(10);
  CHECK(allocations == before + 1);
  const Tensor<float, Cpu> tensor({4, 4});
  CHECK(allocations == before + 2);
}

TEST_CASE("a warm training step allocates nothing: S-SAM") {
  check_warm_steps<recipes::SSam<>>(1);
  check_warm_steps<recipes::SSam<>>(2);
}

TEST_CASE("a warm training step allocates nothing: LoRA") {
  check_warm_steps<recipes::LoRA<4>>(1);
  check_warm_steps<recipes::LoRA<4>>(2);
}
