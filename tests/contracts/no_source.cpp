// Refused: is no SampleSource

#include <ssam/nets/u_net.hpp>
#include <ssam/train/evaluate.hpp>

struct Samples {};
void go(ssam::Context<ssam::Cpu>& context, ssam::UNet<float, ssam::Cpu>& net) {
  ssam::evaluate(context, net, Samples{});
}
