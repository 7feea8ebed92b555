#pragma once

#include <ssam/ops/cpu/activation.hpp>
#include <ssam/ops/cpu/attention.hpp>
#include <ssam/ops/cpu/bf16_attention.hpp>
#include <ssam/ops/cpu/bf16_gemm.hpp>
#include <ssam/ops/cpu/convolution.hpp>
#include <ssam/ops/cpu/dropout.hpp>
#include <ssam/ops/cpu/elementwise.hpp>
#include <ssam/ops/cpu/fourier.hpp>
#include <ssam/ops/cpu/gemm.hpp>
#include <ssam/ops/cpu/loss.hpp>
#include <ssam/ops/cpu/norm.hpp>
#include <ssam/ops/cpu/optimizer.hpp>
#include <ssam/ops/cpu/pool.hpp>
#include <ssam/ops/cpu/resize.hpp>
#include <ssam/ops/cpu/singular_values.hpp>
#include <ssam/ops/cpu/svd.hpp>
#include <ssam/ops/cpu/transfer.hpp>
#if defined(SSAM_WITH_CUDA)
#include <ssam/ops/cuda/ops.cuh>
#endif
#include <ssam/ops/fallback.hpp>

// After everything it names:
#include <ssam/ops/cpu/compiled.hpp>
