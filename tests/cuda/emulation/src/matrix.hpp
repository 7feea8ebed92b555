#pragma once

#include <array>
#include <cstdint>

/// What the tensor cores do with a warp's fragments. `operands`: of each lane the address of its MatrixLoad or
/// MatrixProduct. The layouts are those of PTX's ldmatrix and mma, element by element.
namespace ssam_emulation {

/// Aborts unless every row is 16 bytes of the block's shared memory, at a multiple of 16.
void load_matrices(const std::array<std::uint64_t, 32>& operands);
void multiply_matrices(const std::array<std::uint64_t, 32>& operands);

}  // namespace ssam_emulation
