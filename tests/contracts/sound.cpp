// Compiles.

#include <ssam/ops/device_ops.hpp>
#include <ssam/sam/state.hpp>

struct Mine : ssam::FrozenRecipe {
  static constexpr const char* name = "mine";
  using BlockNorm = ssam::Trained;
};
ssam::TextPromptedSam<float, ssam::Cpu, Mine> model(ssam::vit_b(64));

struct Nameless : ssam::FrozenRecipe {};
static_assert(ssam::SamRecipe<Mine> && ssam::SamRecipe<ssam::recipes::SSam<>> && !ssam::SamRecipe<Nameless>);
static_assert(ssam::SegmentationModel<decltype(model)>);
static_assert(ssam::ImageEncoder<decltype(model.sam.image_encoder), float, ssam::Cpu>);
static_assert(ssam::ops::DeviceOps<ssam::Cpu, float> && ssam::ops::DeviceOps<ssam::Cpu, double>);
static_assert(!ssam::ops::DeviceOps<ssam::Meta, float>);
