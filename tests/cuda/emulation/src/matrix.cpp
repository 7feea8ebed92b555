#include "matrix.hpp"

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <bit>
#include <cstring>

#include "memory.hpp"

namespace ssam_emulation {

namespace {

template <class T>
const T& operand(const std::array<std::uint64_t, 32>& operands, unsigned lane) {
  return *reinterpret_cast<const T*>(operands[lane]);
}

float from_bf16(unsigned word, unsigned half) {
  return __bfloat162float({static_cast<std::uint16_t>(word >> 16 * half)});
}

/// As the tensor cores read a register: the lower bits of a TF32 number are not there.
float from_tf32(unsigned word) { return std::bit_cast<float>(word & ~0x1fffu); }

constexpr unsigned rows = 16, columns = 8;

/// d += a b with a [rows, K], b [K, columns].
template <unsigned K>
void multiply_add(const float (&a)[rows][K], const float (&b)[K][columns], float (&d)[rows][columns]) {
  for (unsigned r = 0; r < rows; ++r) {
    for (unsigned c = 0; c < columns; ++c) {
      float sum = 0;
      for (unsigned k = 0; k < K; ++k) sum += a[r][k] * b[k][c];
      d[r][c] += sum;
    }
  }
}

/// Adds the lanes' a b to d. Lane l: group g = l / 4, place t = l % 4.
void product_of_bf16(const std::array<std::uint64_t, 32>& operands, float (&d)[rows][columns]) {
  float a[rows][16], b[16][columns];
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto& own = operand<MatrixProduct>(operands, lane);
    const unsigned g = lane / 4, t = lane % 4;
    for (unsigned half = 0; half < 2; ++half) {
      a[g][2 * t + half] = from_bf16(own.a[0], half);
      a[g + 8][2 * t + half] = from_bf16(own.a[1], half);
      a[g][2 * t + 8 + half] = from_bf16(own.a[2], half);
      a[g + 8][2 * t + 8 + half] = from_bf16(own.a[3], half);
      b[2 * t + half][g] = from_bf16(own.b[0], half);
      b[2 * t + 8 + half][g] = from_bf16(own.b[1], half);
    }
  }
  multiply_add(a, b, d);
}

void product_of_tf32(const std::array<std::uint64_t, 32>& operands, float (&d)[rows][columns]) {
  float a[rows][8], b[8][columns];
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto& own = operand<MatrixProduct>(operands, lane);
    const unsigned g = lane / 4, t = lane % 4;
    a[g][t] = from_tf32(own.a[0]);
    a[g + 8][t] = from_tf32(own.a[1]);
    a[g][t + 4] = from_tf32(own.a[2]);
    a[g + 8][t + 4] = from_tf32(own.a[3]);
    b[t][g] = from_tf32(own.b[0]);
    b[t + 4][g] = from_tf32(own.b[1]);
  }
  multiply_add(a, b, d);
}

}  // namespace

void load_matrices(const std::array<std::uint64_t, 32>& operands) {
  const auto begin = reinterpret_cast<std::uintptr_t>(shared_memory().data());
  std::uint16_t matrices[4][8][8];
  const bool transposed = operand<MatrixLoad>(operands, 0).transposed;
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto& own = operand<MatrixLoad>(operands, lane);
    const auto at = reinterpret_cast<std::uintptr_t>(own.row);
    if (own.transposed != transposed) fail("divergent ldmatrix: some lanes want it transposed, some do not");
    if (at % 16 != 0) fail("a row of ldmatrix is not aligned to 16 bytes");
    if (at < begin || at - begin > shared_memory().bytes() || shared_memory().bytes() - (at - begin) < 16) {
      fail("a row of ldmatrix lies outside the dynamic shared memory");
    }
    std::memcpy(matrices[lane / 8][lane % 8], own.row, 16);
  }
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned g = lane / 4, first = 2 * (lane % 4);
    for (unsigned m = 0; m < 4; ++m) {
      const auto& matrix = matrices[m];
      const unsigned low = transposed ? matrix[first][g] : matrix[g][first];
      const unsigned high = transposed ? matrix[first + 1][g] : matrix[g][first + 1];
      operand<MatrixLoad>(operands, lane).words[m] = low | high << 16;
    }
  }
}

void multiply_matrices(const std::array<std::uint64_t, 32>& operands) {
  const auto element = [&](unsigned lane, unsigned i, float(&d)[rows][columns]) -> float& {
    return d[lane / 4 + i / 2 * 8][2 * (lane % 4) + i % 2];
  };
  float d[rows][columns];
  const bool bf16 = operand<MatrixProduct>(operands, 0).bf16;
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto& own = operand<MatrixProduct>(operands, lane);
    if (own.bf16 != bf16) fail("divergent mma: some lanes multiply bfloat16, some TF32");
    for (unsigned i = 0; i < 4; ++i) element(lane, i, d) = *own.d[i];
  }
  bf16 ? product_of_bf16(operands, d) : product_of_tf32(operands, d);
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned i = 0; i < 4; ++i) *operand<MatrixProduct>(operands, lane).d[i] = element(lane, i, d);
  }
}

}  // namespace ssam_emulation
