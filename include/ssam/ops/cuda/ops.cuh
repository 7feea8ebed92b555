#pragma once

// Every op for NVIDIA GPUs. Included by ssam/ops/ops.hpp where SSAM_WITH_CUDA is defined (CMake target ssam::cuda).
#include <ssam/ops/cuda/activation.cuh>
#include <ssam/ops/cuda/attention.cuh>
#include <ssam/ops/cuda/convolution.cuh>
#include <ssam/ops/cuda/dropout.cuh>
#include <ssam/ops/cuda/elementwise.cuh>
#include <ssam/ops/cuda/fourier.cuh>
#include <ssam/ops/cuda/gemm.cuh>
#include <ssam/ops/cuda/linear.cuh>
#include <ssam/ops/cuda/loss.cuh>
#include <ssam/ops/cuda/norm.cuh>
#include <ssam/ops/cuda/optimizer.cuh>
#include <ssam/ops/cuda/pool.cuh>
#include <ssam/ops/cuda/resize.cuh>
#include <ssam/ops/cuda/singular_values.cuh>
#include <ssam/ops/cuda/svd.cuh>
#include <ssam/ops/cuda/transfer.cuh>
