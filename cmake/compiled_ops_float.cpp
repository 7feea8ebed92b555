// The one translation unit of ssam::compiled; see ssam/ops/cpu/compiled.hpp.
#define SSAM_COMPILE_OPS_HERE
#include <ssam/ops/ops.hpp>
