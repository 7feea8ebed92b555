#pragma once

#include <ssam/ops/cuda/attention_backward.cuh>
#include <ssam/ops/cuda/attention_forward.cuh>
