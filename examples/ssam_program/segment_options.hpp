#pragma once

#include <ssam/sam/automatic_mask_options.hpp>

#include "open_model.hpp"
#include "slice_options.hpp"

namespace ssam::cli {

/// What `ssam segment` is asked.
struct SegmentOptions {
  ModelOptions model;
  TextOptions text;
  SliceOptions slices;
  std::filesystem::path adapter, image, mask_input, out, overlay, logits, low_res;
  std::vector<std::string> labels, points;
  std::string box;
  bool multimask = false, everything = false, json = false;
  AutomaticMaskOptions automatic;
  std::optional<Intensity> intensity;  ///< of a volume's values; none: as the model was trained
  DeviceKind device = DeviceKind::cpu;
  int threads = 0;
};

/// Points and box as one prompt. Throws UsageError.
SamPrompt read_geometry(const SegmentOptions& options);
/// What can be refused about labels and files before any work is done.
void check_paths(const SegmentOptions& options);

/// Whether a file of this name is a volume: .nii, .nii.gz.
bool names_volume(const std::filesystem::path& path);
/// Segments a volume slice by slice and writes the masks as a volume. `names`: of the masks, "prompt" for points and
/// box. Returns the exit code.
int segment_volume_file(const SegmentOptions& options, const std::vector<std::string>& names);

}  // namespace ssam::cli
