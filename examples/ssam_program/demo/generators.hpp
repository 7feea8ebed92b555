#pragma once

// Pictures drawn by a program, with the truth about every pixel: data for demonstrations, trials and pre-training where
// no real set may be used. Deterministic: the same seed gives the same picture.

#include <cstdint>
#include <filesystem>
#include <ssam/data/image.hpp>
#include <string>
#include <vector>

namespace ssam::demo {

/// A picture and which label each of its pixels shows.
struct Drawing {
  Image image;
  Mask classes;  ///< 0 nothing that has a name, k + 1 label k

  /// 1 where label `k` is visible, else 0.
  Mask binary(Index k) const;
  bool shows(Index k) const;
};

/// Names that `draw_scene` knows: shapes, materials and things of everyday.
const std::vector<std::string>& scene_labels();
/// A scene of `size` x `size` pixels (at least 32): landscape, wall or plain ground with three to six things before it,
/// textured, lit and partly hidden by one another.
Drawing draw_scene(std::uint64_t seed, Index size);

/// liver, kidney, vessel, gallbladder.
const std::vector<std::string>& phantom_labels();
/// A picture of `size` x `size` pixels (at least 32) such as an abdominal ultrasound machine shows: fan or linear field
/// of view, speckle, attenuation, shadows behind bone and gas, enhancement behind fluid. Each organ is often missing.
Drawing draw_phantom(std::uint64_t seed, Index size);

enum class Kind { scenes, phantoms };

/// How many pictures a written set has.
struct SplitCounts {
  Index train = 0;
  Index val = 0;
  Index test = 0;
};

/// Draws a data set into `folder` (created): images/, masks/ (grey value 10 (k + 1) is label k) and manifest.json.
/// Returns the manifest's path. Throws IoError, also when a file would be replaced that is not of such a set.
std::filesystem::path write_dataset(Kind kind, const std::filesystem::path& folder, const SplitCounts& counts,
                                    Index size, std::uint64_t seed);

}  // namespace ssam::demo
