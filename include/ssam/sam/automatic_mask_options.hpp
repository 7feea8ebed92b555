#pragma once

#include <array>
#include <functional>
#include <ssam/core/error.hpp>
#include <ssam/data/picture.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

/// How everything in an image is looked for: segment-anything's SamAutomaticMaskGenerator without crops, its names and
/// defaults.
struct AutomaticMaskOptions {
  Index points_per_side = 32;            ///< a square grid of prompts
  Index points_per_batch = 16;           ///< decoded together; published: 64, which takes gigabytes at 1024 px
  double pred_iou_thresh = 0.88;         ///< masks the model itself believes less in are dropped
  double stability_score_thresh = 0.95;  ///< ... and those that depend much on the threshold
  double stability_score_offset = 1.0;   ///< by which that threshold is moved up and down
  double box_nms_thresh = 0.7;           ///< of two masks whose boxes overlap more, the surer one stays
  Index min_mask_region_area = 0;        ///< smaller islands and holes are removed; pixels, 0: none
  std::function<void(Index, Index)> progress = nullptr;  ///< called with (points done, points)

  /// Throws ConfigError.
  void check() const {
    const auto need = [](bool condition, const char* what) {
      if (!condition) throw ConfigError(std::string("automatic masks: ") + what);
    };
    need(points_per_side >= 1 && points_per_side <= 1024, "points_per_side must be in 1..1024");
    need(points_per_batch >= 1 && points_per_batch <= 4096, "points_per_batch must be in 1..4096");
    need(stability_score_offset >= 0 && min_mask_region_area >= 0, "offsets and areas must not be negative");
    need(box_nms_thresh >= 0 && box_nms_thresh <= 1, "box_nms_thresh must be in 0..1");
  }
};

/// One of the masks found in an image.
struct AutomaticMask {
  Mask mask;                         ///< 0 and 255, at the image's size
  Index area = 0;                    ///< pixels
  std::array<Index, 4> box = {};     ///< x, y of the upper left pixel, then width and height less one, as published
  double predicted_iou = 0;          ///< the model's own guess
  double stability_score = 0;        ///< IoU of the masks at the two moved thresholds
  std::array<double, 2> point = {};  ///< x, y of the prompt that found it
};

}  // namespace ssam::inline SSAM_ABI
