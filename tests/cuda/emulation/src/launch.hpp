#pragma once

#include <cuda_runtime.h>

#include <string>

namespace ssam_emulation {

/// Runs all blocks of a kernel whose configuration is valid.
void run_kernel(const KernelCall& call, const dim3& blocks, const dim3& threads, std::size_t shared_bytes);

/// Its C++ name where the program exports it, else its address.
std::string kernel_name(const void* kernel);

}  // namespace ssam_emulation
