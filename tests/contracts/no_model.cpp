// Refused: is no SegmentationModel

#include <ssam/data/memory_samples.hpp>
#include <ssam/train/trainer.hpp>

struct Net {};
void go(ssam::Context<ssam::Cpu>& context, Net& net, const ssam::MemorySamples& samples) {
  ssam::train(context, net, samples, {});
}
