#pragma once

#include <numeric>
#include <ssam/data/regions.hpp>
#include <ssam/sam/automatic_mask_options.hpp>
#include <ssam/sam/predictor.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// A binary mask as lengths of runs of 0 and of 255 in turn, row by row: a candidate takes kilobytes, not megabytes.
struct RunLengths {
  std::vector<std::uint32_t> runs;
  Index height = 0, width = 0;

  explicit RunLengths(const Mask& mask) : height(mask.height), width(mask.width) {
    bool inside = false;
    std::uint32_t run = 0;
    for (const std::uint8_t value : mask.values) {
      if ((value != 0) != inside) {
        runs.push_back(run);
        run = 0;
        inside = !inside;
      }
      ++run;
    }
    runs.push_back(run);
  }
  Mask mask() const {
    Mask all(height, width);
    std::size_t at = 0;
    bool inside = false;
    for (const std::uint32_t run : runs) {
      if (inside) std::fill_n(all.values.begin() + static_cast<std::ptrdiff_t>(at), run, std::uint8_t{255});
      at += run;
      inside = !inside;
    }
    return all;
  }
};

struct MaskCandidate {
  RunLengths runs;
  std::array<Index, 4> corners;  // of the first and the last pixel: x0, y0, x1, y1
  double predicted_iou, stability_score;
  std::array<double, 2> point;
};

inline std::array<Index, 4> corners_of(const Mask& mask) {
  std::array<Index, 4> corners{mask.width, mask.height, -1, -1};
  for (Index y = 0; y < mask.height; ++y) {
    for (Index x = 0; x < mask.width; ++x) {
      if (mask.at(y, x) == 0) continue;
      corners = {std::min(corners[0], x), std::min(corners[1], y), std::max(corners[2], x), std::max(corners[3], y)};
    }
  }
  return corners[2] < 0 ? std::array<Index, 4>{0, 0, 0, 0} : corners;  // of an empty mask, as published
}

inline double box_iou(const std::array<Index, 4>& a, const std::array<Index, 4>& b) {
  const auto area = [](const std::array<Index, 4>& box) {
    return static_cast<double>((box[2] - box[0]) * (box[3] - box[1]));
  };
  const Index w = std::min(a[2], b[2]) - std::max(a[0], b[0]), h = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  const double both = static_cast<double>(std::max<Index>(w, 0) * std::max<Index>(h, 0));
  return both / (area(a) + area(b) - both);
}

/// Non-maximum suppression of boxes, the highest score first; what stays, in that order.
inline std::vector<std::size_t> suppress(const std::vector<std::array<Index, 4>>& boxes,
                                         const std::vector<double>& scores, double threshold) {
  std::vector<std::size_t> order(boxes.size()), kept;
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  for (const std::size_t i : order) {
    const bool covered =
        std::any_of(kept.begin(), kept.end(), [&](std::size_t k) { return box_iou(boxes[k], boxes[i]) > threshold; });
    if (!covered) kept.push_back(i);
  }
  return kept;
}

