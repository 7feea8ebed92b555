// Refused: ssam: no op 'gemm' for this device

#include <ssam/ops/ops.hpp>

struct Abacus {};
void go(ssam::Context<Abacus>& context) { ssam::ops::gemm<float>(context, 1, 2); }
