#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <ssam/data/picture.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// What is asked of an image: any of points, a box and a mask together, or a label. Coordinates are pixels of the image
/// as it was given, (0, 0) its upper left corner.
struct SamPrompt {
  std::vector<std::array<double, 2>> points = {};  ///< x, y of each
  std::vector<int> point_labels = {};              ///< of each point: 1 foreground, 0 background; empty: all 1
  std::optional<std::array<double, 4>> box = {};   ///< x0, y0, x1, y1
  std::vector<float> mask_input = {};              ///< logits [4g, 4g]: Prediction::low_res_logits of an earlier answer
  std::string label = {};                          ///< a label's name, for a model that was trained on labels
  bool multimask_output = false;                   ///< the three masks of an ambiguous prompt; a label has one
};

/// The masks that answer one prompt.
struct Prediction {
  Index masks = 0;             ///< M: 1, or 3 of an ambiguous prompt
  Index height = 0;            ///< of the image
  Index width = 0;             ///< of the image
  Index low_res_size = 0;      ///< side of the low-resolution logits, 4g
  std::vector<float> logits;   ///< [M, height, width]; the mask is where they are positive
  std::vector<float> iou;      ///< the model's own guess of each mask's IoU, [M]
  std::vector<float> low_res;  ///< [M, 4g, 4g], as the decoder gives them

  /// The mask with the highest predicted IoU.
  Index best() const { return std::max_element(iou.begin(), iou.end()) - iou.begin(); }
  /// Mask i as a picture of 0 and 255.
  Mask mask(Index i) const {
    Mask picture(height, width);
    const float* from = logits.data() + i * height * width;
    for (std::size_t p = 0; p < picture.values.size(); ++p) picture.values[p] = from[p] > 0 ? 255 : 0;
    return picture;
  }
  /// The best mask.
  Mask mask() const { return mask(best()); }
  /// What a later prompt takes as `mask_input`: the low-resolution logits of mask i.
  std::vector<float> low_res_logits(Index i) const {
    const auto cells = static_cast<std::ptrdiff_t>(low_res_size * low_res_size);
    return {low_res.begin() + i * cells, low_res.begin() + (i + 1) * cells};
  }
};

}  // namespace ssam::inline SSAM_ABI
