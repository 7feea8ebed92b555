#pragma once

// What decodes and encodes pictures, for programs that are compiled without OpenCV: a sentence of the compiler in place
// of names that are not there. It stands beside ssam.hpp's list of what is left out.
#include <ssam/data/picture.hpp>

#if !defined(SSAM_WITH_OPENCV)
namespace ssam::inline SSAM_ABI {

namespace detail {
template <class...>
inline constexpr bool with_opencv = false;
}  // namespace detail

#define SSAM_NEEDS_OPENCV(name)                                                                       \
  static_assert(detail::with_opencv<Arguments...>,                                                    \
                "ssam: " name                                                                         \
                " needs OpenCV: link ssam::ssam of a build that found it (Debian: libopencv-dev and " \
                "libjpeg-dev), or hand over pixels (Image, SamPredictor::set_image(rgb, height, width))")

/// Not in this build: needs OpenCV.
template <class... Arguments>
Image load_image(const Arguments&...) {
  SSAM_NEEDS_OPENCV("load_image");
  return {};
}
/// Not in this build: needs OpenCV.
template <class... Arguments>
Image load_picture(const Arguments&...) {
  SSAM_NEEDS_OPENCV("load_picture");
  return {};
}
/// Not in this build: needs OpenCV.
template <class... Arguments>
void save_png(const Arguments&...) {
  SSAM_NEEDS_OPENCV("save_png");
}
/// Not in this build: needs OpenCV.
template <class... Arguments>
int generate_masks(const Arguments&...) {
  SSAM_NEEDS_OPENCV("generate_masks");
  return 0;
}
/// Not in this build: needs OpenCV. MemorySamples do not.
struct Dataset {
  /// Refused.
  template <class... Arguments>
  explicit Dataset(const Arguments&...) {
    SSAM_NEEDS_OPENCV("a Dataset");
  }
};

#undef SSAM_NEEDS_OPENCV

}  // namespace ssam::inline SSAM_ABI
#endif