/// Drops doubles and, where asked for, small regions.
inline std::vector<AutomaticMask> settle_candidates(const std::vector<MaskCandidate>& found,
                                                    const AutomaticMaskOptions& options) {
  std::vector<std::array<Index, 4>> boxes;
  std::vector<double> scores;
  for (const MaskCandidate& candidate : found) {
    boxes.push_back(candidate.corners);
    scores.push_back(candidate.predicted_iou);
  }
  std::vector<std::size_t> kept = suppress(boxes, scores, options.box_nms_thresh);
  std::vector<Mask> masks;
  if (options.min_mask_region_area > 0) {
    // Masks that were whole already win over those that had to be mended.
    boxes.clear();
    scores.clear();
    for (const std::size_t i : kept) {
      Mask mask = found[i].runs.mask();
      const bool holes = fill_small_holes(mask, options.min_mask_region_area);
      const bool islands = remove_small_islands(mask, options.min_mask_region_area);
      boxes.push_back(corners_of(mask));
      scores.push_back(holes || islands ? 0 : 1);
      masks.push_back(std::move(mask));
    }
    const std::vector<std::size_t> again = suppress(boxes, scores, options.box_nms_thresh);
    std::vector<std::size_t> left;
    std::vector<Mask> mended;
    for (const std::size_t i : again) {
      left.push_back(kept[i]);
      mended.push_back(std::move(masks[i]));
    }
    kept = std::move(left);
    masks = std::move(mended);
  }
  std::vector<AutomaticMask> answers;
  for (std::size_t k = 0; k < kept.size(); ++k) {
    const MaskCandidate& from = found[kept[k]];
    AutomaticMask answer{.mask = masks.empty() ? from.runs.mask() : std::move(masks[k]),
                         .predicted_iou = from.predicted_iou,
                         .stability_score = from.stability_score,
                         .point = from.point};
    const std::array<Index, 4> corners = corners_of(answer.mask);
    answer.box = {corners[0], corners[1], corners[2] - corners[0], corners[3] - corners[1]};
    answer.area = std::count_if(answer.mask.values.begin(), answer.mask.values.end(),
                                [](std::uint8_t value) { return value != 0; });
    answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace detail

/// Masks of everything in the predictor's image, the surest first: a grid of points is asked for three masks each;
/// unsure and unstable ones and doubles are dropped. Throws ConfigError, and as SamPredictor::predict.
template <class Recipe, class Device, class Scalar>
std::vector<AutomaticMask> generate_masks(SamPredictor<Recipe, Device, Scalar>& predictor,
                                          const AutomaticMaskOptions& options = {}) {
  options.check();
  const ImageSize size = predictor.image_size();
  const Index side = options.points_per_side, points = side * side;
  std::vector<detail::MaskCandidate> found;
  for (Index begin = 0; begin < points; begin += options.points_per_batch) {
    const Index count = std::min(options.points_per_batch, points - begin);
    std::vector<SamPrompt> prompts;
    for (Index i = begin; i < begin + count; ++i) {
      const auto at = [&](Index place, Index extent) {
        return (static_cast<double>(place) + 0.5) / static_cast<double>(side) * static_cast<double>(extent);
      };
      prompts.push_back({.points = {{at(i % side, size.width), at(i / side, size.height)}}, .multimask_output = true});
    }
    WorkspaceScope<Device> scope(predictor.context());
    const auto answers = predictor.decode(prompts);
    const std::vector<float> iou = predictor.download(answers.iou);
    require_finite(iou, "the predicted IoU");
    const Index masks = answers.low_res.dim(1);
    for (Index i = 0; i < count * masks; ++i) {
      const double sure = iou[static_cast<std::size_t>(i)];
      if (options.pred_iou_thresh > 0 && !(sure > options.pred_iou_thresh)) continue;
      WorkspaceScope<Device> one(predictor.context());
      const std::vector<float> logits =
          predictor.download(predictor.upscale(answers.low_res.slice(i / masks).slice(i % masks)));
      Mask mask(size.height, size.width);
      Index narrow = 0, wide = 0;
      const auto offset = static_cast<float>(options.stability_score_offset);
      for (std::size_t p = 0; p < logits.size(); ++p) {
        narrow += logits[p] > offset ? 1 : 0;
        wide += logits[p] > -offset ? 1 : 0;
        mask.values[p] = logits[p] > 0 ? 255 : 0;
      }
      const double stable = static_cast<double>(narrow) / static_cast<double>(wide);
      if (options.stability_score_thresh > 0 && !(stable >= options.stability_score_thresh)) continue;
      found.push_back({detail::RunLengths(mask), detail::corners_of(mask), sure, stable,
                       prompts[static_cast<std::size_t>(i / masks)].points[0]});
    }
    if (options.progress) options.progress(begin + count, points);
  }
  return detail::settle_candidates(found, options);
}

}  // namespace ssam::inline SSAM_ABI
