#pragma once

namespace ssam {

/// The host: tensors live in ordinary memory, ops run on its cores.
struct Cpu {};

/// An NVIDIA GPU: tensors live in device memory. Its ops are in `ops/cuda/`; without them every use fails to compile.
struct Cuda {};

/// No device at all: a tensor knows its shape only and is `constexpr`, so a whole model can be built and counted at
/// compile time.
struct Meta {};

template <class Device>
inline constexpr bool is_meta = false;
template <>
inline constexpr bool is_meta<Meta> = true;

}  // namespace ssam
