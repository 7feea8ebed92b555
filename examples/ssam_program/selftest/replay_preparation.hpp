#pragma once

#include <ssam/data/preprocess.hpp>
#include <ssam/io/safetensors.hpp>

#include "compare.hpp"

namespace ssam::selftest {

namespace detail {

/// "sam.3.64": the form, the number of the picture, the side of the input.
struct PreparedName {
  std::string form, number;
  Index size = 0;

  explicit PreparedName(const std::string& name) {
    const auto first = name.find('.'), second = name.find('.', first + 1);
    if (second == std::string::npos) return;
    form = name.substr(0, first);
    number = name.substr(first + 1, second - first - 1);
    size = std::stoll(name.substr(second + 1));
  }
};

/// The published form sums in single precision and rounds to whole grey levels: where the exact sum lies halfway,
/// either level is right. Takes the recorded value there.
inline void forgive_ties(const Image& image, Index size, const Preparation& preparation,
                         const std::vector<double>& recorded, std::vector<float>& ours) {
  if (preparation.form == PreparationForm::sam) return;
  const ImageSize to = prepared_size(image.height, image.width, size, preparation);
  const std::vector<double> exact =
      ssam::detail::resize_real(image.rgb, image.width, 3, ssam::detail::triangle_taps<double>(image.height, to.height),
                                ssam::detail::triangle_taps<double>(image.width, to.width));
  for (Index y = 0; y < to.height; ++y) {
    for (Index x = 0; x < to.width; ++x) {
      for (Index c = 0; c < 3; ++c) {
        const double value = exact[static_cast<std::size_t>((y * to.width + x) * 3 + c)];
        const bool tie = std::abs(value - std::floor(value) - 0.5) < 1e-4;
        const auto at = static_cast<std::size_t>((c * size + y) * size + x);
        if (tie) ours[at] = static_cast<float>(recorded[at]);
      }
    }
  }
}

}  // namespace detail

/// Replays `preparation.safetensors`: pictures and masks of odd sizes as segment-anything's predictor and S-SAM's
/// published code bring them to a model's input.
inline std::vector<CaseResult> replay_preparation(const std::filesystem::path& folder) {
  const StateDict golden = load_safetensors(folder / "preparation.safetensors");
  std::vector<CaseResult> results;
  for (const std::string form : {"sam", "release_window", "release_range", "release_mask"}) {
    Comparison comparison("preparation " + form);
    Preparation preparation;
    if (form == "release_range" || form == "release_window") parse_form(form, preparation);
    if (form == "release_mask") preparation.form = PreparationForm::release_window;
    if (form != "sam") preparation.stats = svdsam_release_pixel_stats;
    for (const auto& [name, tensor] : golden.tensors) {
      const detail::PreparedName parts(name);
      if (parts.form != form) continue;
      if (form == "release_mask") {
        const HostTensor& stored = golden.at("mask." + parts.number);
        Mask mask(stored.shape[0], stored.shape[1]);
        mask.values = stored.to<std::uint8_t>();
        comparison.add(name, preprocess_mask(mask, parts.size, preparation).values, tensor);
        continue;
      }
      const HostTensor& raw = golden.at("raw." + parts.number);
      Image image(raw.shape[0], raw.shape[1]);
      image.rgb = raw.to<std::uint8_t>();
      const std::vector<float> hwc = preprocess(image, parts.size, preparation);
      const Index pixels = parts.size * parts.size;
      std::vector<float> chw(hwc.size());
      for (Index i = 0; i < 3 * pixels; ++i) {
        chw[static_cast<std::size_t>(i % 3 * pixels + i / 3)] = hwc[static_cast<std::size_t>(i)];
      }
      detail::forgive_ties(image, parts.size, preparation, tensor.to<double>(), chw);
      comparison.add(name, chw, tensor);
    }
    results.push_back(comparison.result());
  }
  return results;
}

}  // namespace ssam::selftest
