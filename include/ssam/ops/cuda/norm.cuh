#pragma once

#include <ssam/ops/cuda/batch_norm.cuh>
#include <ssam/ops/cuda/layer_norm.cuh>
