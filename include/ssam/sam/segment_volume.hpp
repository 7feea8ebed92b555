#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <ssam/data/volume.hpp>
#include <ssam/data/volume_slice.hpp>
#include <ssam/sam/prompt.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// What slices are shown to: a SamPredictor, or what answers as it does.
template <class Predictor>
concept SlicePredictor = requires(Predictor& predictor, const Image& image, const std::vector<SamPrompt>& prompts) {
  predictor.set_image(image);
  { predictor.predict(prompts) } -> std::convertible_to<std::vector<Prediction>>;
  { predictor.config().preparation.intensity } -> std::convertible_to<Intensity>;
};

/// Which slices of a volume are segmented.
struct VolumeSegmentOptions {
  std::string axis = "auto";                ///< see slice_plane()
  Index first = 0;                          ///< the first slice
  std::optional<Index> end = {};            ///< the slice behind the last one; none: all to the end
  std::optional<Intensity> intensity = {};  ///< which values become 0 and 255; none: as the model was trained
  std::function<void(Index done, Index all)> progress = {};  ///< called before each slice and at the end
};

/// Which of several masks each pixel belongs to: 0 for none, else 1 for the first one of `answers` and so on. An answer
/// is its best mask; where masks overlap, the one whose logit is larger. Throws ShapeError for answers of other sizes,
/// ConfigError for more than 255.
inline Mask label_map(const std::vector<const Prediction*>& answers) {
  if (answers.size() > 255) throw ConfigError("at most 255 masks fit one picture of labels");
  if (answers.empty()) return {};
  Mask labels(answers[0]->height, answers[0]->width);
  std::vector<float> surest(labels.values.size());
  for (std::size_t a = 0; a < answers.size(); ++a) {
    if (answers[a]->height != labels.height || answers[a]->width != labels.width) {
      throw ShapeError(ErrorText{.what = "the answers are of different pictures",
                                 .expected = Shape{labels.height, labels.width}.str(),
                                 .found = Shape{answers[a]->height, answers[a]->width}.str()});
    }
    const float* logits = answers[a]->logits.data() + answers[a]->best() * labels.height * labels.width;
    for (std::size_t p = 0; p < surest.size(); ++p) {
      if (!(logits[p] > surest[p])) continue;
      surest[p] = logits[p];
      labels.values[p] = static_cast<std::uint8_t>(a + 1);
    }
  }
  return labels;
}

/// Segments a volume slice by slice: every slice is shown to `predictor` as a picture (turned upright along `axis`, its
/// values by one range of the whole volume, see intensity_range) and asked all `prompts`,
/// whose points and boxes are pixels of that picture. The answers are put back voxel by voxel: 0 is background, 1 the
/// first prompt, 2 the second (see label_map). Slices that are not asked for stay background. Throws ConfigError for an
/// axis or slices that are not there and where there is no prompt; else as `predictor`.
template <SlicePredictor Predictor>
LabelVolume segment_volume(Predictor& predictor, const Volume& volume, const std::vector<SamPrompt>& prompts,
                           const VolumeSegmentOptions& options = {}) {
  if (prompts.empty()) throw ConfigError("there is no prompt to answer");
  const SlicePlane plane = slice_plane(volume, options.axis);
  const Index slices = slice_count(volume, plane), end = options.end.value_or(slices);
  if (options.first < 0 || options.first >= end || end > slices) {
    throw ConfigError(ErrorText{.what = "the volume has no such slices",
                                .expected = "slices of 0.." + std::to_string(slices - 1),
                                .found = std::to_string(options.first) + ".." + std::to_string(end - 1)});
  }
  const IntensityRange range =
      intensity_range(volume, options.intensity.value_or(predictor.config().preparation.intensity));
  LabelVolume labels(volume);
  for (Index slice = options.first; slice < end; ++slice) {
    if (options.progress) options.progress(slice - options.first, end - options.first);
    predictor.set_image(slice_image(volume, plane, slice, range));
    const std::vector<Prediction> answers = predictor.predict(prompts);
    std::vector<const Prediction*> all;
    for (const Prediction& answer : answers) all.push_back(&answer);
    put_slice(labels, plane, slice, label_map(all));
  }
  if (options.progress) options.progress(end - options.first, end - options.first);
  return labels;
}

/// The same for `labels`' names, of a model that was trained on them: 1 is the first one.
template <SlicePredictor Predictor>
LabelVolume segment_volume(Predictor& predictor, const Volume& volume, const std::vector<std::string>& labels,
                           const VolumeSegmentOptions& options = {}) {
  std::vector<SamPrompt> prompts;
  for (const std::string& label : labels) prompts.push_back({.label = label});
  return segment_volume(predictor, volume, prompts, options);
}

}  // namespace ssam::inline SSAM_ABI
