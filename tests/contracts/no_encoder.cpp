// Refused: ssam: what is to encode the images is no ImageEncoder

#include <ssam/sam/state.hpp>

template <class Scalar, class Device, class Recipe>
struct Mine {
  constexpr explicit Mine(const ssam::SamConfig&) {}
};
ssam::Sam<float, ssam::Cpu, ssam::recipes::ZeroShot, Mine> model(ssam::vit_b(64));
