// ssam::compiled's ops on tensors of doubles; see ssam/ops/cpu/compiled.hpp.
#define SSAM_COMPILE_OPS_HERE double
#include <ssam/ops/ops.hpp>
