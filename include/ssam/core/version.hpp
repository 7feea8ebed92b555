#pragma once

namespace ssam {

/// This library's version. CMake reads it from here.
inline constexpr const char* version = "0.1.0";

}  // namespace ssam
