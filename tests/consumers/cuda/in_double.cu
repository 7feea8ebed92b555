#include "training.hpp"

namespace consumer {

std::vector<double> train_in_double(bool on_gpu) { return on_gpu ? train<double, Cuda>() : train<double, Cpu>(); }

}  // namespace consumer
