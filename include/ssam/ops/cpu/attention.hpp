#pragma once

#include <ssam/ops/cpu/attention_backward.hpp>
#include <ssam/ops/cpu/attention_forward.hpp>
