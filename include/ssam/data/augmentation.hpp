#pragma once

#include <ssam/core/random.hpp>

namespace ssam::inline SSAM_ABI {

/// Which augmentations a data set gets. The published code rotates in every set; the others are chosen per set.
struct AugmentationSettings {
  bool rotation = true;                                          ///< by 1..10 degrees, probability 0.5
  bool flip = false;                                             ///< left-right, probability 0.5
  bool saturation = false;                                       ///< factor 2, probability 0.2
  bool brightness = false;                                       ///< factor uniform in [0, 2), probability 0.5
  bool operator==(const AugmentationSettings&) const = default;  ///< member by member
};

/// One outcome of the dice.
struct Augmentation {
  int degrees = 0;                                       ///< counter-clockwise
  bool flip = false;                                     ///< left-right
  double saturation = 1;                                 ///< factor: 0 is grey, 1 as it is
  double brightness = 1;                                 ///< factor
  bool operator==(const Augmentation&) const = default;  ///< member by member
};

/// Throws the dice as `settings` say. What is switched off takes its random numbers all the same, so that one setting
/// does not change what the others do.
inline Augmentation draw_augmentation(const AugmentationSettings& settings, Random& random) {
  Augmentation drawn;
  const bool rotate = random.uniform() < 0.5;
  const int degrees = static_cast<int>(1 + random.below(10));
  if (settings.rotation && rotate) drawn.degrees = degrees;
  const bool flip = random.uniform() < 0.5;
  if (settings.flip) drawn.flip = flip;
  const bool saturate = random.uniform() < 0.2;
  if (settings.saturation && saturate) drawn.saturation = 2;
  const bool brighten = random.uniform() < 0.5;
  const double factor = 2 * random.uniform();
  if (settings.brightness && brighten) drawn.brightness = factor;
  return drawn;
}

}  // namespace ssam::inline SSAM_ABI
