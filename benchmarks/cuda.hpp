#pragma once

#include <ssam/core/device.hpp>
#include <string>
#include <vector>

/// What bench_cuda measures, one translation unit per precision of matrix products (cuda.cu).
namespace bench {

/// What the card itself does, measured in the same run.
struct CardRates {
  double flops = 0;      ///< per second, a product of 8192 x 8192 matrices by cuBLAS in this precision
  double bandwidth = 0;  ///< bytes per second, read and written by a copy on the card
};

struct Measurement {
  std::string name;
  double milliseconds = 0;  ///< median
  double bytes = 0;         ///< device memory held at the end; for single ops: what they must read and write
  double flops = 0;         ///< floating-point operations of products and attention, two per multiply-add
};

struct PrecisionResult {
  CardRates card;
  std::vector<Measurement> jobs, ops;
};

/// Runs everything `steps` times after a warm-up.
template <class Device>
PrecisionResult measure(int steps);

}  // namespace bench
