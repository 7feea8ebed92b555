#pragma once

#include <ssam/data/intensity.hpp>
#include <ssam/data/pixel_stats.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

/// How a picture of any size becomes a model's square input.
enum class PreparationForm {
  /// SAM's predictor: longest side to the input's, PIL's antialiased bilinear filter, rounded to 8 bits, pixel mean and
  /// deviation, padded right and below with 0. Masks: 1 where at least half of a cell's area is.
  sam,
  /// S-SAM's published code: shorter side to the input's minus one (a square picture becomes one smaller than the
  /// input), unless the longer one would not fit; torchvision's antialiased bilinear filter; padded right and below
  /// with black; values mapped from a window to 0..255; pixel mean and deviation. Masks: the same filter, over one
  /// half.
  release_window,
  /// The same with the padded picture's own range in place of a window: as published for GlaS and LiTS.
  release_range,
};

/// Everything that decides what a model sees of a picture and its masks. Part of a model's configuration, and kept with
/// every adapter: answers are only as good as in training when the pictures are prepared as in training.
struct Preparation {
  PreparationForm form = PreparationForm::sam;  ///< size, filter and range
  double window_low = 0,                        ///< of release_window: value of the 8-bit picture that becomes 0
      window_high = 255;                        ///< ... and 255
  Intensity intensity = {};                     ///< which stored values become 0 and 255
  bool soft_masks = false;                      ///< training targets are the covered fraction of each cell, not 0 and 1
  PixelStats stats = sam_pixel_stats;           ///< mean taken off, deviation divided by

  constexpr bool operator==(const Preparation&) const = default;  ///< member by member
};

/// In the order of PreparationForm.
inline constexpr std::array<const char*, 3> preparation_names{"sam", "release_window", "release_range"};

/// "sam", "release_range" or "release_window:LOW,HIGH".
inline std::string form_text(const Preparation& preparation) {
  const std::string name = preparation_names[static_cast<std::size_t>(preparation.form)];
  if (preparation.form != PreparationForm::release_window) return name;
  return name + ":" + detail::shortest(preparation.window_low) + "," + detail::shortest(preparation.window_high);
}

/// The inverse of form_text: sets form and window of `preparation` from `text`; "release_window" alone is 0..255.
/// Throws ConfigError.
inline void parse_form(const std::string& text, Preparation& preparation) {
  const std::string_view view = text;
  const std::size_t colon = view.find(':');
  for (std::size_t i = 0; i < preparation_names.size(); ++i) {
    const auto form = static_cast<PreparationForm>(i);
    if (view.substr(0, colon) != preparation_names[i]) continue;
    double low = 0, high = 255;
    if (colon != view.npos &&
        (form != PreparationForm::release_window || !detail::read_range(view.substr(colon + 1), low, high))) {
      break;
    }
    preparation.form = form;
    preparation.window_low = low;
    preparation.window_high = high;
    return;
  }
  const std::vector<std::string> known{"sam", "release_window", "release_window:LOW,HIGH", "release_range"};
  throw ConfigError(ErrorText{.what = "unknown preparation '" + text + "'", .advice = suggest_name(text, known)});
}

}  // namespace ssam::inline SSAM_ABI
