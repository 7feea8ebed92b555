#pragma once

namespace ssam {

/// This library's version; the same as the CMake project's.
inline constexpr const char* version = "0.1.0";

}  // namespace ssam
